#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# What somebody may do to a node, and no packet leaves it with a pod's address all the same. That is asserted by node_down,
# here and after every other test; these say what happens instead.

setup() {
	load lib
	node_up
	conf '.serviceCIDRs += ["fd00:10:96::/112"]'
	pod a
	flows_work "before"
}

teardown() { node_down; }

# flows_work WHEN: new flows of each kind, seen with the node's address.
flows_work() {
	local protocol
	for protocol in tcp udp; do
		same "$(seen a $protocol $SERVER4)" $NODE4 "$1: $protocol, IPv4"
		same "$(seen a $protocol $SERVER6)" $NODE6 "$1: $protocol, IPv6"
	done
	in_pod a ping -q -c 1 -W 2 $SERVER4 >/dev/null || fail "$1: no echo over IPv4"
	in_pod a ping -q -c 1 -W 2 $SERVER6 >/dev/null || fail "$1: no echo over IPv6"
}

# Tries each kind of flow, does not expect an answer.
try_flows() {
	local protocol server
	for server in $SERVER4 $SERVER6; do
		for protocol in tcp udp sctp; do ask a $protocol $server --timeout 0.2 || true; done
		in_pod a ping -q -c 1 -W 0.2 $server || true
	done
} >/dev/null 2>&1

break_it() { in_node "$BUILD/tests/tools/break" "$@"; }

# guarded COUNTER-BEFORE: what tried to leave was dropped by the guard.
guarded() {
	try_flows
	grew leak "$1"
}

# without_from_pod WAY: new flows work, and none of their entries is of BPF's making.
without_from_pod() {
	local inserted
	inserted=$(counter inserted)
	[[ $inserted -gt 0 ]] || fail "nothing was inserted while from_pod was there"
	break_it "$1" "$(host_link a)"
	flows_work "$1"
	same "$(counter inserted)" "$inserted" "entries inserted"
}

@test "from_pod detached: the base table translates" {
	without_from_pod detach-from-pod
}

@test "from_pod replaced by a program that accepts everything: the base table translates" {
	without_from_pod replace-from-pod
}

@test "the guard detached: the base table and from_pod translate" {
	break_it detach-to-uplink eth0
	flows_work "without the guard"
}

@test "nft flush ruleset: the guard drops, and the next ADD restores the table" {
	local leaks
	leaks=$(counter leak)
	in_node nft flush ruleset
	guarded "$leaks"
	pod b
	flows_work "after an ADD"
}

@test "umount of bpffs: the guard that the next ADD brings knows the pods that were there" {
	local leaks
	in_node umount -l /sys/fs/bpf
	conf '.ipam.ranges = [[{subnet: "10.244.9.0/24"}], [{subnet: "fd00:10:244:9::/64"}]]'
	pod b
	flows_work "after an ADD"
	leaks=$(counter leak)
	in_node nft flush ruleset
	guarded "$leaks"
}

@test "conntrack full: new flows are dropped" {
	local max
	max=$(in_node sysctl -n net.netfilter.nf_conntrack_max)
	[[ $max -le 300000 ]] || skip "the limit of $max entries is read-only here, and too high to reach"
	break_it flush	# entries that are not assured would make room
	break_it fill "$max"
	same "$(in_node sysctl -n net.netfilter.nf_conntrack_count)" "$max" "entries"
	try_flows
	run ask a udp $SERVER4 --timeout 0.2
	[[ $status -ne 0 ]]
	grew alloc_failed 0
	break_it flush
	flows_work "with an empty table"
}

# dropped_by CHAIN: packets that the drop rules of this chain of the base table have counted.
dropped_by() {
	in_node nft -j list chain inet ctnat "$1" | jq '[.nftables[].rule.expr[]?.counter.packets // 0] | add'
}

@test "level nftables: with its translation gone, the table still is the guard" {
	conf '.datapath = "nftables"'
	pod b
	flows_work "at level nftables"
	in_node nft flush chain inet ctnat postrouting
	try_flows
	[[ $(dropped_by guard) -gt 0 ]]
}

