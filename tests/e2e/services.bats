#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Beside service NAT: nftables rules that do what kube-proxy's do, and the reference plugins chained behind.

SERVICE_PORT=80

setup() {
	load lib
	load ends
	node_up
	conf '.serviceCIDRs += ["fd00:10:96::/112"]'
	pod a
	pod b
	spawn a_serves in_pod a "$HERE/peer.py" serve $PORT
	spawn b_serves in_pod b "$HERE/peer.py" serve $PORT
	ready a_serves b_serves
	kube_proxy
}

teardown() { node_down; }

# Services .1: pod b; .2: pod a, also when a asks (then masqueraded, or the answer would not come back this way); .3:
# a server outside. Node ports 30001: pod b, the client's address kept; 30002: pod b, by way of the node's.
kube_proxy() {
	in_node nft -f - <<-EOT
		table inet kube-proxy {
			chain services {
				ip daddr 10.96.0.1 tcp dport $SERVICE_PORT dnat ip to ${ADDR4[b]}:$PORT
				ip daddr 10.96.0.1 udp dport $SERVICE_PORT dnat ip to ${ADDR4[b]}:$PORT
				ip6 daddr fd00:10:96::1 tcp dport $SERVICE_PORT dnat ip6 to [${ADDR6[b]}]:$PORT
				ip6 daddr fd00:10:96::1 udp dport $SERVICE_PORT dnat ip6 to [${ADDR6[b]}]:$PORT
				ip daddr 10.96.0.2 ip saddr ${ADDR4[a]} meta mark set 0x4000
				ip daddr 10.96.0.2 tcp dport $SERVICE_PORT dnat ip to ${ADDR4[a]}:$PORT
				ip daddr 10.96.0.2 udp dport $SERVICE_PORT dnat ip to ${ADDR4[a]}:$PORT
				ip6 daddr fd00:10:96::2 ip6 saddr ${ADDR6[a]} meta mark set 0x4000
				ip6 daddr fd00:10:96::2 tcp dport $SERVICE_PORT dnat ip6 to [${ADDR6[a]}]:$PORT
				ip6 daddr fd00:10:96::2 udp dport $SERVICE_PORT dnat ip6 to [${ADDR6[a]}]:$PORT
				ip daddr 10.96.0.3 tcp dport $SERVICE_PORT dnat ip to $SERVER4:$PORT
				ip daddr 10.96.0.3 udp dport $SERVICE_PORT dnat ip to $SERVER4:$PORT
				ip6 daddr fd00:10:96::3 tcp dport $SERVICE_PORT dnat ip6 to [$SERVER6]:$PORT
				ip6 daddr fd00:10:96::3 udp dport $SERVICE_PORT dnat ip6 to [$SERVER6]:$PORT
				meta l4proto { tcp, udp } th dport 30002 meta mark set 0x4000
				ip daddr $NODE4 tcp dport { 30001, 30002 } dnat ip to ${ADDR4[b]}:$PORT
				ip daddr $NODE4 udp dport { 30001, 30002 } dnat ip to ${ADDR4[b]}:$PORT
				ip6 daddr $NODE6 tcp dport { 30001, 30002 } dnat ip6 to [${ADDR6[b]}]:$PORT
				ip6 daddr $NODE6 udp dport { 30001, 30002 } dnat ip6 to [${ADDR6[b]}]:$PORT
			}
			chain prerouting {
				type nat hook prerouting priority dstnat
				jump services
			}
			chain output {
				type nat hook output priority -100
				jump services
			}
			chain postrouting {
				type nat hook postrouting priority srcnat
				meta mark 0x4000 masquerade
			}
		}
	EOT
}

# service HOST-PART SEEN4 SEEN6: what the backend saw of pod a.
service() {
	local protocol
	for protocol in tcp udp; do
		same "$(seen a $protocol 10.96.0.$1 $SERVICE_PORT)" "$2" "$protocol, IPv4"
		same "$(seen a $protocol fd00:10:96::$1 $SERVICE_PORT)" "$3" "$protocol, IPv6"
	done
}

@test "ClusterIP to a pod of the node: the pod is seen as itself" {
	service 1 "${ADDR4[a]}" "${ADDR6[a]}"
	grew service 0
	same "$(counter inserted)" 0 "entries inserted"
}

@test "ClusterIP to the pod that asks" {
	service 2 $NODE4 $NODE6
}

@test "ClusterIP to a backend outside: it sees the node" {
	service 3 $NODE4 $NODE6
	same "$(counter inserted)" 0 "entries inserted"
	same "$(entry tcp ${ADDR4[a]} 10.96.0.3)" "$SERVER4 $NODE4"
	same "$(entry udp ${ADDR6[a]} fd00:10:96::3)" "$SERVER6 $NODE6"
}

@test "ClusterIP from the node" {
	same "$(in_node "$HERE/peer.py" ask tcp 10.96.0.1 $SERVICE_PORT --sport 40001)" "$NODE4 40001"
	same "$(in_node "$HERE/peer.py" ask udp fd00:10:96::3 $SERVICE_PORT --sport 40001)" "$NODE6 40001"
}

@test "NodePort from outside: the pod sees the client, or the node" {
	local protocol
	for protocol in tcp udp; do
		same "$(in_world "$HERE/peer.py" ask $protocol $NODE4 30001 --sport 40001)" "$ROUTER4 40001" "$protocol"
		same "$(in_world "$HERE/peer.py" ask $protocol $NODE6 30001 --sport 40001)" "$ROUTER6 40001" "$protocol"
		same "$(in_world "$HERE/peer.py" ask $protocol $NODE4 30002 --sport 40002)" "$NODE4 40002" "$protocol"
		same "$(in_world "$HERE/peer.py" ask $protocol $NODE6 30002 --sport 40002)" "$NODE6 40002" "$protocol"
	done
}

