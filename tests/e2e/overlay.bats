#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Routes between nodes, as ctnatd makes them (tests/tools/routes), and packets over them. a and b are on one link, c is
# behind a router: what stands between b and c, and between a and c, is VXLAN.
#
#	pod a ── a ─┐
#	            ├── lan ── world ── far ──── c ── pod c
#	pod b ── b ─┘  192.0.2.0/24   198.51.100.0/24
#	           2001:db8:0:2::/64  2001:db8:1::/64
#
# Pods are 10.244.N.5 and fd00:10:244:N::5, N being 1 for a, 2 for b, 3 for c, 4 for d. Every filter of reverse paths is
# strict. Each pod has a server at port 7777.

declare -gA NUMBER=([a]=1 [b]=2 [c]=3 [d]=4)

setup() {
	load lib
	DIR=$(mktemp -d "${BATS_TEST_TMPDIR:-/tmp}/nodes.XXXXXX")
	ROUTES=$BUILD/tests/tools/routes NODES='' MTU=1450
	hold WORLD --net
	in_world sh -c "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.default.accept_dad=0 &&
		ip -batch -" <<-EOT
		link set lo up
		link add lan type bridge
		link set lan up
		addr add 192.0.2.1/24 dev lan
		addr add 2001:db8:0:2::1/64 dev lan nodad
		link add far type bridge
		link set far up
		addr add 198.51.100.1/24 dev far
		addr add 2001:db8:1::1/64 dev far nodad
	EOT
}

teardown() {
	local node
	[[ -n ${BATS_TEST_COMPLETED-} ]] || state_of_nodes
	finish "${PIDS[@]}"
	for node in $NODES; do
		local pod=POD_$node host=NODE_$node
		finish "${!pod}" "${!host}"
	done
	finish "$WORLD"
}

state_of_nodes() {
	local node
	for node in $NODES; do
		echo "--- $node"
		at "$node" sh -c 'ip route; ip -6 route; ip -br addr; ip neigh; bridge fdb show dev ctnat.vx; nstat -as'
	done
} 2>&1

# at NODE COMMAND...; in_pod_of NODE COMMAND...
at() { local pid=NODE_$1; nsenter -t "${!pid}" --net "${@:2}"; }
in_pod_of() { local pid=POD_$1; nsenter -t "${!pid}" --net "${@:2}"; }
pod4() { echo "10.244.${NUMBER[$1]}.5"; }
pod6() { echo "fd00:10:244:${NUMBER[$1]}::5"; }

# node NAME BRIDGE ADDRESS4 ADDRESS6 ROUTER4 ROUTER6: a node with a pod, for whose MTU see $MTU.
node() {
	local n=${NUMBER[$1]} host=NODE_$1 pod=POD_$1
	hold "$host" --net
	hold "$pod" --net
	NODES+="$1 "
	in_world ip link add "n$1" type veth peer name eth0 netns "${!host}"
	in_world ip link set "n$1" up master "$2"
	at "$1" sh -c "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.default.accept_dad=0 \
		net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.default.rp_filter=1 net.ipv6.conf.eth0.accept_dad=0 && ip -batch -" <<-EOT
		link set lo up
		link set eth0 up
		addr add $3/24 dev eth0
		addr add $4/64 dev eth0 nodad
		route add default via $5
		route add default via $6
		link add pod type veth peer name eth0 netns ${!pod}
		link set pod mtu $MTU up
		addr add 169.254.1.1/32 dev pod
		addr add fe80::1/64 dev pod nodad
		route add $(pod4 "$1") dev pod proto 201
		route add $(pod6 "$1") dev pod proto 201
	EOT
	in_pod_of "$1" sh -c "sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.eth0.accept_dad=0 && ip -batch -" <<-EOT
		link set lo up
		link set eth0 mtu $MTU up
		addr add $(pod4 "$1")/32 dev eth0
		addr add $(pod6 "$1")/128 dev eth0 nodad
		route add 169.254.1.1 dev eth0
		route add default via 169.254.1.1
		route add default via fe80::1 dev eth0
	EOT
	spawn "server_$1" nsenter -t "${!pod}" --net "$HERE/peer.py" serve $PORT
	ready "server_$1"
}

three_nodes() {
	node a lan 192.0.2.11 2001:db8:0:2::11 192.0.2.1 2001:db8:0:2::1
	node b lan 192.0.2.12 2001:db8:0:2::12 192.0.2.1 2001:db8:0:2::1
	node c far 198.51.100.13 2001:db8:1::13 198.51.100.1 2001:db8:1::1
	cat >"$DIR/nodes" <<-EOT
		a 192.0.2.11 2001:db8:0:2::11 10.244.1.0/24 fd00:10:244:1::/64
		b 192.0.2.12 2001:db8:0:2::12 10.244.2.0/24 fd00:10:244:2::/64
		c 198.51.100.13 2001:db8:1::13 10.244.3.0/24 fd00:10:244:3::/64
	EOT
}