@test "a ClusterIP that nobody translates goes nowhere, and is counted" {
	try_service() { ask a $1 $2 80 --timeout 0.2; }
	local protocol
	for protocol in tcp udp; do
		not try_service $protocol 10.96.0.99
		not try_service $protocol fd00:10:96::99
	done
	not in_pod a ping -q -c 1 -W 0.2 10.96.0.99
	same "$(dropped_by unrouted)" 5 "packets counted"
	not grep -E ' (10\.96\.|fd00:10:96:)' "$DIR/wire"
}

@test "the metadata service: translated by the table" {
	local inserted
	inserted=$(counter inserted)
	same "$(seen a tcp $METADATA)" $NODE4
	same "$(seen a udp $METADATA)" $NODE4
	same "$(counter inserted)" "$inserted" "entries inserted"
}

@test "the node loses its address: nothing leaves; the next ADD knows the new one" {
	local new4=192.0.2.11 new6=2001:db8:0:2::11
	in_node ip addr del $NODE4/24 dev eth0
	in_node ip addr del $NODE6/64 dev eth0
	try_flows
	in_node ip addr add $new4/24 dev eth0
	in_node ip addr add $new6/64 dev eth0 nodad
	in_node ip route replace default via $ROUTER4
	in_node ip route replace default via $ROUTER6
	try_flows
	pod b
	same "$(seen b tcp $SERVER4)" $new4
	same "$(seen b udp $SERVER6)" $new6
	same "$(seen a tcp $SERVER4)" $new4 "the pod that was there before"
	same "$(seen a udp $SERVER6)" $new6 "the pod that was there before"
}

# at_home WHEN: the flows of the pod that was there before are BPF's again, those of pod b leave with the node's address too.
at_home() {
	local inserted
	inserted=$(counter inserted)
	flows_work "$1"
	same "$(counter inserted)" $((inserted + 4)) "$1: entries inserted"
	same "$(seen b tcp $SERVER4)" $NODE4 "$1: the new pod"
	same "$(seen b udp $SERVER6)" $NODE6 "$1: the new pod"
	cni CHECK a
}

@test "the uplink is made anew: the next ADD guards it, and knows it" {
	local leaks
	no_leak		# for a capture ends with its device
	in_world ip link del node
	try_flows
	plug eth0 node $NODE4 $NODE6 $ROUTER4 $ROUTER6
	spawn wire in_world "$HERE/wire.py" node
	ready wire
	try_flows
	pod b
	at_home "through the new eth0"
	leaks=$(counter leak)
	in_node nft flush ruleset
	guarded "$leaks"
}

@test "the default routes move to a second uplink: the next ADD guards it, and translates to its address" {
	local new4=203.0.113.10 new6=2001:db8:9::10 leaks
	plug eth1 second $new4 $new6 203.0.113.2 2001:db8:9::1
	spawn second in_world "$HERE/wire.py" second
	ready second
	try_flows
	pod b
	NODE4=$new4 NODE6=$new6 at_home "through eth1"
	within 2 grep -qxF "$new4 $SERVER4 tcp" "$DIR/second"
	leaks=$(counter leak)
	in_node nft flush ruleset
	guarded "$leaks"
	no_leak second
}

@test "a pod that sends while it is deleted" {
	spawn flood4 in_pod a "$HERE/peer.py" flood $SERVER4 500 3
	spawn flood6 in_pod a "$HERE/peer.py" flood $SERVER6 500 3
	spawn stream in_pod a "$HERE/peer.py" ask tcp $SERVER4 $PORT --size 1000000 --count 1000
	within 2 outside $NODE6 $SERVER6 udp
	cni DEL a
	sleep 0.3
	same "$(in_node conntrack -L 2>/dev/null | grep -c "src=${ADDR4[a]} ")" 0 "entries left, IPv4"
	same "$(in_node conntrack -L -f ipv6 2>/dev/null | grep -c "src=${ADDR6[a]} ")" 0 "entries left, IPv6"
}