# hauled COMMAND... ADDRESS PORT: 40 MB each way over one connection, counted from its first packet to its last.
hauled() {
	start_count
	"$@" --size 400000 --count 100 --timeout 20 >/dev/null
}

@test "Services over TCP: both directions take the short way" {
	local address
	for address in 10.96.0.1 fd00:10:96::1; do
		hauled ask a tcp $address $SERVICE_PORT
		short_for 97 short_pod
		same "$(counted 'short_(in|out)')" 0 "packets of $address by an uplink"
	done
	for address in 10.96.0.3 fd00:10:96::3; do
		hauled ask a tcp $address $SERVICE_PORT
		short_for 97 short_out short_in
	done
	for address in "$NODE4 30001" "$NODE6 30001" "$NODE4 30002" "$NODE6 30002"; do
		hauled in_world "$HERE/peer.py" ask tcp $address
		short_for 97 short_out short_in
	done
}

@test "Services over UDP: both directions take the short way" {
	end to_pod4 a udp ${ADDR4[a]} 40001 10.96.0.1 $SERVICE_PORT
	end to_pod6 a udp ${ADDR6[a]} 40001 fd00:10:96::1 $SERVICE_PORT
	end outside4 a udp ${ADDR4[a]} 40003 10.96.0.3 $SERVICE_PORT
	end outside6 a udp ${ADDR6[a]} 40003 fd00:10:96::3 $SERVICE_PORT
	ready {to_pod,outside}{4,6}
	local name sent
	for name in {to_pod,outside}{4,6}; do tell $name stream 100 >/dev/null; done
	sleep 3.5	# assured after two seconds, known within a third
	start_count
	sleep 1
	for name in {to_pod,outside}{4,6}; do
		sent=$(tell $name stream 0)
		tell $name arrived "$sent"	# the answers
	done
	short_for 90 short_pod short_out short_in
}

@test "a Service that leads back to the pod that asks: the stack carries it" {
	local address
	for address in 10.96.0.2 fd00:10:96::2; do
		hauled ask a tcp $address $SERVICE_PORT
		same "$(counted 'short_.*')" 0 "packets of $address on the short way"
		[[ $(by_stack) -gt 1000 ]]
	done
}

@test "hostPort, through the chained portmap" {
	local portmap='{"type": "portmap", "capabilities": {"portMappings": true}, "snat": true, "runtimeConfig":
		{"portMappings": [{"hostPort": 8080, "containerPort": 7777, "protocol": "tcp"},
		                  {"hostPort": 8080, "containerPort": 7777, "protocol": "udp"}]}}'
	in_node sh -c 'iptables -t nat -S && ip6tables -t nat -S' >/dev/null || skip "no iptables on this kernel"
	chained ADD b "$portmap" >/dev/null
	local protocol
	for protocol in tcp udp; do
		same "$(in_world "$HERE/peer.py" ask $protocol $NODE4 8080 --sport 40001)" "$ROUTER4 40001" "$protocol"
		same "$(in_world "$HERE/peer.py" ask $protocol $NODE6 8080 --sport 40001)" "$ROUTER6 40001" "$protocol"
		same "$(ask a $protocol $NODE4 8080 --sport 40001)" "${ADDR4[a]} 40001" "$protocol"
	done
	same "$(ask b udp $SERVER4 --sport 40003)" "$NODE4 40003" "the pod's own flows"

	chained DEL b "$portmap"
	cni DEL b
	run in_world "$HERE/peer.py" ask tcp $NODE4 8080 --timeout 0.5
	[[ $status -ne 0 ]]
}

# mbit POD ADDRESS: rate of 600 kB there and, meanwhile, back over TCP, in Mbit/s.
mbit() {
	local start=${EPOCHREALTIME/./}
	ask "$1" tcp "$2" --size 600000 --timeout 20 >/dev/null
	echo $((600000 * 8 / (${EPOCHREALTIME/./} - start)))
}

# limited POD ADDRESS: to 8 Mbit/s, a burst not counted.
limited() {
	local rate
	rate=$(mbit "$@")
	[[ $rate -ge 3 && $rate -le 10 ]] || fail "$2: $rate Mbit/s, not 8"
}

# shaped POD LIMITS: a pod that is given limits, as a runtime hands them to each plugin of the list.
shaped() {
	local CONF=$CONF
	CONF=$(jq -c --argjson limits "$2" '. + {runtimeConfig: {bandwidth: $limits}}' <<<"$CONF")
	pod "$1"
	chained ADD "$1" "{\"type\": \"bandwidth\", \"runtimeConfig\": {\"bandwidth\": $2}}" >/dev/null
}

@test "the chained bandwidth plugin limits both directions" {
	local in='"ingressRate": 8000000, "ingressBurst": 400000' out='"egressRate": 8000000, "egressBurst": 400000'
	local free
	in_node sh -c 'ip link add probe type ifb && ip link del probe' || skip "no ifb on this kernel"
	free=$(mbit a $SERVER4)
	[[ $free -gt 15 ]] || fail "$free Mbit/s without a limit"

	shaped both "{$in, $out}"
	limited both $SERVER4
	limited both $SERVER6
	shaped in "{$in}"
	limited in $SERVER4
	shaped out "{$out}"
	limited out $SERVER4
	grew inserted 0
}
