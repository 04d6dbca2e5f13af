#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# ctnatctl explain: what it says would happen to a packet is what then happens to such a packet, by the counters of the
# programs and by what leaves the node; and asking changes nothing: no map, no entry of conntrack, no count.

setup() {
	load lib
	load ends
	load asks
	node_up
	silence
}

teardown() { node_down; }

# ---- what begins ----------------------------------------------------------------------------------------

@test "a flow's first packet, its second, its third; of each family" {
	silent_pod a
	local a4=${ADDR4[a]} a6=${ADDR6[a]}
	agrees inserted pass "$a4 $SINK4 udp 9 --sport 40000" forge a udp $a4 $SINK4 --dport 9
	same "$(said .source)" "$NODE4:40000"
	same "$(said .prefix)" 0.0.0.0/0
	same "$(said .translated_by)" bpf
	agrees established pass "$a4 $SINK4 udp 9 --sport 40000" forge a udp $a4 $SINK4 --dport 9
	same "$(said .translated_by)" conntrack
	same "$(said .conntrack.reply)" "$SINK4:9 > $NODE4:40000"
	# from the third one on, for as long as they come
	spawn more in_pod a bash -c 'while :; do "$@" || exit; done' - "$HERE/forge.py" eth0 "$(host_mac a)" udp $a4 $SINK4 --dport 9
	within 20 cached $a4 || fail "$(said .reason)"
	finish $PID_more
	agrees inserted pass "$a6 $SINK6 udp 9 --sport 40000" forge a udp $a6 $SINK6 --dport 9
	same "$(said .source)" "[$NODE6]:40000"
	agrees inserted pass "$a4 $SINK4 tcp 9 --sport 40000" forge a tcp $a4 $SINK4 --dport 9
	agrees inserted pass "$a6 $SINK6 tcp 9 --sport 40000" forge a tcp $a6 $SINK6 --dport 9
	agrees established pass "$a6 $SINK6 tcp 9 --sport 40000" forge a tcp $a6 $SINK6 --dport 9
}

cached() {
	start_count
	in_node "$CTNATCTL" explain "$1" $SINK4 udp 9 --sport 40000 -o json >"$DIR/answer"
	[[ $(said .reason) == stack_cached ]] && within 2 grew stack_cached "$(jq .stack_cached.packets <<<"$COUNTED")"
}

@test "TCP of no known flow: a segment is taken up, the rest is no flow's, and leaks but for the guard" {
	silent_pod a
	local a4=${ADDR4[a]} a6=${ADDR6[a]}
	agrees not_syn pass "$a4 $SINK4 tcp 9 --sport 40000 --flags ack" forge a tcp $a4 $SINK4 --dport 9 --flags ack
	same "$(said .translated_by)" table
	agrees not_syn drop "$a4 $SINK4 tcp 9 --sport 40001 --flags rst" forge a tcp $a4 $SINK4 --dport 9 --sport 40001 --flags rst
	same "$(said .guard)" leak
	same "$(said .dropped_by)" guard
	agrees not_syn drop "$a6 $SINK6 tcp 9 --sport 40000 --flags fin,ack" forge a tcp $a6 $SINK6 --dport 9 --flags fin,ack
	same "$(said .guard)" leak
}

@test "who may not speak" {
	silent_pod a
	silent_pod b
	agrees spoofed drop "203.0.113.77 $SINK4 udp 9 --in ctr-a" forge a udp 203.0.113.77 $SINK4 --dport 9
	same "$(said .dropped_by)" from_pod
	agrees spoofed drop "${ADDR4[b]} $SINK4 udp 9 --in ${ADDR4[a]}" forge a udp ${ADDR4[b]} $SINK4 --dport 9
	agrees spoofed drop "2001:db8:77::1 $SINK6 tcp 9 --in $(host_link a)" forge a tcp 2001:db8:77::1 $SINK6 --dport 9
	agrees link_local drop "fe80::bad $SINK6 udp 9 --in ctr-a" forge a udp fe80::bad $SINK6 --dport 9
	agrees rogue_dhcp drop "${ADDR4[a]} $SINK4 udp 68 --sport 67" forge a udp ${ADDR4[a]} $SINK4 --sport 67 --dport 68
	agrees rogue_dhcp drop "${ADDR6[a]} $SINK6 udp 546 --sport 547" forge a udp ${ADDR6[a]} $SINK6 --sport 547 --dport 546
}

@test "a pod that is being deleted" {
	PLUGIN=$CTNAT_HOOKS
	silent_pod a
	CTNAT_KILL_AT=undo:ready:after cni DEL a >/dev/null 2>&1 || true
	agrees dying drop "${ADDR4[a]} $SINK4 udp 9" forge a udp ${ADDR4[a]} $SINK4 --dport 9
	agrees dying drop "${ADDR6[a]} $SINK6 tcp 9" forge a tcp ${ADDR6[a]} $SINK6 --dport 9
}