# apply NODE [MODE]: what the tool says goes to $DIR/said.NODE.
apply() { at "$1" "$ROUTES" apply "${2:-auto}" "$1" "$DIR/nodes" >"$DIR/said.$1"; }
apply_all() { local node; for node in $NODES; do apply "$node" "${1:-auto}"; done; }
said() { same "$(head -1 "$DIR/said.$1")" "$2" "node $1"; }

# talks FROM TO: a packet of the full MTU, in one piece, and many bytes over TCP, in both families.
talks() {
	local addr
	for addr in "$(pod4 "$2")" "$(pod6 "$2")"; do
		local head=28
		[[ $addr != *:* ]] || head=48
		in_pod_of "$1" ping -qc 2 -i 0.01 -W 2 -M do -s $((MTU - head)) "$addr" || fail "$1 does not reach $addr"
		in_pod_of "$1" "$HERE/peer.py" ask tcp "$addr" $PORT --size 60000 --count 50 --timeout 10 >/dev/null ||
			fail "no TCP from $1 to $addr"
	done
}

# all_talk: of each pair, one asks the other.
all_talk() {
	local from to
	for from in $NODES; do
		for to in $NODES; do
			[[ ! $from < $to ]] || talks "$from" "$to"
		done
	done
}

# whole: nobody has made or seen a fragment, and no tunnel has lost anything but its node's own multicast reports (MLDv2 is
# ICMPv6 type 143), which have nowhere to go.
whole() {
	local node lost reports
	same "$(in_world nstat -asz | fragments)" "" "fragments at the router"
	for node in $NODES; do
		same "$({ at "$node" nstat -asz; in_pod_of "$node" nstat -asz; } | fragments)" "" "fragments at $node"
		reports=$(at "$node" awk '$1 == "Icmp6OutType143" { print $2 }' /proc/net/dev_snmp6/ctnat.vx 2>/dev/null || true)
		lost=$(at "$node" ip -s -j link show type vxlan |
			jq '[.[].stats64 | .rx.errors, .rx.dropped, .tx.errors, .tx.dropped, .tx.carrier_errors // 0] | add // 0')
		same $((lost - ${reports:-0})) 0 "packets lost by the tunnel of $node"
	done
}
fragments() { awk '$1 ~ /FragOKs|FragCreates|Reasm/ && $2 > 0 { print $1, $2 }'; }

# has NODE TEXT: its routes to other nodes, by destination and next hop.
has() {
	same "$({ at "$1" ip -4 route show proto 202; at "$1" ip -6 route show proto 202; } |
		awk '{ print $1, $5 == "ctnat.vx" ? "vxlan" : $3 }')" "$2" "routes of $1"
}

# tunnels NODE ADDRESS...: where its forwarding entries lead.
tunnels() {
	same "$(at "$1" bridge fdb show dev ctnat.vx | grep -oP 'dst \K\S+' | sort | xargs)" "${*:2}" "tunnels of $1"
}

@test "pods reach each other: on one link by plain routes, behind a router by VXLAN, in whole packets" {
	three_nodes
	# of what comes from c, nothing may have a pod's address on the outside
	spawn wire in_world "$HERE/wire.py" nc --pods
	ready wire
	apply_all
	said a "direct 2 vxlan 2 refused 0 changes 7 overhead 50"
	said c "direct 0 vxlan 4 refused 0 changes 10 overhead 50"
	has a $'10.244.2.0/24 192.0.2.12\n10.244.3.0/24 vxlan\nfd00:10:244:2::/64 2001:db8:0:2::12\nfd00:10:244:3::/64 vxlan'
	tunnels a 198.51.100.13
	tunnels c 192.0.2.11 192.0.2.12
	all_talk
	whole
	no_leak
}

@test "a node itself reaches the pods of others, from its address on the overlay" {
	three_nodes
	apply_all
	at a ping -qc 2 -i 0.01 -W 2 "$(pod4 c)"
	at a ping -qc 2 -i 0.01 -W 2 "$(pod6 c)"
	same "$(at a "$HERE/peer.py" ask tcp "$(pod4 c)" $PORT | cut -d' ' -f1)" 10.244.1.0
	same "$(at a "$HERE/peer.py" ask tcp "$(pod6 c)" $PORT | cut -d' ' -f1)" fd00:10:244:1::
	same "$(at a "$HERE/peer.py" ask tcp "$(pod4 b)" $PORT | cut -d' ' -f1)" 192.0.2.11
}

@test "one byte too many: the sender is told so, and nothing is cut" {
	MTU=1500
	three_nodes
	apply_all
	run in_pod_of a ping -c 2 -i 0.2 -W 1 -M do -s 1423 "$(pod4 c)"
	[[ $output == *"mtu = 1450"* || $output == *"mtu=1450"* ]] || fail "$output"
	run in_pod_of a ping -c 2 -i 0.2 -W 1 -M do -s 1403 "$(pod6 c)"
	[[ $output == *"mtu = 1450"* || $output == *"mtu=1450"* ]] || fail "$output"
	in_pod_of a "$HERE/peer.py" ask tcp "$(pod4 c)" $PORT --size 60000 --count 50 --timeout 10
	in_pod_of a "$HERE/peer.py" ask tcp "$(pod6 c)" $PORT --size 60000 --count 50 --timeout 10
	same "$(at a nstat -asz | fragments)" "" "fragments"
}

