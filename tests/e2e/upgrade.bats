#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Two versions of the plugin on one node. `next` has another layout of the datapath's maps, `rebuilt` the same layout and
# newer programs. Each takes over from what is older, under running flows, and what is older leaves it alone.

setup() {
	load lib
	load state
	node_up
	conf '.cniVersion = "1.1.0"'	# STATUS
	NEXT=$BUILD/next/ctnat REBUILT=$BUILD/rebuilt/ctnat
	pod a
	TALKS=() SLEEPER=
}

teardown() {
	finish "$SLEEPER"
	node_down
}

# by PLUGIN COMMAND...: with another version of the plugin.
by() { PLUGIN=$1 "${@:2}"; }

# talk: pod a asks and is answered, some hundred times a second, over UDP and TCP, IPv4 and IPv6. One answer over UDP that
# does not come ends it, and so does the end of a connection.
talk() {
	local flow address
	for flow in udp4 udp6 tcp4 tcp6; do
		address=$SERVER4
		[[ $flow == *4 ]] || address=$SERVER6
		spawn $flow in_pod a "$HERE/peer.py" ask ${flow%?} $address $PORT --size 500 --count 1000000000 --pause 0.003
		TALKS+=($flow)
	done
	still_talks "at the beginning"
}

# still_talks WHEN: nothing was lost, and each flow goes on. (What its entry in conntrack counts are packets, but those
# of the short way are not among them: so the process is asked how long it has run.)
still_talks() {
	local flow pid before
	for flow in "${TALKS[@]}"; do
		pid=PID_$flow
		before=$(awk '{ print $1 }' "/proc/${!pid}/schedstat")
		within 5 runs "${!pid}" "$before" || fail "$1: $flow stands still: $(tail -n 1 "$DIR/$flow")"
		kill -0 "${!pid}" 2>/dev/null || fail "$1: $flow lost a packet: $(tail -n 1 "$DIR/$flow")"
	done
}

# More than it takes to give up.
runs() { [[ $(awk '{ print $1 }' "/proc/$1/schedstat") -gt $(($2 + 3000000)) ]]; }

# carried: ids of the programs on pod a's link. (Of those on the uplink bpftool knows nothing; CHECK does.)
carried() { in_node bpftool -j net show dev "$(host_link a)" | jq -c '[.[].tc[].id]'; }

# pinned VERSION: ids of the programs that an ADD would attach.
pinned() {
	local prog
	for prog in from_pod to_pod from_uplink to_uplink; do
		in_node bpftool -j prog show pinned "$BPFFS/$1/$prog" | jq .id
	done
}

versions() { in_node ls $BPFFS | grep ^v; }
sysctls() { in_node bpftool -j map dump pinned "$BPFFS/$1/sysctls" | jq -c 'map(.formatted // .) | sort'; }

# untouched COMMAND...: it changes neither attachments nor programs nor pins.
untouched() {
	local before
	before=$(all_of_it)
	"$@"
	same "$(all_of_it)" "$before" "after $*"
}

all_of_it() {
	attachments_state | grep -v ^conntrack
	carried
	pinned "$(versions)"
	in_node find $BPFFS ! -path '*/locks/*'
}

refuses() {
	netns z
	refused 50 "upgrade this binary" ADD z
	refused 50 "upgrade this binary" STATUS
	refused 50 "upgrade this binary" CHECK a
	not in_node "$CTNATCTL" status 2>"$DIR/ctl"
	grep -q "upgrade this binary" "$DIR/ctl"
	not in_node "$CTNATCTL" uninstall --force 2>/dev/null
}

reaches_world() {
	same "$(seen "$1" udp $SERVER4)" $NODE4 "$1, IPv4"
	same "$(seen "$1" tcp $SERVER6)" $NODE6 "$1, IPv6"
}

