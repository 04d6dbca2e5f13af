#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# What changes below running flows on the short way: neighbours, routes, devices, addresses, pods, programs. No packet may go
# astray, none may leave with a pod's address (node_down), and none may be lost but where the network itself was down.

setup() {
	load lib
	load steady
	node_up
	steady_server
}

teardown() { node_down; }

UNHEARD=0.4	# seconds without an echo that a loaded machine may add to any outage

# outage NAME: the longest time without an echo, in seconds.
outage() { noticed "$1" '[.gaps[] | .[1] - .[0]] + [0] | max'; }

# unharmed NAME...: no datagram lost, no connection ended, nobody had to wait.
unharmed() {
	local name
	for name; do
		same "$(noticed "$name" '[.error, .lost, .gaps]')" '[null,0,[]]' "$name"
	done
}

sum() { awk "BEGIN { print ${*/%/ + } 0 }"; }

# back_within SECONDS NAME...: flows that heard nothing for at most so long, and then went on.
back_within() {
	local name
	for name in "${@:2}"; do
		same "$(noticed "$name" .error)" null "$name"
		at_most "$1" "$(outage "$name")" "longest time without an echo of $name, in seconds"
		at_most $UNHEARD "$(noticed "$name" .silent)" "time without an echo at the end of $name, in seconds"
	done
}

# source_of NAME: the address that the server saw last.
source_of() { noticed "$1" '.sources[-1][0]' | tr -d '"' | cut -d' ' -f1; }

# ---- neighbours ----------------------------------------------------------------------------------------

# new_router_mac MAC: the router's device gets another MAC; the world still knows where the node is, and need not ask.
new_router_mac() {
	local mac
	mac=$(in_node cat /sys/class/net/eth0/address)
	in_world ip -batch - <<-EOT
		link set node address $1
		neigh replace $NODE4 dev node lladdr $mac nud permanent
		neigh replace $NODE6 dev node lladdr $mac nud permanent
	EOT
}

@test "the kernel's neighbour entry changes: flows follow within a second" {
	local mac=02:00:00:00:00:77 changed
	pod a
	steady_flows a
	new_router_mac $mac
	in_node ip -batch - <<-EOT
		neigh replace $ROUTER4 dev eth0 lladdr $mac
		neigh replace $ROUTER6 dev eth0 lladdr $mac
	EOT
	sleep 2
	over "${FLOWS[@]}"
	back_within "$(sum 1 $UNHEARD)" "${FLOWS[@]}"
}

# silent_change LEVEL: on a node of that level, how long the flows over UDP heard nothing when the router's MAC changed and nobody
# said so. (Those over TCP wait longer before they try again.)
silent_change() {
	local name
	conf ".datapath = \"$1\""
	pod a
	for name in ipv4 ipv6; do
		in_node sysctl -qw net.$name.neigh.eth0.base_reachable_time_ms=500 net.$name.neigh.eth0.delay_first_probe_time=1 \
			net.$name.neigh.eth0.retrans_time_ms=100
	done
	if [[ $1 == full ]]; then
		steady_flows a
	else
		start_flows a
		sleep 2
	fi
	new_router_mac 02:00:00:00:00:77
	sleep 5
	over "${FLOWS[@]}"
	for name in "${FLOWS[@]}"; do
		same "$(noticed "$name" .error)" null "$name at level $1" || return
		[[ $name == udp? ]] || continue
		at_most $UNHEARD "$(noticed "$name" .silent)" "$1: time without an echo at the end of $name, in seconds" || return
		outage "$name"
	done >"$DIR/outages"
	sort -n "$DIR/outages" | tail -n 1
}

# Reachable for at most 0.75 s, then a second of trust, then three probes, then the question to all.
NUD=2.3