@test "tunnels over IPv6 carry both families" {
	MTU=1430
	three_nodes
	cat >"$DIR/nodes" <<-EOT
		a 2001:db8:0:2::11 10.244.1.0/24 fd00:10:244:1::/64
		b 2001:db8:0:2::12 10.244.2.0/24 fd00:10:244:2::/64
		c 2001:db8:1::13 10.244.3.0/24 fd00:10:244:3::/64
	EOT
	apply_all
	said a "direct 1 vxlan 3 refused 0 changes 9 overhead 70"
	tunnels c 2001:db8:0:2::11 2001:db8:0:2::12
	all_talk
	whole
}

@test "in a cloud, or always, neighbours too go by VXLAN" {
	three_nodes
	sed -i '/^b/s/$/ cloud/' "$DIR/nodes"
	apply_all
	said a "direct 0 vxlan 4 refused 0 changes 10 overhead 50"
	tunnels b 192.0.2.11 198.51.100.13
	all_talk
	sed -i 's/ cloud//' "$DIR/nodes"
	apply_all always
	said a "direct 0 vxlan 4 refused 0 changes 0 overhead 50"
	all_talk
	whole
}

@test "a node changes its address, one joins, one leaves" {
	three_nodes
	apply_all
	all_talk

	at c ip -batch - <<-EOT
		addr add 198.51.100.23/24 dev eth0
		addr del 198.51.100.13/24 dev eth0
		addr replace 198.51.100.23/24 dev eth0
		route replace default via 198.51.100.1
	EOT
	sed -i 's/198.51.100.13/198.51.100.23/' "$DIR/nodes"
	apply_all
	said a "direct 2 vxlan 2 refused 0 changes 1 overhead 50"
	tunnels a 198.51.100.23
	talks a c
	talks c b

	node d far 198.51.100.14 2001:db8:1::14 198.51.100.1 2001:db8:1::1
	echo "d 198.51.100.14 2001:db8:1::14 10.244.4.0/24 fd00:10:244:4::/64" >>"$DIR/nodes"
	apply_all
	said a "direct 2 vxlan 4 refused 0 changes 5 overhead 50"
	said c "direct 2 vxlan 4 refused 0 changes 2 overhead 50"
	tunnels a 198.51.100.14 198.51.100.23
	all_talk

	sed -i '/^[cd]/d' "$DIR/nodes"
	apply a
	apply b
	said a "direct 2 vxlan 0 refused 0 changes 4 overhead 0"
	has a $'10.244.2.0/24 192.0.2.12\nfd00:10:244:2::/64 2001:db8:0:2::12'
	same "$(at a ip -br link show type vxlan)" ""
	talks a b
	whole
}

@test "what changes its way loses no packet" {
	local round
	three_nodes
	# the ways there and back differ for a moment: no strict filter can stand that
	for round in a b; do at $round sysctl -qw net.ipv4.conf.eth0.rp_filter=2; done
	apply_all
	talks a b
	in_pod_of a ping -qi 0.003 -W 2 -c 1000 "$(pod4 b)" >"$DIR/ping4" 2>&1 3>&- &
	local ping4=$!
	in_pod_of a ping -qi 0.003 -W 2 -c 1000 "$(pod6 b)" >"$DIR/ping6" 2>&1 3>&- &
	local ping6=$!
	for round in {1..15}; do
		apply a always
		apply b always
		sleep 0.05
		apply b auto
		apply a auto
		sleep 0.05
	done
	wait $ping4 $ping6
	grep -q ' 0% packet loss' "$DIR/ping4" || fail "$(<"$DIR/ping4")"
	grep -q ' 0% packet loss' "$DIR/ping6" || fail "$(<"$DIR/ping6")"
}

@test "removed, nothing is left, and others' routes are as they were" {
	three_nodes
	at a ip route add 203.0.113.0/24 via 192.0.2.1 proto 186
	at a ip route add 10.244.3.0/24 via 192.0.2.1 proto 186
	snapshot() { at a sh -c 'ip route show table all; ip -6 route show table all; ip addr; ip neigh show nud permanent; ip rule' |
		grep -vE 'valid_lft|^ *link/'; }
	snapshot >"$DIR/before"
	apply a
	said a "direct 2 vxlan 1 refused 1 changes 6 overhead 50"
	grep -q "pod CIDR 10.244.3.0/24: somebody else has a route there (protocol 186," "$DIR/said.a" || fail "$(<"$DIR/said.a")"
	at a "$ROUTES" remove
	snapshot | diff "$DIR/before" - || fail "not as before"
}