@test "a newer datapath takes over: no packet is lost, nothing of the older one is left" {
	local before known
	before=$(carried) known=$(sysctls v4)
	[[ $known != '[]' ]] || fail "no sysctl was changed: the test's own fault"
	talk
	by "$NEXT" pod b
	still_talks "after the takeover"
	same "$(versions)" v1000
	same "$(sysctls v1000)" "$known" "recorded sysctls"
	[[ $(carried) != "$before" ]] || fail "pod a has the old programs"
	by "$NEXT" cni CHECK a
	by "$NEXT" cni CHECK b
	reaches_world a
	reaches_world b
	by "$NEXT" cni DEL b
	still_talks "after DEL of b"
	finish "$PID_udp4" "$PID_udp6" "$PID_tcp4" "$PID_tcp6"
	by "$NEXT" cni DEL a
	nothing_left
}

@test "the takeover dies anywhere: the next ADD ends it, and no packet is lost" {
	local point all cases=0
	CTNAT_LIST_HOOKS=$DIR/points by "$NEXT" pod b
	all=$(grep ^node: "$DIR/points")
	talk
	for point in $all; do
		back
		CTNAT_KILL_AT=$point by "$NEXT" cni ADD b >/dev/null 2>&1 && fail "did not die at $point"
		still_talks "died at $point"
		cni DEL b || fail "died at $point: DEL by the older: $(<"$DIR/stdout")"
		by "$NEXT" cni ADD b >/dev/null || fail "ADD after one that died at $point: $(<"$DIR/stdout")"
		by "$NEXT" cni CHECK a || fail "died at $point: $(<"$DIR/stdout")"
		same "$(versions)" v1000 "died at $point"
		still_talks "after one that died at $point"
		cases=$((cases + 1))
	done
	[[ $cases -ge 12 ]] || fail "only $cases points"
}

# back: as if the newer version had never been here. Pods and flows stay.
back() {
	by "$NEXT" cni DEL b
	in_node rm -rf $BPFFS/v1000
	cni STATUS
	same "$(versions)" v4
}

@test "a newer datapath: the older plugin says so and touches nothing, but DEL and GC work" {
	netns b
	by "$NEXT" cni ADD b >/dev/null
	untouched refuses
	cni DEL b
	same "$(attachments_state | grep -c ^link)" 1 "links after DEL"
	reaches_world a
	gc
	nothing_left "left by GC"
	same "$(versions)" v1000
	by "$NEXT" cni STATUS
}

@test "newer programs replace the older ones in place: no packet is lost, and the older plugin refuses" {
	local before
	before=$(carried)
	talk
	by "$REBUILT" pod b
	still_talks "after new programs"
	[[ $(carried) != "$before" ]] || fail "pod a has the old programs"
	by "$REBUILT" cni CHECK a
	by "$REBUILT" cni CHECK b
	untouched refuses
	cni DEL b
	reaches_world a
	finish "$PID_udp4" "$PID_udp6" "$PID_tcp4" "$PID_tcp6"
	gc
	nothing_left "left by GC"
}

# stopped POINT VERB POD: the verb waits there until `go_on`.
stopped() {
	CTNAT_STOP_AT=$1 PLUGIN=$CTNAT_HOOKS cni "$2" "$3" >"$DIR/stopped" &
	STOPPED=$!
	within 5 asleep || fail "did not stop at $1"
}
asleep() { SLEEPER=$(pgrep -P "$STOPPED" -r T -f "$CTNAT_HOOKS"); }
go_on() {
	kill -CONT "$SLEEPER"
	wait "$STOPPED"
}

@test "programs are replaced while an ADD has attached the older ones: it attaches again" {
	netns c
	stopped do:program:after ADD c
	in_node "$BUILD/tests/tools/break" outdate
	cni STATUS
	go_on
	cni CHECK c
	reaches_world c
}

@test "the node is taken over while an older ADD is under way: that fails, and leaves nothing" {
	local before
	netns b
	netns c
	stopped do:routes:after ADD c
	by "$NEXT" cni ADD b >/dev/null
	not go_on
	same "$(jq -r .code "$DIR/stopped")" 11 "code: $(<"$DIR/stopped")"
	by "$NEXT" cni ADD c >/dev/null
	by "$NEXT" cni CHECK c
	reaches_world c
}

@test "the programs are replaced 100 times in a row: no packet is lost" {
	talk
	in_node "$BUILD/tests/tools/break" replace-often "$(host_link a)"
	still_talks "at the end"
	cni CHECK a	# the last of them are those that are pinned
}
