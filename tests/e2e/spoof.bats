#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# A pod that speaks for others, as loud as it can.

setup() {
	load lib
	node_up
	pod a
	pod b
}

teardown() { node_down; }

# dropped REASON POD KIND...: the forged frame is counted, once.
dropped() {
	local before
	before=$(counter "$1")
	forge "${@:2}"
	same "$(counter "$1")" $((before + 1)) "$1 after ${*:3}"
}

# What a forged packet could change: neighbours, whose state (REACHABLE, STALE...) changes by itself, and routes.
tables() {
	# but for what the kernel finds out anew while the test runs: whether the router is still there
	in_node ip neigh | grep -v '^fe80:.* dev eth0 ' | sed -E 's/ [A-Z]+ *$//' | sort
	in_node sh -c 'ip route show table all; ip -6 route show table all'
}

@test "spoofed sources, of nobody and of the other pod, are dropped and counted" {
	local source
	for source in 203.0.113.77 10.244.1.200 "${ADDR4[b]}" $NODE4 127.0.0.1; do
		dropped spoofed a udp "$source" $SERVER4
		dropped spoofed a udp "$source" "${ADDR4[b]}"
	done
	for source in 2001:db8:77::1 fd00:10:244:1::200 "${ADDR6[b]}" $NODE6 ::1; do
		dropped spoofed a udp "$source" $SERVER6
		dropped spoofed a udp "$source" "${ADDR6[b]}"
	done
	not grep -E "^(203.0.113.77|2001:db8:77::1) " "$DIR/wire"
	same "$(in_node conntrack -L 2>/dev/null | wc -l)" 0 "conntrack entries"
	# The tool makes good packets, and an honest one leaves.
	forge a udp "${ADDR4[a]}" $SERVER4
	forge a udp "${ADDR6[a]}" $SERVER6
	outside $NODE4 $SERVER4 udp
	outside $NODE6 $SERVER6 udp
}

@test "forged ARP and neighbour discovery change nothing" {
	ask a udp $SERVER4 >/dev/null	# so that everybody knows the neighbours that he should
	ask a udp $SERVER6 >/dev/null
	local before
	before=$(tables)
	dropped spoofed_arp a arp-reply $ROUTER4 $NODE4
	dropped spoofed_arp a arp-reply "${ADDR4[b]}" "${ADDR4[a]}"
	dropped spoofed_arp a arp-request 10.244.1.200 $GATEWAY4
	dropped spoofed_arp a arp-request $ROUTER4 $GATEWAY4
	dropped spoofed_arp a arp-request $GATEWAY4 "${ADDR4[b]}"
	dropped spoofed_nd a na $ROUTER6
	dropped spoofed_nd a na "${ADDR6[b]}"
	dropped spoofed_nd a na $GATEWAY6
	dropped spoofed_nd a ns fd00:10:244:1::200 $GATEWAY6
	dropped spoofed_nd a ns $ROUTER6 $GATEWAY6
	same "$(tables)" "$before" "neighbours and routes"
	same "$(ask a udp $SERVER4 --sport 40001)" "$NODE4 40001"
	same "$(ask b udp $SERVER4 --sport 40002)" "$NODE4 40002"
}

@test "router advertisements and redirects change nothing" {
	in_node sysctl -qw "net.ipv6.conf.$(host_link a).accept_ra=2" "net.ipv6.conf.$(host_link a).accept_redirects=1"
	local before
	before=$(tables)
	dropped rogue_ra a ra 2001:db8:bad::
	dropped rogue_ra a redirect $ROUTER6 $SERVER6
	dropped rogue_ra a redirect fe80::1 $SERVER6
	same "$(tables)" "$before" "neighbours and routes"
	same "$(in_node ip -6 addr show dev "$(host_link a)" | grep -c 2001:db8:bad)" 0 "addresses of the rogue's prefix"
}

@test "DHCP servers are not heard" {
	dropped rogue_dhcp a dhcp
	dropped rogue_dhcp a dhcp6
}

@test "tagged frames and frames to other MACs are not translated" {
	local before
	before=$(counter not_ours)
	forge a udp "${ADDR4[a]}" $SERVER4 --vlan 7
	forge a udp "${ADDR6[a]}" $SERVER6 --vlan 7
	in_pod a "$HERE/forge.py" eth0 02:00:00:00:00:99 udp "${ADDR4[a]}" $SERVER4
	in_pod a "$HERE/forge.py" eth0 02:00:00:00:00:99 udp "${ADDR6[a]}" $SERVER6
	same "$(counter not_ours)" $((before + 4)) "frames that are not ours"
	same "$(counter inserted)" 0 "entries inserted"
	not grep -E " ($SERVER4|$SERVER6) udp" "$DIR/wire"
}

@test "5,000 unanswered flows a second: the pod meets its limit, its neighbour notices nothing" {
	in_world ip route add blackhole 198.51.100.200
	in_world ip route add blackhole 2001:db8:200::1
	spawn flood4 in_pod a "$HERE/peer.py" flood 198.51.100.200 2500 2
	spawn flood6 in_pod a "$HERE/peer.py" flood 2001:db8:200::1 2500 2
	within 2 outside $NODE4 198.51.100.200 udp
	local i limited
	for i in 1 2 3 4 5; do
		same "$(seen b tcp $SERVER4)" $NODE4
		same "$(seen b udp $SERVER6)" $NODE6
	done
	wait "$PID_flood4" "$PID_flood6"
	limited=$(counter limited)
	[[ $limited -gt 1000 ]] || fail "only $limited flows were over the limit"
	same "$(seen a udp $SERVER4)" $NODE4 "the pod itself, by the table"
}
