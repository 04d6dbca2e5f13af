#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Who may talk is for the kernel's firewall to say, and for whatever else hangs on the devices: with established flows on the
# short way, and with entries that BPF inserts before FORWARD has judged their first packet.

setup() {
	load lib
	load steady
	node_up
}

teardown() { node_down; }

# firewall RULE...: a chain in FORWARD that holds these; what it held before goes.
firewall() {
	printf '%s\n' "table inet fw { chain forward { type filter hook forward priority 0; }; }" \
		"flush chain inet fw forward" "${@/#/add rule inet fw forward }" | in_node nft -f -
}

# packets COUNTER: what a named counter of the table has counted.
packets() { in_node nft -j list counter inet fw "$1" | jq '.nftables[].counter.packets // empty'; }

node_mac() { in_node cat /sys/class/net/eth0/address; }

# from_world KIND SOURCE DESTINATION [OPTION...]: one frame of forge.py that arrives by the uplink.
from_world() { in_world "$HERE/forge.py" node "$(node_mac)" "$@"; }

# ---- what is not to begin ----------------------------------------------------------------------------

# While the guard has not heard of the last entry's packet, BPF makes no other (guard.h): a flow that may leave goes first.
let_out() { same "$(seen a udp $OTHER4 $STEADY)" $NODE4 "a flow that may leave"; }

# unanswerable PROTOCOL SERVER NODE POD FORGED ENDED: the pod's packet to the server's port is dropped and leaves an entry; an
# answer forged by the book ends the entry (the sixth to be ended so), and the pod does not see it.
unanswerable() {
	local protocol=$1 server=$2 node=$3 pod=$4 forged=$5
	let_out
	not ask a "$protocol" "$server" --sport 40000 --timeout 0.2
	same "$(entry "$protocol" "$pod" "$server")" "$server $node" "entry of the dropped $protocol"
	from_world "$forged" "$server" "$node" --sport $PORT --dport 40000
	same "$(entry "$protocol" "$pod" "$server")" "" "entry of $protocol after an answer"
	same "$(counter unadmitted)" "$6" "entries ended"
}

@test "the entry of a flow that a rule drops lets no answer in" {
	pod a
	spawn others in_world "$HERE/peer.py" serve $STEADY
	ready others
	firewall 'ct state established,related accept' "udp dport $STEADY accept" 'iifname "ctn*" ct state new drop'
	watch inside in_pod a eth0
	unanswerable udp $SERVER4 $NODE4 ${ADDR4[a]} udp 1
	unanswerable udp $SERVER6 $NODE6 ${ADDR6[a]} udp 2
	unanswerable tcp $SERVER4 $NODE4 ${ADDR4[a]} synack 3
	unanswerable tcp $SERVER6 $NODE6 ${ADDR6[a]} synack 4
	unanswerable udp $SERVER4 $NODE4 ${ADDR4[a]} udp 5	# and no better the second time
	over inside
	same "$(sighted inside count $SERVER4)$(sighted inside count $SERVER6)" "" "frames that got in"

	firewall 'ct state established,related accept' 'ct state new accept'
	same "$(seen a udp $SERVER4 --sport 40000)" $NODE4 "once it may"
	same "$(seen a tcp $SERVER6 --sport 40000)" $NODE6 "once it may"
}

# A rule that drops answers stands in for the answer that is under way to to_pod: conntrack has seen it, and nobody ended the entry.
@test "what FORWARD took for established since it saw a forbidden answer does not leave, though its entry ended on the way" {
	pod a
	firewall 'iifname eth0 drop' 'ct state established accept' 'iifname "ctn*" ct state new drop'
	not ask a udp $ROUTER4 --sport 40000 --timeout 0.2
	from_world udp $ROUTER4 $NODE4 --sport $PORT --dport 40000
	same "$(entry udp ${ADDR4[a]} $ROUTER4)" "$ROUTER4 $NODE4" "entry of the dropped packet"
	in_world sysctl -qw net.ipv4.conf.node.arp_ignore=8	# the packet has to wait for its neighbour
	in_node ip neigh flush to $ROUTER4 dev eth0
	watch outside in_world node
	not ask a udp $ROUTER4 --sport 40000 --timeout 0.2
	in_node conntrack -D -p udp -s ${ADDR4[a]} >/dev/null 2>&1
	in_world sysctl -qw net.ipv4.conf.node.arp_ignore=0
	within 3 neighbour_found || fail "the neighbour did not answer: the test's own fault"
	over outside
	same "$(sighted outside count "" $ROUTER4 udp)" "" "datagrams that got out"
	same "$(counter unadmitted)" 1 "what was stopped"
}
neighbour_found() { [[ $(in_node ip neigh show $ROUTER4 dev eth0) == *lladdr* ]]; }

