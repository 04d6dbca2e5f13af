#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# ctnatd dies, is replaced by other builds, and is told something else all the time: nobody notices.

MANY=$(realpath "$(dirname "$BATS_TEST_FILENAME")")/many.py
ECHO=7779

setup() {
	load lab
	load ../e2e/steady
}
teardown() { cluster_down; }

echo_server() {
	spawn many_server in_world "$MANY" serve $ECHO
	steady_server
	ready many_server
}

# runs NAME POD COMMAND...: in a pod on n1, until its end is asked for.
runs() {
	setpriv --pdeathsig KILL nsenter -t "${N[n1]}" --mount nsenter --net="$DIR/n1/$2" "${@:3}" \
		</dev/null >"$DIR/$1" 2>&1 3>&- &
	declare -g "PID_$1=$!"
	PIDS+=($!)
	ready "$1"
}

# datagrams POD: of both families, until `none_lost`.
datagrams() {
	runs udp4 "$1" "$HERE/steady.py" udp $SERVER4 $STEADY --rate 200
	runs udp6 "$1" "$HERE/steady.py" udp $SERVER6 $STEADY --rate 200
}
none_lost() {
	over udp4 udp6
	same "$(noticed udp4 .lost) $(noticed udp6 .lost)" "0 0" "datagrams lost"
}

# connect NAME POD COUNT ADDRESS: connections of a pod on n1, until `connected`.
connect() { runs "$1" "$2" "$MANY" ask "$3" "$4" $ECHO; }

# connected NAME: ends them. None broke, and every question was answered; what TCP repeats is not seen here.
connected() {
	local pid=PID_$1 asked answered broken
	kill -TERM "${!pid}"
	wait "${!pid}" || true
	read -r asked answered broken _ < <(tail -n 1 "$DIR/$1" | tr -dc '0-9 \n')
	[[ $asked -gt 100 && $asked -eq $answered && $broken -eq 0 ]] || fail "$1: $(<"$DIR/$1")"
	echo "$1: $(tail -n 1 "$DIR/$1")"
}

@test "ctnatd is killed again and again, during ADDs, DELs and traffic: no packet is lost, no address leaks" {
	local end=$((SECONDS + 20)) n=0 kills=0
	cluster_up n1
	serves n1
	echo_server
	cpod n1 steady
	connect four steady 10 $SERVER4
	connect six steady 10 $SERVER6
	datagrams steady
	while [[ $SECONDS -lt $end ]]; do
		sleep 0.0$((RANDOM % 10))
		finish "${AGENT[n1]}"
		kills=$((kills + 1))
		agent n1
		cpod n1 p$n
		sleep 0.$((RANDOM % 4))
		ccni DEL n1 p$n
		n=$((n + 1))
	done
	echo "killed $kills times"
	[[ $kills -gt 10 ]]
	connected four
	connected six
	none_lost
	ccni DEL n1 steady
	same "$(in_n n1 "$CTNATCTL" status -o json | jq .addresses)" 0 "addresses in use"
	within 12 whole n1
}

whole() { in_n "$1" "$CTNATCTL" status -o json | jq -e '.state == "whole"'; }

@test "another build takes over 50 connections, and the first comes back or says why not" {
	cluster_up n1
	serves n1
	echo_server
	cpod n1 a
	connect many a 50 $SERVER4
	datagrams a
	sleep 2

	finish "${AGENT[n1]}"
	CTNATD=$BUILD/rebuilt/ctnatd PLUGIN_FROM=$BUILD/rebuilt/ctnat agent n1
	is_rebuilt() { [[ $(in_n n1 bpftool -j map dump pinned /sys/fs/bpf/ctnat/v4/config | jq '.[0].formatted.value.build // .[0].value.build') -eq 1000 ]]; }
	within 10 is_rebuilt
	within 2 cmp -s "$BUILD/rebuilt/ctnat" "$DIR/n1/bin/ctnat"
	cpod n1 b
	sleep 2

	# back: refused, and nothing is touched
	finish "${AGENT[n1]}"
	agent n1
	within 5 grep -q 'newer ctnat (build 1000' "$DIR/n1/log"
	sleep 2
	cmp "$BUILD/rebuilt/ctnat" "$DIR/n1/bin/ctnat"
	cpod n1 c
	connected many
	none_lost
	ccni DEL n1 b
	is_rebuilt
}

