#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The plugin dies, by SIGKILL, at every point of ADD and DEL that base/hook.h marks: before and after each step. Whoever
# comes next puts it right: the same ADD again, DEL, GC, or another pod's ADD that finds no address left. In no case is an
# address lost: the range has room for two pods, so the third case after a loss could not run.

setup() {
	load lib
	load state
	node_up
	conf '.ipam.ranges = [[{subnet: "10.244.1.0/24", rangeStart: "10.244.1.10", rangeEnd: "10.244.1.11"}],
		[{subnet: "fd00:10:244:1::/64", rangeStart: "fd00:10:244:1::a", rangeEnd: "fd00:10:244:1::b"}]]'
	PLUGIN=$CTNAT_HOOKS
	netns a
	netns b
	netns c
	cni ADD a >/dev/null		# makes the base state
	cni DEL a
	nothing_left "before"
	CASES=0
}

teardown() { node_down; }

# points COMMAND...: the points that it passes, each once.
points() {
	CTNAT_LIST_HOOKS=$DIR/points "$@" >/dev/null || true
	sort -u "$DIR/points"
	rm "$DIR/points"
}

# killed POINT VERB POD: the verb dies there, and nowhere else.
killed() {
	local rc=0
	CTNAT_KILL_AT=$1 cni "$2" "$3" >/dev/null 2>&1 || rc=$?
	same $rc 137 "$2, to be killed at $1"
	CASES=$((CASES + 1))
}

is_ready() { in_node bpftool -j map dump pinned $BPFFS/r1/attachments | jq -e '.[0].formatted.value.state == "STATE_READY"' >/dev/null; }

# epoch IFINDEX: of the device; what is known of its flows is void when it rises.
epoch() {
	in_node sh -c "bpftool -j map dump pinned $BPFFS/v*/flow_index" |
		jq ".[0].formatted.value.epoch[$1]"
}

# ---- who comes next, and what must hold then; POINT is for the message -------------------------------

# The same ADD: works, or, where the attachment was complete, is refused and touches nothing.
next_add() {
	local before
	if is_ready; then
		before=$(attachments_state)
		refused 4 already ADD a || fail "$1: ADD of what is complete"
		same "$(attachments_state)" "$before" "$1: after the ADD that was refused"
	else
		cni ADD a >/dev/null || fail "$1: ADD: $(<"$DIR/stdout")"
		cni CHECK a || fail "$1: CHECK: $(<"$DIR/stdout")"
		same "$(ask a udp $SERVER4 | cut -d" " -f1)" $NODE4 "$1: who the server saw"
	fi
	next_del "$1"
}

next_del() {
	cni DEL a || fail "$1: DEL: $(<"$DIR/stdout")"
	nothing_left "$1: left by DEL"
}

next_gc() {
	gc || fail "$1: GC: $(<"$DIR/stdout")"
	nothing_left "$1: left by GC"
}

# Two others need both addresses. What was complete is alive, and keeps its own.
next_others() {
	local wanted=0
	! is_ready || wanted=1
	cni ADD b >/dev/null || fail "$1: ADD of b: $(<"$DIR/stdout")"
	run cni ADD c
	same "$status" $wanted "$1: ADD of c: $output"
	same "$(attachments_state | grep -c ^link)" 2 "$1: links"
	cni DEL b
	cni DEL c
	next_del "$1"
}

# ---- all points ------------------------------------------------------------------------------------

# in_add NEXT, in_del NEXT: ADD or DEL dies at each of its points, and NEXT comes.
in_add() {
	local point
	for point in $(points cni ADD a; cni DEL a); do
		killed "$point" ADD a
		"$1" "ADD died at $point"
	done
	at_least 16
}

in_del() {
	local point all ifindex epoch
	cni ADD a >/dev/null
	all=$(points cni DEL a)
	for point in $all; do
		cni ADD a >/dev/null
		ask a udp $SERVER4 >/dev/null	# leaves an entry in conntrack
		ifindex=$(in_node cat "/sys/class/net/$(host_link a)/ifindex")
		epoch=$(epoch "$ifindex")
		killed "$point" DEL a
		"$1" "DEL died at $point"
		[[ $(epoch "$ifindex") -gt $epoch ]] || fail "DEL died at $point: answers of before are still good"
	done
	at_least 12
}

# at_least N: points. A test that found none would find no faults.
at_least() {
	[[ $CASES -ge $1 ]] || fail "only $CASES points"
	echo "# died at $CASES points" >&3
}

@test "ADD dies anywhere: the same ADD works, or is refused and touches nothing" { in_add next_add; }
@test "ADD dies anywhere: DEL leaves nothing" { in_add next_del; }
@test "ADD dies anywhere: GC leaves nothing" { in_add next_gc; }
@test "ADD dies anywhere: who needs the address gets it" { in_add next_others; }