@test "both ends of a flow that a rule drops send at full tilt: nothing gets through" {
	pod a
	firewall 'ct state established,related accept' 'iifname "ctn*" ct state new drop'
	watch inside in_pod a eth0
	watch outside in_world node
	spawn out in_pod a "$HERE/steady.py" udp $ROUTER4 $STEADY --sport 40000 --rate 1000
	within 2 something_inserted || fail "nothing was inserted"	# or the peer's own flow has the tuple first
	spawn in in_world "$HERE/steady.py" udp $NODE4 40000 --sport $STEADY --rate 1000
	sleep 2
	kill "$PID_out" "$PID_in"
	over inside outside
	same "$(sighted inside count $ROUTER4 "" udp)" "" "datagrams that got in"
	same "$(sighted outside count "" $ROUTER4 udp)" "" "datagrams that got out"
	same "$(counter short_in) $(counter short_out)" "0 0" "on the short way"
	grew unadmitted 0
}
something_inserted() { [[ $(counter inserted) -gt 0 ]]; }

@test "a firewall that goes by state harms nobody: flows by the hundred, and first packets sent again" {
	pod a
	firewall 'ct state established,related accept' 'iifname "ctn*" ct state new accept' drop
	same "$(in_pod a "$HERE/steady.py" many $SERVER4 $PORT 250)" 500 "flows answered, IPv4"
	same "$(in_pod a "$HERE/steady.py" many $SERVER6 $PORT 250)" 500 "flows answered, IPv6"
	same "$(openings)" 1000 "flows opened"

	firewall 'ct state established,related accept' 'iifname "ctn*" ct state new drop'
	steady_server
	steady tcp4 a tcp $SERVER4
	steady tcp6 a tcp $SERVER6
	steady udp4 a udp $SERVER4
	steady udp6 a udp $SERVER6
	within 2 four_wait || fail "the first packets did not come"
	sleep 0.2
	firewall 'ct state established,related accept' 'iifname "ctn*" ct state new accept' drop
	ready "${FLOWS[@]}"	# TCP after its SYN's second try
	same "$(counter unadmitted)" 0 "entries ended"
	grew inserted 900
}
openings() { echo $(($(counter inserted) + $(counter insert_retried) + $(counter unguarded))); }
four_wait() { [[ $(openings) -ge 1004 ]]; }

@test "what a rule refuses, the pod is told" {
	pod a
	local how server
	for how in "reject with tcp reset" reject; do
		firewall 'ct state established,related accept' "ct state new $how"
		for server in $SERVER4 $SERVER6; do
			run ask a tcp $server --timeout 3
			[[ $output == *"Connection refused"* ]] || fail "$how, $server: $output"
		done
	done
	grew inserted 0
}

# ---- what acts at set-up -----------------------------------------------------------------------------

# at_set_up POD: what such rules count and refuse: three connections in turn, and three at a time where two are allowed.
at_set_up() {
	local i name refused=0
	in_node nft -f - <<-EOT
		table inet fw {
			counter new { }
			counter syn { }
			counter fin { }
			chain forward {
				type filter hook forward priority 0
				ct state new counter name new
				tcp flags & (syn | ack) == syn counter name syn
				tcp flags & fin == fin counter name fin
				tcp dport $STEADY ct state new ct count over 2 reject with tcp reset
			}
		}
	EOT
	for i in 1 2 3; do ask "$1" tcp $SERVER4 --size 10000 --count 20 >/dev/null; done
	for name in one two three; do
		steady $name "$1" tcp $SERVER4 --rate 100
		within 5 test -s "$DIR/$name" || refused=$((refused + 1))
	done
	over one two
	kill "$PID_three"
	wait "$PID_three"
	echo "new $(packets new), syn $(packets syn), fin $(packets fin), refused: $(noticed three .error)"
	in_node nft delete table inet fw
}

@test "rules that act at set-up and tear-down count and refuse as without the short way" {
	local without
	steady_server
	conf '.shortWay = "off"'
	pod a
	without=$(at_set_up a)
	same "$(counter short_out)" 0 "on the short way when it is off"
	same "$without" 'new 6, syn 6, fin 10, refused: "[Errno 111] Connection refused"'
	conf '.shortWay = "cached"'
	pod b
	same "$(at_set_up b)" "$without"
	grew short_out 100
}

# ---- what only one direction may -----------------------------------------------------------------------