@test "a version with other maps takes over 50 connections" {
	cluster_up n1
	serves n1
	echo_server
	cpod n1 a
	connect many a 50 $SERVER4
	datagrams a
	sleep 2
	finish "${AGENT[n1]}"
	CTNATD=$BUILD/next/ctnatd PLUGIN_FROM=$BUILD/next/ctnat agent n1
	within 10 in_n n1 test -e /sys/fs/bpf/ctnat/v1000/config
	cpod n1 b
	sleep 2
	connected many
	none_lost
	ccni DEL n1 b
	ccni DEL n1 a
}

# agreed NODE: every destination that the map leaves as it is, the table does, and the other way round. Who reads both
# holds the node's lock, as those do who write.
agreed() {
	local map table
	map=$(in_n "$1" flock /sys/fs/bpf/ctnat sh -c "bpftool -j map dump pinned /sys/fs/bpf/ctnat/v4/masq_cidrs
		echo; nft -j list set inet ctnat leave4")
	table=$(tail -n 1 <<<"$map" | jq -r '.nftables[].set.elem[]?.prefix | select(.) | "\(.addr)/\(.len)"' | grep '^172[.]31[.]' | sort)
	map=$(head -n 1 <<<"$map" | jq -r '.[] | (.formatted // .) | select(.value.class == "CLASS_LEAVE" or .value.class == 4) |
		.key | "\(.addr.byte[12:] | map(tonumber? // .) | join("."))/\(.prefixlen - 96)"' | grep '^172[.]31[.]' | sort)
	[[ -n $map && $map == "$table" ]] || fail "map: $map, table: $table"
}

@test "prefixes change ${CHANGES:=1000} times under traffic: each is soon in force, and table and map agree" {
	local i octet began late=0
	cluster_up n1
	serves n1
	echo_server
	cpod n1 a
	connect many a 10 $SERVER4
	for ((i = 0; i < CHANGES; i++)); do
		octet=$((i % 200 + 1))
		echo "{\"nonMasqueradeCIDRs\": [\"10.244.0.0/16\", \"fd00:10:244::/48\", \"172.31.$octet.0/24\"]}" >"$DIR/conf"
		began=${EPOCHREALTIME/./}
		mv "$DIR/conf" "$DIR/n1/etc/ctnatd.json"
		until has_class n1 172.31.$octet.1 4; do :; done
		[[ $((${EPOCHREALTIME/./} - began)) -le 1000000 ]] || late=$((late + 1))
		agreed n1
	done
	same $late 0 "changes that took more than a second, of $CHANGES"
	connected many
}

# fragments NODE: made or joined there since its boot, of both families.
fragments() { in_n "$1" nstat -asz | awk '$1 ~ /^Ip6?(FragCreates|ReasmReqds)$/ { n += $2 } END { print n + 0 }'; }

# seen_from_here NODE POD: the file of a namespace that only that node's mounts have.
seen_from_here() { echo "/proc/${N[$1]}/root$DIR/$1/$2"; }

@test "1 GB through VXLAN, of both families, and no fragment" {
	local to
	cluster_up n1
	join n3 far
	serves n1 n3
	cpod n1 pod
	cpod n3 pod
	within 5 reaches n1 pod "${P4[n3/pod]}" "${P6[n3/pod]}"	# n1 has heard of n3 by then
	for to in "${P4[n3/pod]}" "${P6[n3/pod]}"; do
		in_world "$BUILD/tests/tools/stream" tcp ${BYTES:-1000000000} "$(seen_from_here n1 pod)" "$to" 9000 \
			"$(seen_from_here n3 pod)" "$to" 9000
	done
	same "$(fragments n1) $(fragments n3)" "0 0" "fragments"
	[[ $(in_n n1 ip -j -s link show ctnat.vx | jq '.[0].stats64.tx.bytes') -gt ${BYTES:-1000000000} ]]
}