@test "the router's MAC changes, and nobody says so: found out as with nftables masquerade" {
	local ours theirs
	theirs=$(silent_change nftables) || fail "$theirs"
	node_down
	node_up
	steady_server
	ours=$(silent_change full) || fail "$ours"
	at_most "$theirs" 0.5 "the change cost nothing, which is the test's own fault:"
	echo "longest time without an echo: $ours s, of nftables masquerade $theirs s"
	at_most "$(sum $NUD $UNHEARD)" "$theirs" "nftables masquerade, in seconds"
	at_most "$(sum $NUD 1 $UNHEARD)" "$ours" "the short way, in seconds"
}

# ---- devices and routes --------------------------------------------------------------------------------

@test "the default routes move to a second uplink: flows begin anew with its address" {
	local new4=203.0.113.10 new6=2001:db8:9::10 moved name
	plug eth1 second $new4 $new6 203.0.113.2 2001:db8:9::1
	in_node ip route replace default via $ROUTER4
	in_node ip route replace default via $ROUTER6
	conf '.uplinks = ["eth0", "eth1"]'
	pod a
	steady_flows a
	watch second in_world second
	in_node ip route replace default via 203.0.113.2
	in_node ip route replace default via 2001:db8:9::1
	moved=$EPOCHREALTIME
	sleep 2.5
	over "${FLOWS[@]}" second
	back_within "$(sum 1 $UNHEARD)" udp4 udp6
	same "$(source_of udp4) $(source_of udp6)" "$new4 $new6"
	for name in tcp4 tcp6; do
		[[ $(noticed $name .error) == *reset* ]] || fail "$name: $(noticed $name .error)"
	done
	for name in $NODE4 $NODE6; do
		at_most 1.05 "$(difference "$(sighted second last $name)" "$moved")" "$name on the wrong uplink until, in seconds"
	done
}

@test "the uplink goes down and up" {
	local name
	pod a
	steady_flows a
	in_node ip link set eth0 down
	sleep 1
	in_node ip -batch - <<-EOT
		link set eth0 up
		route add default via $ROUTER4
		addr replace $NODE6/64 dev eth0 nodad
		route replace default via $ROUTER6
	EOT
	sleep 3
	over "${FLOWS[@]}"
	back_within "$(sum 1 1.5 $UNHEARD)" "${FLOWS[@]}"	# TCP waits before it tries again
	for name in udp4 udp6; do
		at_most "$(outage $name)" "$(sum "$(noticed $name .lost)" -4 | awk '{ print $1 / 200 }')" "lost of $name, in seconds"
	done
}

# large_flows POD: what fills packets of 1,500 bytes.
large_flows() {
	steady udp4 "$1" udp $SERVER4 --rate 100 --size 1400
	steady udp6 "$1" udp $SERVER6 --rate 100 --size 1400
	steady tcp4 "$1" tcp $SERVER4 --rate 50 --size 50000
	steady tcp6 "$1" tcp $SERVER6 --rate 50 --size 50000
	ready "${FLOWS[@]}"
	on_short_way
}

knows_mtu() { in_pod a ip route get "$1" | grep -qw "mtu $2"; }

@test "the uplink's MTU shrinks: the pod is told, flows go on" {
	pod a
	large_flows a
	in_node ip link set eth0 mtu 1300
	in_world ip link set node mtu 1300
	within 3 knows_mtu $SERVER4 1300 || fail "the pod was not told, IPv4"
	within 3 knows_mtu $SERVER6 1300 || fail "the pod was not told, IPv6"
	sleep 1.5
	over "${FLOWS[@]}"
	back_within "$(sum 1 $UNHEARD)" "${FLOWS[@]}"
}

# ---- addresses and pods --------------------------------------------------------------------------------