@test "answers that a rule without state drops are not let in by the short way, though conntrack has seen them" {
	steady_server
	pod a
	watch inside in_pod a eth0
	firewall 'iifname eth0 drop'
	spawn udp4 in_pod a "$HERE/steady.py" udp $SERVER4 $STEADY --sport 40004
	spawn udp6 in_pod a "$HERE/steady.py" udp $SERVER6 $STEADY --sport 40006
	within 5 short_both_out || fail "the direction that is allowed did not take the short way"
	sleep 2.5		# answers are made anew a few times
	same "$(counter short_in)" 0 "on the short way in"
	over inside
	same "$(sighted inside count $SERVER4)$(sighted inside count $SERVER6)" "" "frames that got in"
	in_node conntrack -L 2>/dev/null | grep -q 'dport=40004 \[ASSURED\]' || fail "not ASSURED: the test's own fault"
}
short_both_out() { [[ $(counter short_out) -gt 300 ]]; }

@test "what a pod may not send does not leave by the short way, though it is asked and answers" {
	pod a
	in_node nft -f - <<-EOT
		table ip inbound {
			chain prerouting {
				type nat hook prerouting priority dstnat
				iifname eth0 udp dport 30000 dnat to ${ADDR4[a]}:$STEADY
			}
		}
	EOT
	firewall 'iifname "ctn*" drop'
	spawn serves in_pod a "$HERE/steady.py" serve $STEADY
	ready serves
	watch outside in_world node
	spawn asks in_world "$HERE/steady.py" udp $NODE4 30000 --sport 40004
	within 5 short_in || fail "the direction that is allowed did not take the short way"
	sleep 2.5
	same "$(counter short_out)" 0 "on the short way out"
	over outside
	same "$(sighted outside count "" $ROUTER4 udp)" "" "answers that got out"
}
short_in() { [[ $(counter short_in) -gt 100 ]]; }

# ---- what changes while a flow runs ----------------------------------------------------------------------

# acts_within SECONDS COMMAND...: what the four flows send out comes to its end so soon after the command.
acts_within() {
	local limit=$1.05 wait=$(($1 + 1)).5 done protocol last
	shift
	steady_server
	pod a
	steady_flows a
	watch outside in_world node
	"$@"
	done=$EPOCHREALTIME
	sleep "$wait"
	over outside
	for protocol in udp tcp; do
		last=$(sighted outside last $NODE4 $SERVER4 $protocol)
		at_most "$limit" "$(difference "$last" "$done")" "the last of $protocol over IPv4, in seconds"
		last=$(sighted outside last $NODE6 $SERVER6 $protocol)
		at_most "$limit" "$(difference "$last" "$done")" "the last of $protocol over IPv6, in seconds"
	done
}

@test "a rule in FORWARD that drops what a pod sends acts on running flows within five seconds" {
	acts_within 5 firewall 'iifname "ctn*" drop'
}

# Without states: what matches has to wait for keys that nobody brings.
add_policies() {
	in_node ip xfrm policy add dst $SERVER4 dir out tmpl proto esp mode transport
	in_node ip xfrm policy add dst $SERVER6 dir out tmpl proto esp mode transport
}

@test "an IPsec policy: running flows leave in plain text no more" {
	acts_within 1 add_policies
}

# ---- who else hangs on the devices ---------------------------------------------------------------------

# foreign DEVICE: classic bytecode that drops UDP to and from port 7778, behind whatever hangs on the ingress.
foreign() {
	in_node tc filter add dev "$1" ingress pref 60000 protocol ip bpf da bytecode \
		"8,40 0 0 12,21 0 5 2048,48 0 0 23,21 0 3 17,40 0 0 $2,21 0 1 $STEADY,6 0 0 2,6 0 0 4294967295,"
}

# halted NAME TIME LIMIT: the flow came to its end within LIMIT seconds of it.
halted() {
	local gap
	over "$1"
	gap=$(noticed "$1" '.gaps[-1][0]')
	[[ $gap != null ]] || fail "$1 went on"
	at_most "$3" "$(difference "$gap" "$2")" "the last echo of $1, in seconds"
}

# drops_behind DEVICE PORT-OFFSET: a foreign filter on the device stops running UDP within a second, TCP goes on, nothing is lost
# without it.
drops_behind() {
	local done
	# Before the flows: the kernel stops the device for a moment. Perhaps it is there: ours.
	in_node tc qdisc add dev "$1" clsact 2>/dev/null || true
	steady_flows a
	foreign "$1" "$2"
	done=$EPOCHREALTIME
	sleep 2
	halted udp4 "$done" 1.05
	over udp6 tcp4 tcp6
	same "$(noticed tcp4 '[.error, .lost]')" '[null,0]' "TCP"
	same "$(noticed udp6 .lost)" 0 "datagrams over IPv6"
}

