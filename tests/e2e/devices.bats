#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Uplinks of other kinds than a plain Ethernet device, and load balancers that are no netfilter. By a device that is
# Ethernet pods take the short way, whatever is below it; what we do not know is left to the stack.

BYTES=200000000

setup() {
	load lib
	load streams
	node_up
}

teardown() { node_down; }

# has KIND [OPTION...]: does the kernel make such devices?
has() {
	in_node ip link add probe type "$@" >/dev/null 2>&1 || skip "no $1 on this kernel"
	in_node ip link del probe
}

# uplink NODE-DEVICE WORLD-DEVICE: pods leave by this one, with the same addresses.
uplink() {
	in_world ip -batch - <<-EOT
		link set $2 up
		addr flush dev node scope global
		addr add $ROUTER4/24 dev $2
		addr add $ROUTER6/64 dev $2 nodad
	EOT
	in_node ip -batch - <<-EOT
		link set $1 up
		addr flush dev eth0 scope global
		addr add $NODE4/24 dev $1
		addr add $NODE6/64 dev $1 nodad
		route replace default via $ROUTER4 dev $1
		route replace default via $ROUTER6 dev $1
	EOT
	watch_sources "$2"
}

outward() {
	flow "$1" "$DIR/a" $SERVER4 9000 "/proc/$WORLD/ns/net" $SERVER4 9000
	flow "$1" "$DIR/a" $SERVER6 9000 "/proc/$WORLD/ns/net" $SERVER6 9000
}

# stacked WHAT: what is sent arrives, and nothing of it by the short way.
stacked() {
	carried "$1" outward
	same $SHORT 0 "$1: by the short way"
}

@test "a bridge as the uplink" {
	in_node ip -batch - <<-EOT
		link add out0 type bridge
		link set eth0 master out0
	EOT
	in_node sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0
	uplink out0 node
	pod a
	intact bridge outward
}

@test "a macvlan device as the uplink" {
	in_node ip link add out0 link eth0 type macvlan mode bridge
	uplink out0 node
	pod a
	intact macvlan outward
}

@test "a VLAN device as the uplink" {
	has vlan id 7 link eth0
	in_node ip link add out0 link eth0 type vlan id 7
	in_world ip link add far0 link node type vlan id 7
	uplink out0 far0
	pod a
	intact VLAN outward
}

@test "a bond as the uplink" {
	has bond
	in_node ip -batch - <<-EOT
		link add out0 type bond mode active-backup
		link set eth0 down
		link set eth0 master out0
	EOT
	uplink out0 node
	pod a
	intact bond outward
}

@test "netkit as the uplink" {
	has netkit
	in_node ip link add out0 type netkit mode l2 peer name far0
	in_node ip link set far0 netns "$WORLD"
	uplink out0 far0
	pod a
	intact netkit outward
}

@test "a bridge whose frames netfilter sees before: what comes in takes the stack" {
	in_node test -e /proc/sys/net/bridge/bridge-nf-call-iptables || skip "no br_netfilter on this kernel"
	in_node ip -batch - <<-EOT
		link add out0 type bridge
		link set eth0 master out0
	EOT
	in_node sysctl -qw net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1
	uplink out0 node
	pod a
	carried bridge outward
	grew short_out 0
	same "$(counter short_in)" 0
}

@test "a tunnel that is not Ethernet as the uplink: the stack" {
	in_world ip link add far0 mtu 1400 type vxlan external gpe dstport 4790
	in_node ip link add out0 mtu 1400 type vxlan external gpe dstport 4790
	uplink out0 far0
	in_world ip -batch - <<-EOT
		addr add 203.0.113.129/30 dev node
		route add $NODE4/32 encap ip id 7 dst 203.0.113.130 dev far0
		route add $NODE6/128 encap ip id 7 dst 203.0.113.130 dev far0
	EOT
	in_node ip -batch - <<-EOT
		addr add 203.0.113.130/30 dev eth0
		route replace default encap ip id 7 dst 203.0.113.129 dev out0
		route replace ::/0 encap ip id 7 dst 203.0.113.129 dev out0
	EOT
	pod a
	stacked tunnel
}

@test "WireGuard as the uplink: the stack" {
	has wireguard
	command -v wg >/dev/null || skip "no wg to give it keys"
	in_world ip link add far0 type wireguard
	in_node ip link add out0 type wireguard
	wg genkey >"$DIR/node.key"
	wg genkey >"$DIR/world.key"
	uplink out0 far0
	in_world ip addr add 203.0.113.129/30 dev node
	in_node ip addr add 203.0.113.130/30 dev eth0
	in_world wg set far0 listen-port 51820 private-key "$DIR/world.key" peer "$(wg pubkey <"$DIR/node.key")" \
		allowed-ips $NODE4/32,$NODE6/128 endpoint 203.0.113.130:51820
	in_node wg set out0 listen-port 51820 private-key "$DIR/node.key" peer "$(wg pubkey <"$DIR/world.key")" \
		allowed-ips 0.0.0.0/0,::/0 endpoint 203.0.113.129:51820
	pod a
	stacked WireGuard
}

balanced() { flow "$1" "$DIR/a" 10.96.0.1 9000 "$DIR/b" "${ADDR4[b]}" 9000; }

@test "IPVS, which translates what no bit of the entry explains: the stack" {
	in_node ipvsadm -C >/dev/null 2>&1 || skip "no IPVS on this kernel, or no ipvsadm"
	pod a
	pod b
	in_node sysctl -qw net.ipv4.vs.conntrack=1
	in_node ip addr add 10.96.0.1/32 dev lo
	in_node ipvsadm -A -t 10.96.0.1:9000
	in_node ipvsadm -a -t 10.96.0.1:9000 -r "${ADDR4[b]}:9000" -m
	in_node ipvsadm -A -u 10.96.0.1:9000
	in_node ipvsadm -a -u 10.96.0.1:9000 -r "${ADDR4[b]}:9000" -m
	watch_sources
	carried IPVS balanced
	same $SHORT 0 "by the short way"
}
