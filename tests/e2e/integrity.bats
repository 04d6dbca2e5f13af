#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# What arrives is what was sent, by the short way, whoever sums and cuts the packets: each device between two sockets
# sums (tx), cuts (tso, gso) and joins (gro), or leaves that to the next one. A device that does not sum has it done
# before the packet enters: then what the receiver looks at is a checksum that BPF moved.
#
# LONG=1: each feature by itself, and no less of it where packets are small.

BYTES=${BYTES:-200000000}

setup() {
	load lib
	load streams
	node_up
	conf '.serviceCIDRs += ["fd00:10:96::/112"]'
}

teardown() { node_down; }

# begin [DEVICE]: pods, and services in both directions.
begin() {
	pod a
	pod b
	services
	watch_sources "$@"
}

# 10.96.0.1: pod b; .2: a server outside; some ports of the node: pod b. Destinations only: sources are ctnat's.
services() {
	in_node nft -f - <<-EOT
		table inet services {
			chain prerouting {
				type nat hook prerouting priority dstnat
				ip daddr 10.96.0.1 dnat to ${ADDR4[b]}
				ip6 daddr fd00:10:96::1 dnat to ${ADDR6[b]}
				ip daddr 10.96.0.2 dnat to $SERVER4
				ip6 daddr fd00:10:96::2 dnat to $SERVER6
				ip daddr $NODE4 meta l4proto { tcp, udp } th dport 30001 dnat ip to ${ADDR4[b]}:9001
				ip6 daddr $NODE6 meta l4proto { tcp, udp } th dport 30001 dnat ip6 to [${ADDR6[b]}]:9001
			}
		}
	EOT
}

# offload DEVICE STATE FEATURE...: of the pods' eth0, of the node's ends of them, of the uplink, of its other end.
offload() {
	local feature settings=()
	for feature in "${@:3}"; do settings+=("$feature" "$2"); done
	case $1 in
	pods) in_pod a ethtool -K eth0 "${settings[@]}" && in_pod b ethtool -K eth0 "${settings[@]}" ;;
	hosts)
		in_node ethtool -K "$(host_link a)" "${settings[@]}"
		in_node ethtool -K "$(host_link b)" "${settings[@]}"
		;;
	uplink) in_node ethtool -K eth0 "${settings[@]}" ;;
	far) in_world ethtool -K node "${settings[@]}" ;;
	esac >/dev/null
}

# shape: pods get their packets by way of a queue, and so through the veth.
shape() {
	local pod
	for pod in a b; do
		in_node tc qdisc add dev "$(host_link $pod)" root tbf rate 20gbit burst 4m limit 64m
	done
}

# Flows of both families between pods and the world. Translated are: the source; the destination; both.
crossing() {
	local a=$DIR/a b=$DIR/b world=/proc/$WORLD/ns/net
	flow "$1" "$a" $SERVER4 9000 "$world" $SERVER4 9000
	flow "$1" "$a" $SERVER6 9000 "$world" $SERVER6 9000
	flow "$1" "$world" $NODE4 30001 "$b" "${ADDR4[b]}" 9001
	flow "$1" "$world" $NODE6 30001 "$b" "${ADDR6[b]}" 9001
	flow "$1" "$a" 10.96.0.2 9002 "$world" $SERVER4 9002
	flow "$1" "$a" fd00:10:96::2 9002 "$world" $SERVER6 9002
}

# ... and between two pods: the destination.
between() {
	flow "$1" "$DIR/a" 10.96.0.1 9003 "$DIR/b" "${ADDR4[b]}" 9003
	flow "$1" "$DIR/a" fd00:10:96::1 9003 "$DIR/b" "${ADDR6[b]}" 9003
}

# few: less data where each packet is small, and opening the flows is not one in a hundred all the same.
few() { [[ -n ${LONG-} ]] || BYTES=$((BYTES / 10)); }

# toggled DEVICE: with its features set otherwise than usual; nobody joins unless told to.
toggled() {
	local feature usual
	if [[ -z ${LONG-} ]]; then
		offload "$1" off tso gso tx
		offload "$1" on gro
		intact "$1: all of them" crossing between
		return
	fi
	for feature in tso gso tx gro; do
		if [[ $feature == gro ]]; then usual=off other=on; else usual=on other=off; fi
		offload "$1" $other $feature
		intact "$1: $feature $other" crossing between
		offload "$1" $usual $feature
	done
}

@test "the devices as they are" {
	begin
	intact "as they are" crossing between
}

@test "other offloads of the pods' devices" {
	begin
	few
	toggled pods
}

@test "other offloads of the pods' other ends, where packets pass through them" {
	begin
	shape
	toggled hosts
}

@test "other offloads of the uplink" {
	begin
	toggled uplink
}

@test "other offloads of the uplink's other end" {
	begin
	few
	toggled far
}

@test "no offloads anywhere" {
	local device
	begin
	few
	for device in pods hosts uplink far; do offload $device off tso gso gro tx; done
	intact "none" crossing between
}

# vxlan: the uplink becomes a VXLAN device. What is summed outside before it enters, and not joined after, comes out
# with CHECKSUM_COMPLETE: the outer packet's sum, less what was taken off.
vxlan() {
	in_world ip -batch - <<-EOT
		addr flush dev node
		addr add 203.0.113.129/30 dev node
		link add vx mtu 1450 type vxlan id 7 dstport 4789 local 203.0.113.129 remote 203.0.113.130 udpcsum
		link set vx up
		addr add $ROUTER4/24 dev vx
		addr add $ROUTER6/64 dev vx nodad
	EOT
	in_node ip -batch - <<-EOT
		addr flush dev eth0
		addr add 203.0.113.130/30 dev eth0
		link add vx mtu 1450 type vxlan id 7 dstport 4789 local 203.0.113.130 remote 203.0.113.129 udpcsum
		link set vx up
		addr add $NODE4/24 dev vx
		addr add $NODE6/64 dev vx nodad
		route replace default via $ROUTER4 dev vx
		route replace default via $ROUTER6 dev vx
	EOT
	offload far off tx
	in_node ethtool -K vx gro off
}

# sums_hold POD: of what arrived since `spawn sums_POD`, nearly all carried a sum, and it held.
sums_hold() {
	local pid=PID_sums_$1 right wrong other
	kill -TERM "${!pid}"
	wait "${!pid}"
	read -r right wrong other < <(tail -n 1 "$DIR/sums_$1")
	same "$wrong" 0 "pod $1: wrong sums"
	[[ $((right + other)) -gt 10000 && $((other * 100)) -le $right ]] || fail "pod $1: $right with a sum, $other without"
}

# summed: both pods judge the sums of what they get.
summed() {
	spawn sums_a in_pod a "$BUILD/tests/tools/complete" eth0
	spawn sums_b in_pod b "$BUILD/tests/tools/complete" eth0
	ready sums_a sums_b
	intact "$1" crossing
	sums_hold a
	sums_hold b
}

@test "CHECKSUM_COMPLETE: the sum that comes with a packet is moved, too" {
	vxlan
	begin vx
	few
	summed "at once"
	shape
	summed "through the veth"
}