@test "a foreign filter behind ours on the pod's veth drops what it wants" {
	steady_server
	pod a
	drops_behind "$(host_link a)" 36
}

@test "... on the veth of a pod that is shaped" {
	steady_server
	conf '.shaped = true'
	pod a
	drops_behind "$(host_link a)" 36
}

@test "... on the uplink" {
	steady_server
	pod a
	drops_behind eth0 34
}

# throughput NAME: bytes a second that a flow's echoes had.
throughput() { noticed "$1" '(.sent - .lost) * 1000'; }

@test "a shaper on the uplink, and one on the pod's veth, shape what takes the short way" {
	steady_server
	pod a
	in_node tc qdisc add dev eth0 root tbf rate 1mbit burst 5k latency 20ms
	steady out a udp $SERVER4 --rate 500 --size 1000
	ready out
	sleep 2
	over out
	grew short_out 100
	at_most 450000 "$(throughput out)" "bytes through 1 Mbit/s in 2.5 s"
	in_node tc qdisc del dev eth0 root
	in_node tc qdisc add dev "$(host_link a)" root tbf rate 1mbit burst 5k latency 20ms
	steady in a udp $SERVER4 --rate 500 --size 1000
	ready in
	sleep 2
	over in
	grew short_in 100
	at_most 450000 "$(throughput in)" "bytes through 1 Mbit/s in 2.5 s"
}

# ---- what is not the short way's -----------------------------------------------------------------------

# stays COUNTER COMMAND...: the counter did not move.
stays() {
	local before
	before=$(counter "$1")
	"${@:2}"
	same "$(counter "$1")" "$before" "counter $1 after ${*:2}"
}

from_pod_to() { in_pod a "$HERE/forge.py" eth0 "$1" udp "${ADDR4[a]}" $SERVER4 --sport 40004 --dport $STEADY "${@:2}"; }
from_world_to() { in_world "$HERE/forge.py" node "$1" udp $SERVER4 $NODE4 --sport $STEADY --dport 40004 "${@:2}"; }

# only_plain COUNTER FORGE MAC: frames of an established flow with a tag or to a foreign MAC do not move the counter. Fails if an
# honest frame after them does not either, for then the answer did not live long enough to be misused. Little time, so in one.
only_plain() {
	local before between
	before=$(counter "$1")
	"$2" "$3" --vlan 5
	"$2" "$3" --vlan 0
	"$2" 02:00:00:00:00:99
	between=$(counter "$1")
	"$2" "$3"
	same "$before $between $(counter "$1")" "$before $before $((before + 1))" "counter $1"
}

# after_a_flow COMMAND...: when a flow has just ended, as its own packets would be counted too.
after_a_flow() {
	steady udp4 a udp $SERVER4 --sport 40004 --rate 200
	ready udp4
	on_short_way
	kill -KILL "$PID_udp4"
	"$@"
}

@test "frames with a VLAN tag or to a foreign MAC do not take the short way of the flow that they belong to" {
	local out=(after_a_flow only_plain short_out from_pod_to) in=(after_a_flow only_plain short_in from_world_to)
	steady_server
	pod a
	within 20 "${out[@]}" "$(host_mac a)" || fail "out: $("${out[@]}" "$(host_mac a)" 2>&1)"
	within 20 "${in[@]}" "$(node_mac)" || fail "in: $("${in[@]}" "$(node_mac)" 2>&1)"
}

@test "a bit of the ct mark keeps a flow in the stack, from its beginning or from within a second" {
	local out
	steady_server
	conf '.stackMark = "0x80"'
	pod a
	firewall 'meta l4proto udp ct state new ct mark set 0x81'
	steady udp4 a udp $SERVER4
	steady udp6 a udp $SERVER6
	ready udp4 udp6
	sleep 1.5
	same "$(counter short_out) $(counter short_in)" "0 0" "on the short way"
	steady tcp4 a tcp $SERVER4
	ready tcp4
	within 3 grew short_in 100
	in_node conntrack -U -p tcp -s ${ADDR4[a]} -m 0x80
	sleep 1.1
	out=$(counter short_out)
	stays short_in sleep 0.5
	same "$(counter short_out)" "$out" "on the short way out"
	over udp4 udp6 tcp4
	same "$(noticed udp4 .lost) $(noticed udp6 .lost) $(noticed tcp4 .lost)" "0 0 0" "lost"
}
