#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# What was an uplink, and what was its address.

setup() {
	load lib
	node_up
	conf '.cniVersion = "1.1.0"'	# STATUS
	pod a
}

teardown() { node_down; }

@test "a former uplink is guarded as long as it is there, and no new flow takes its address" {
	local new4=203.0.113.10 new6=2001:db8:9::10 before
	plug eth1 second $new4 $new6 203.0.113.2 2001:db8:9::1
	cni STATUS
	same "$(seen a udp $SERVER4)" $new4
	cni CHECK a

	# a route by eth0 is left: the table translates, BPF does not
	in_node ip route add $OTHER4 via $ROUTER4 dev eth0
	before=$(counter inserted)
	same "$(seen a udp $OTHER4)" $NODE4 "by the former uplink"
	same "$(counter inserted)" "$before" "entries inserted"

	in_node nft flush ruleset
	before=$(counter leak)
	ask a udp $OTHER4 --timeout 0.2 || true
	grew leak "$before"
	cni STATUS

	in_node "$BUILD/tests/tools/break" detach-to-uplink eth0
	refused 102 "uplink 'eth0' does not carry the TC program ctnat_to_uplink" CHECK a
	cni STATUS
	cni CHECK a

	no_leak		# for a capture ends with its device
	in_world ip link del node
	cni STATUS
	same "$(in_node "$CTNATCTL" status -o json | jq -c '[.uplinks[].name]')" '["eth1"]'
	spawn wire in_world "$HERE/wire.py" second
	ready wire
}

@test "what was an uplink and is one again is no former one" {
	plug eth1 second 203.0.113.10 2001:db8:9::10 203.0.113.2 2001:db8:9::1
	cni STATUS
	in_node ip route replace default via $ROUTER4 dev eth0
	in_node ip route replace default via $ROUTER6 dev eth0
	cni STATUS
	same "$(seen a udp $SERVER4)" $NODE4
	same "$(seen a udp $SERVER6)" $NODE6
	grew inserted 0
}

@test "an address that the node has lost: its entries go with the next STATUS, and no others" {
	local kept4=192.0.2.12
	in_node ip addr add $kept4/24 dev eth0
	ask a udp $SERVER4 >/dev/null
	ask a udp $SERVER6 >/dev/null
	in_node "$HERE/peer.py" ask udp $OTHER4 $PORT >/dev/null	# the node's own
	cni STATUS
	same "$(entry udp "${ADDR4[a]}" $SERVER4)" "$SERVER4 $NODE4" "while the address is there"

	in_node sysctl -qw net.ipv4.conf.eth0.promote_secondaries=1
	in_node ip addr del $NODE4/24 dev eth0
	in_node ip addr del $NODE6/64 dev eth0
	in_node ip route replace default via $ROUTER4
	cni STATUS
	same "$(entry udp "${ADDR4[a]}" $SERVER4)" "" "IPv4"
	same "$(entry udp "${ADDR6[a]}" $SERVER6)" "" "IPv6"
	same "$(entry udp $NODE4 $OTHER4)" "$OTHER4 $NODE4" "of the node itself"
	same "$(seen a udp $SERVER4)" $kept4
}
