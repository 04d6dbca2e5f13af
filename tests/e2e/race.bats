#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Flows that want the same thing at the same time: one entry of conntrack, one source port.

TOOLS=$BUILD/tests/tools
ROUNDS=10000
ATTEMPTS=5

setup() {
	load lib
	node_up
}

teardown() { node_down; }

# opened: flows that BPF has inserted, with their own port or another.
opened() { echo $(($(counter inserted) + $(counter insert_retried))); }

# ---- one flow, two CPUs ------------------------------------------------------------------------------

# duel SERVER: so many rounds, each of which opens one flow with two datagrams at once. No datagram may be lost, no flow
# have two entries or none.
duel() {
	local opened
	in_node conntrack -F 2>/dev/null
	opened=$(opened)
	same "$(in_pod a "$TOOLS/duel" "$1" $PORT 20000 $ROUNDS)" $((2 * ROUNDS)) "answers"
	same $(($(opened) - opened)) $ROUNDS "flows opened"
}

@test "two threads, one socket, one instant: 10,000 times, and nothing is lost" {
	[[ $(nproc) -ge 2 ]] || skip "there is only one CPU"
	# a resolver's flows get no further than one question, so nothing is refunded
	conf '.insertLimit = 0'
	pod a
	local server attempt raced
	for server in $SERVER4 $SERVER6; do
		duel $server
	done
	# Those inserts were tried unasked, and who lost one was counted as a packet of a known flow. Without the short way each flow is
	# looked up before: then a lost insert says that the CPUs met.
	conf '.insertLimit = 0 | .shortWay = "off"'
	pod b
	for server in $SERVER4 $SERVER6; do
		raced=$(counter insert_raced)
		for ((attempt = 1; $(counter insert_raced) == raced; attempt++)); do
			[[ $attempt -le $ATTEMPTS ]] ||
				skip "inconclusive: the CPUs never met in $ATTEMPTS times $ROUNDS rounds to $server"
			duel $server
		done
	done
}

# ---- many flows, one port ----------------------------------------------------------------------------

# crowd N: so many pods, at the cost of an ADD each; PODS is their namespaces.
crowd() {
	in_node bash -c '
		export CNI_COMMAND=ADD CNI_IFNAME=eth0 CNI_PATH=$4
		for ((i = 0; i < $1; i++)); do
			touch "$2/$i" && unshare --net="$2/$i" true &&
				CNI_CONTAINERID=ctr-$i CNI_NETNS=$2/$i "$3" <<<"$5" 2>>"$2/stderr" >"$2/stdout" || exit 1
		done' - "$1" "$DIR" "$CTNAT" $CNI_PATH "$CONF" || fail "$(<"$DIR/stdout")"
	mapfile -t PODS < <(printf "$DIR/%s\n" $(seq 0 $(($1 - 1))))
}

# each_has_its_own N NODE-ADDRESS: of the answers in $DIR/flows, N are the node's address with a port, none of them twice.
each_has_its_own() {
	same "$(grep -c "^$2 [0-9]" "$DIR/flows")" "$1" "flows that work"
	same "$(grep "^$2 " "$DIR/flows" | sort -u | wc -l)" "$1" "ports they have"
}

@test "1,000 pods, one source port, one destination: all work, each with a port of its own" {
	conf '.ipam.ranges = [[{subnet: "10.244.0.0/20"}], [{subnet: "fd00:10:244:1::/64"}]]'
	crowd 1000
	local protocol
	for protocol in udp tcp; do
		in_node "$TOOLS/flows" $protocol $SERVER4 $PORT 40001-40001 "${PODS[@]}" >"$DIR/flows"
		each_has_its_own 1000 $NODE4
		in_node "$TOOLS/flows" $protocol $SERVER6 $PORT 40001-40001 "${PODS[@]}" >"$DIR/flows"
		each_has_its_own 1000 $NODE6
	done
	same "$(opened)" 4000 "flows opened"
	grew insert_retried 3900	# all but the first of each kind
	same "$(counter snat_exhausted)" 0
}

# few_ports PROTOCOL SERVER NODE-ADDRESS: 20 flows compete for 16 ports; in the end the 16 still have theirs.
few_ports() {
	local exhausted failed=4
	exhausted=$(counter snat_exhausted)
	in_node "$TOOLS/flows" "$1" "$2" $PORT 40001-40020 "$DIR/a" >"$DIR/flows"
	each_has_its_own 16 "$3"
	same "$(grep -c silence "$DIR/flows")" $failed "flows without an answer"
	same "$(awk '$2 && ($2 < 50000 || $2 > 50015)' "$DIR/flows")" "" "ports out of the range"
	same $(($(counter snat_exhausted) - exhausted)) $failed "counted as snat_exhausted"
}

@test "20 flows, 16 ports: 16 work and keep their ports, 4 are counted" {
	conf '.portRange = "50000-50015"'
	pod a
	local protocol
	for protocol in udp tcp; do
		few_ports $protocol $SERVER4 $NODE4
		few_ports $protocol $SERVER6 $NODE6
	done
	same "$(opened)" 64 "flows opened"
	# The ports belong to a destination: another one has its own 16.
	in_node "$TOOLS/flows" udp $OTHER4 $PORT 40001-40016 "$DIR/a" >"$DIR/flows"
	each_has_its_own 16 $NODE4
}