@test "DEL dies anywhere: the same ADD works, or is refused and touches nothing" { in_del next_add; }
@test "DEL dies anywhere: DEL again leaves nothing" { in_del next_del; }
@test "DEL dies anywhere: GC leaves nothing" { in_del next_gc; }
@test "DEL dies anywhere: who needs the address gets it" { in_del next_others; }

# An address is free when nobody can speak from it, and nothing delivers to it: not the link, not an answer, not an entry.
@test "the order of DEL: dying, link down, answers void, link gone, entries gone, address free, forgotten" {
	local point epoch link ifindex
	cni ADD a >/dev/null
	ask a udp $SERVER4 >/dev/null
	link=$(host_link a)
	ifindex=$(in_node cat "/sys/class/net/$link/ifindex")
	epoch=$(epoch "$ifindex")
	for point in ready:before:READY,up,conntrack,address answers:before:DYING,up,conntrack,address \
		link:before:DYING,down,void,conntrack,address conntrack:before:DYING,gone,void,conntrack,address \
		addresses:before:DYING,gone,void,address record:before:DYING,gone,void; do
		killed "undo:${point%:*}" DEL a
		same "$(there)" "${point##*:}" "DEL died at undo:${point%:*}"
	done
	next_del "in the end"
}

# there: what there is of the attachment, in the order of that test.
there() {
	local state
	state=$(in_node bpftool -j map dump pinned $BPFFS/r1/attachments | jq -r '.[0].formatted.value.state')
	echo -n "${state#STATE_}"
	case $(in_node ip -j link show "$link" 2>/dev/null | jq -r '.[0].flags | index("UP") != null') in
	true) echo -n ,up ;;
	false) echo -n ,down ;;
	*) echo -n ,gone ;;
	esac
	[[ $(epoch "$ifindex") -eq $epoch ]] || echo -n ,void
	! attachments_state | grep -q '^conntrack' || echo -n ,conntrack
	! attachments_state | grep -q '^pods' || echo -n ,address
}

@test "ADD fails, and dies anywhere while it cleans up: the same ADD works" {
	local point
	for point in $(
		in_pod a ip link add eth0 type veth peer name other
		points cni ADD a | grep undo
		in_pod a ip link del eth0
	); do
		in_pod a ip link add eth0 type veth peer name other
		killed "$point" ADD a
		in_pod a ip link del eth0
		next_add "a failing ADD died at $point"
	done
	at_least 6
}

# host-local keeps a file for each address.
@test "with a delegated IPAM plugin: DEL leaves nothing, there neither" {
	local point
	conf ".ipam = {type: \"host-local\", dataDir: \"$DIR/host-local\", ranges: .ipam.ranges, routes: .ipam.routes}"
	for point in $(points cni ADD a; cni DEL a); do
		killed "$point" ADD a
		next_del "ADD died at $point"
		same "$(find "$DIR/host-local" -name '10.*' -o -name 'fd00*')" "" "ADD died at $point: files of host-local"
	done
	at_least 16
}

# The base state is not the attachment's: whoever comes next finds a node that is half made.
@test "the first ADD dies anywhere while it makes the base state: the next one makes it whole" {
	local point all
	forget_node
	all=$(points cni ADD a | grep ^node:)
	for point in $all; do
		forget_node
		killed "$point" ADD a
		cni ADD b >/dev/null || fail "ADD after one that died at $point: $(<"$DIR/stdout")"
		cni CHECK b || fail "CHECK after an ADD that died at $point: $(<"$DIR/stdout")"
		same "$(in_node "$CTNATCTL" status -o json | jq -r .state)" whole "after an ADD that died at $point"
		same "$(ask b udp $SERVER4 | cut -d" " -f1)" $NODE4 "who the server saw"
		cni DEL b
		next_del "ADD died at $point"
	done
	at_least 9
}

forget_node() {
	cni DEL a
	in_node "$CTNATCTL" uninstall >/dev/null
}

# Another network brings a pod range that the table does not have yet.
@test "a rebuild of the base state dies anywhere: the next ADD ends it" {
	local point all first=$CONF
	known_range_only
	all=$(points cni ADD a | grep ^node:)
	for point in $all; do
		known_range_only
		killed "$point" ADD a
		cni ADD a >/dev/null || fail "ADD after one that died at $point: $(<"$DIR/stdout")"
		in_node nft list set inet ctnat pods4 | grep -q 10.245.1.0/24 || fail "died at $point: no range in the table"
		same "$(in_node "$CTNATCTL" status -o json | jq -r .state)" whole "after an ADD that died at $point"
		cni DEL a
	done
	CONF=$first
	at_least 10
}

known_range_only() {
	in_node "$CTNATCTL" uninstall --force >/dev/null
	CONF=$first
	cni ADD b >/dev/null
	conf '.name = "other" | .ipam.ranges = [[{subnet: "10.245.1.0/24"}]]'
}
