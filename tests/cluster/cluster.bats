#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Three nodes, each with the real ctnatd, and an API server over TLS: what it says is what the nodes do.

setup() { load lab; }
teardown() { cluster_down; }

@test "pods of three nodes reach each other and the world, with their own addresses and their node's" {
	local a b
	cluster_up n1 n2 n3
	serves n1 n2 n3
	for a in n1 n2 n3; do cpod $a pod; done
	for a in n1 n2 n3; do
		serve_in $a pod
		for b in n1 n2 n3; do
			[[ $a == "$b" ]] || reaches $a pod "${P4[$b/pod]}" "${P6[$b/pod]}"
		done
		same "$(asks $a pod tcp $SERVER4)" "${N4[$a]}"
		same "$(asks $a pod udp $SERVER6)" "${N6[$a]}"
	done
	same "$(asks n1 pod tcp "${P4[n2/pod]}")" "${P4[n1/pod]}"
	same "$(asks n2 pod udp "${P6[n3/pod]}")" "${P6[n2/pod]}"
	same "$(api get nodes n2 | jq -r '.status.conditions[] | select(.type == "NetworkUnavailable") | .status')" False
}

@test "a fourth node joins and leaves: routes are just those that are wanted, and nobody else's are touched" {
	local three='10.244.2.0/24 via 192.0.2.12 dev eth0
10.244.3.0/24 via 192.0.2.13 dev eth0
fd00:10:244:2::/64 via 2001:db8:0:2::12 dev eth0
fd00:10:244:3::/64 via 2001:db8:0:2::13 dev eth0'
	cluster_up n1 n2 n3
	serves n1 n2 n3
	routes n1 "$three"
	in_n n1 ip route add 10.244.77.0/24 via $API
	join n4
	serves n4
	routes n1 "$(sort <<<"$three
10.244.4.0/24 via 192.0.2.14 dev eth0
fd00:10:244:4::/64 via 2001:db8:0:2::14 dev eth0")"
	cpod n1 pod
	cpod n4 pod
	reaches n1 pod "${P4[n4/pod]}" "${P6[n4/pod]}"
	leave n4
	routes n1 "$three"
	same "$(in_n n1 ip route show 10.244.77.0/24)" "10.244.77.0/24 via $API dev eth0 "
}