# ---- where it goes --------------------------------------------------------------------------------------

@test "destinations of every class" {
	conf '.nonMasqueradeCIDRs = ["203.0.113.0/24", "2001:db8:2::/64"] | .serviceCIDRs = ["10.96.0.0/12", "fd00:10:96::/112"]'
	may_leave $OTHER4
	may_leave $OTHER6
	silent_pod a
	local a4=${ADDR4[a]} a6=${ADDR6[a]}
	agrees leave pass "$a4 $OTHER4 udp 9 --sport 40000" forge a udp $a4 $OTHER4 --dport 9
	same "$(said .guard)" guard_pass
	same "$(said .translated_by)" nobody
	same "$(said .prefix)" 203.0.113.0/24
	agrees leave pass "$a6 $OTHER6 tcp 9 --sport 40000" forge a tcp $a6 $OTHER6 --dport 9
	same "$(said .guard)" guard_pass
	agrees kernel pass "$a4 $METADATA udp 9 --sport 40000" forge a udp $a4 $METADATA --dport 9
	same "$(said .prefix)" 169.254.0.0/16
	agrees service pass "$a4 10.96.0.10 udp 53" forge a udp $a4 10.96.0.10 --dport 53
	same "$(said .provided)" "kube-proxy translates the destination; else it is dropped (service_unrouted)"
	agrees service pass "$a6 fd00:10:96::10 tcp 53" forge a tcp $a6 fd00:10:96::10 --dport 53
}

@test "the node itself, another pod of it, nowhere" {
	silent_pod a
	silent_pod b
	in_node ip route add unreachable 203.0.113.128/25
	in_node ip route add unreachable 2001:db8:bad::/48
	agrees local pass "${ADDR4[a]} $NODE4 udp 9" forge a udp ${ADDR4[a]} $NODE4 --dport 9
	same "$(said .route.local)" true
	agrees local pass "${ADDR6[a]} $NODE6 udp 9" forge a udp ${ADDR6[a]} $NODE6 --dport 9
	agrees local drop "${ADDR4[a]} 203.0.113.200 udp 9" forge a udp ${ADDR4[a]} 203.0.113.200 --dport 9
	same "$(said .dropped_by)" routing
	agrees local drop "${ADDR6[a]} 2001:db8:bad::1 tcp 9" forge a tcp ${ADDR6[a]} 2001:db8:bad::1 --dport 9
	mute b
	agrees leave pass "${ADDR4[a]} ${ADDR4[b]} tcp 9 --sport 40000" forge a tcp ${ADDR4[a]} ${ADDR4[b]} --dport 9
	same "$(said .to_pod)" pod_pass
	agrees leave pass "${ADDR6[a]} ${ADDR6[b]} udp 9 --sport 40000" forge a udp ${ADDR6[a]} ${ADDR6[b]} --dport 9
	same "$(said .to_pod)" pod_pass
}

@test "another device than an uplink" {
	in_world ip link add second type veth peer name eth9 netns $NODE
	in_world ip link set second up
	in_node ip link set eth9 up
	in_node ip addr add 203.0.113.5/24 dev eth9
	in_node ip neigh add 203.0.113.9 lladdr 02:00:00:00:00:99 dev eth9
	silent_pod a
	agrees no_uplink pass "${ADDR4[a]} 203.0.113.9 udp 9" forge a udp ${ADDR4[a]} 203.0.113.9 --dport 9
	same "$(said .route.device)" eth9
	same "$(said .route.uplink)" false
}

@test "what is not TCP or UDP, and what has no more hops" {
	silent_pod a
	agrees stack pass "${ADDR4[a]} $SINK4 icmp" forge a icmp ${ADDR4[a]} $SINK4
	same "$(said .source)" $NODE4
	agrees stack pass "${ADDR6[a]} $SINK6 icmp" forge a icmp ${ADDR6[a]} $SINK6
	same "$(said .source)" $NODE6
	agrees stack pass "${ADDR4[a]} $SINK4 sctp 9" forge a sctp ${ADDR4[a]} $SINK4 --dport 9
	same "$(said .translated_by)" table
	agrees stack drop "${ADDR4[a]} $SINK4 udp 9 --ttl 1" forge a udp ${ADDR4[a]} $SINK4 --dport 9 --hops 1
	same "$(said .dropped_by)" routing
	agrees stack drop "${ADDR6[a]} $SINK6 tcp 9 --ttl 1" forge a tcp ${ADDR6[a]} $SINK6 --dport 9 --hops 1
}