@test "the node's address is replaced by another: flows end within a second, and begin anew with the next STATUS" {
	local new4=192.0.2.11 new6=2001:db8:0:2::11 removed known
	pod a
	steady_flows a
	watch outside in_world node
	in_node ip -batch - <<-EOT
		addr add $new4/24 dev eth0
		addr add $new6/64 dev eth0 nodad
		addr del $NODE4/24 dev eth0
		addr del $NODE6/64 dev eth0
		addr replace $new4/24 dev eth0
		route replace default via $ROUTER4
		route replace default via $ROUTER6
	EOT
	removed=$EPOCHREALTIME
	within 2 all_ended || fail "entries ended: $(counter ended_egress)"
	CONF=$(jq -c '.cniVersion = "1.1.0"' <<<"$CONF") cni STATUS	# until then the table has the old one
	known=$EPOCHREALTIME
	sleep 1
	over "${FLOWS[@]}" outside
	at_most 1.05 "$(difference "$(sighted outside last $NODE4 $SERVER4 tcp)" "$removed")" "the last segment from $NODE4, in seconds"
	at_most 1.05 "$(difference "$(sighted outside last $NODE6 $SERVER6 tcp)" "$removed")" "the last segment from $NODE6, in seconds"
	at_most 0.05 "$(difference "$(sighted outside last $NODE4 $SERVER4)" "$known")" "$NODE4 was seen until, in seconds"
	at_most 0.05 "$(difference "$(sighted outside last $NODE6 $SERVER6)" "$known")" "$NODE6 was seen until, in seconds"
	same "$(source_of udp4) $(source_of udp6)" "$new4 $new6"
}
all_ended() { [[ $(counter ended_egress) -ge 4 ]]; }	# udp may begin and end again

# What of others' flows has reached the pod: datagrams to no socket, answers to segments of no connection.
strays() { in_pod "$1" nstat -asz UdpNoPorts Udp6NoPorts TcpOutRsts | awk '!/^#/ { n += $2 } END { print n }'; }

@test "a pod is deleted and another gets its addresses, while the world goes on sending" {
	local name
	conf '.runtimeConfig.ips = ["10.244.1.7", "fd00:10:244:1::7"]'
	pod a
	steady udp4 a udp $SERVER4 --push
	steady udp6 a udp $SERVER6 --push
	steady tcp4 a tcp $SERVER4 --size 10000
	steady tcp6 a tcp $SERVER6 --size 10000
	ready "${FLOWS[@]}"
	on_short_way
	watch pushed in_node eth0
	cni DEL a
	pod b
	sleep 2
	over pushed
	for name in $SERVER4 $SERVER6; do
		[[ $(sighted pushed count $name "" udp) -gt 200 ]] || fail "$name does not send: the test's own fault"
	done
	same "$(strays b)" 0 "packets that were not for this pod"
	same "$(seen b udp $SERVER4) $(seen b udp $SERVER6)" "$NODE4 $NODE6" "the new pod"
}

# ---- behind our back -----------------------------------------------------------------------------------

# forgotten SERVER NODE ADDRESS: conntrack forgets a flow of pod a; then pod b begins one that the world cannot tell from it. What
# the world sends goes to a for another second at most, and then to b.
forgotten() {
	local forgot last
	steady first a udp "$1" --sport 40004
	ready first
	on_short_way
	watch inside in_pod a eth0
	kill -KILL "$PID_first"
	in_node conntrack -D -p udp -s "$3"
	forgot=$EPOCHREALTIME
	steady second b udp "$1" --sport 40004
	ready second
	sleep 2.5
	over second inside
	same "$(noticed second '.sources[0][0]')" "\"$2 40004\""	# the same address, the same port
	last=$(sighted inside last "$1" "" udp)
	at_most 1.05 "$(difference "${last:-$forgot}" "$forgot")" "the world's packets went to the first pod until, in seconds"
	at_most $UNHEARD "$(noticed second .silent)" "time without an echo at the end, in seconds"
}

@test "conntrack forgets a flow, and another pod's takes its place" {
	pod a
	pod b
	forgotten $SERVER4 $NODE4 ${ADDR4[a]}
	forgotten $SERVER6 $NODE6 ${ADDR6[a]}
}

@test "the programs are detached one after the other: the stack does their work" {
	local program
	pod a
	steady_flows a
	for program in "from-uplink eth0" "to-pod $(host_link a)" "from-pod $(host_link a)" "to-uplink eth0"; do
		in_node "$BUILD/tests/tools/break" detach-$program
		sleep 1.2
	done
	over "${FLOWS[@]}"
	unharmed "${FLOWS[@]}"
}
