#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Three nodes, each with the real ctnatd, and an API server over TLS: what it says is what the nodes do.

setup() { load lab; }
teardown() { cluster_down; }

@test "pods of three nodes reach each other and the world, with their own addresses and their node's" {
	three_nodes
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

@test "a podCIDR changes, and the address of a node" {
	cluster_up n1 n2
	serves n1 n2
	cpod n1 pod
	PODS4=10.244.22.0/24 object n2 | api put nodes -
	routes n1 '10.244.22.0/24 via 192.0.2.12 dev eth0
fd00:10:244:2::/64 via 2001:db8:0:2::12 dev eth0'
	within 5 grep -q 10.244.22.0/24 "$DIR/n2/net.d/10-ctnat.conflist"
	cpod n2 pod
	[[ ${P4[n2/pod]} == 10.244.22.* ]]
	reaches n1 pod "${P4[n2/pod]}" "${P6[n2/pod]}"

	in_n n2 ip addr del 192.0.2.12/24 dev eth0
	in_n n2 ip addr add 192.0.2.92/24 dev eth0
	in_n n2 ip route replace default via $API
	N4[n2]=192.0.2.92
	PODS4=10.244.22.0/24 object n2 | api put nodes -
	routes n1 '10.244.22.0/24 via 192.0.2.92 dev eth0
fd00:10:244:2::/64 via 2001:db8:0:2::12 dev eth0'
	reaches n1 pod "${P4[n2/pod]}"
	translates_to() { [[ $(asks n2 pod udp $SERVER4) == "$1" ]]; }
	within 3 translates_to 192.0.2.92
}

# mtu NODE POD
mtu() { in_p "$1" "$2" ip -j link show eth0 | jq '.[0].mtu'; }

@test "a node that is not on-link is reached by VXLAN, with the MTU right" {
	cluster_up n1 n2
	join n3 far
	serves n1 n2 n3
	routes n1 '10.244.2.0/24 via 192.0.2.12 dev eth0
10.244.3.0/24 via 10.244.3.0 dev ctnat.vx
fd00:10:244:2::/64 via 2001:db8:0:2::12 dev eth0
fd00:10:244:3::/64 via a link-local address dev ctnat.vx'
	cpod n1 pod
	cpod n2 pod
	cpod n3 pod
	same "$(mtu n1 pod) $(mtu n3 pod)" "1450 1450" "MTU"
	reaches n1 pod "${P4[n3/pod]}" "${P6[n3/pod]}" "${P4[n2/pod]}"
	reaches n3 pod "${P4[n1/pod]}" "${P6[n2/pod]}"
	in_p n1 pod ping -q -c 2 -i 0.1 -W 2 -M do -s 1422 "${P4[n3/pod]}"
	in_n n1 ping -q -c 1 -W 2 "${P4[n3/pod]}"
	leave n3
	routes n1 '10.244.2.0/24 via 192.0.2.12 dev eth0
fd00:10:244:2::/64 via 2001:db8:0:2::12 dev eth0'
	not in_n n1 ip link show ctnat.vx
}

@test "overlay none: only our own node is watched, and there are no routes of ours" {
	cluster_up
	node n1
	node n2
	object n1 | api put nodes -
	object n2 | api put nodes -
	for name in n1 n2; do
		jq '. + {overlay: "none"}' "$DIR/$name/etc/ctnatd.json" >"$DIR/conf" && mv "$DIR/conf" "$DIR/$name/etc/ctnatd.json"
		agent $name
	done
	serves n1 n2
	routes n1 ''
	same "$(api log | awk '$3 == "nodes" && $1 != "patch" && !/fieldSelector=metadata.name/')" '' "lists of all nodes"
	[[ $(api log | grep -c 'nodes.*fieldSelector=metadata.name') -ge 2 ]]
	cpod n1 pod
	same "$(asks n1 pod udp $SERVER4)" "${N4[n1]}"
}

# service NAME CLUSTER-IP [EXTERNAL-IP [LOAD-BALANCER-IP]]
service() {
	jq -nc --arg name "$1" --arg ip "$2" --arg external "${3-}" --arg balancer "${4-}" '
		{apiVersion: "v1", kind: "Service", metadata: {namespace: "default", name: $name},
		 spec: {clusterIP: $ip, clusterIPs: [$ip], externalIPs: [$external | select(. != "")]},
		 status: {loadBalancer: {ingress: [{ip: $balancer} | select(.ip != "")]}}}' | api put services -
}
service_cidr() {
	jq -nc '{apiVersion: "networking.k8s.io/v1", kind: "ServiceCIDR", metadata: {name: $ARGS.positional[0]},
		 spec: {cidrs: $ARGS.positional[1:]}}' --args "$@" | api put servicecidrs -
}

@test "masquerading knows the services: their range, their external addresses, and that they went" {
	cluster_up
	service_cidr kubernetes 10.96.0.0/16
	service web 10.96.7.7 203.0.113.200 203.0.113.201
	service odd 172.20.0.9
	join n1
	serves n1
	classed n1 8.8.8.8 1
	classed n1 10.96.1.1 3
	classed n1 172.20.0.9 3
	classed n1 172.20.0.10 1
	classed n1 203.0.113.200 2
	classed n1 203.0.113.201 2
	classed n1 203.0.113.202 1
	classed n1 10.244.1.5 4
	service later 172.20.0.10 203.0.113.202
	classed n1 203.0.113.202 2
	classed n1 172.20.0.10 3
	api delete services default/web
	classed n1 203.0.113.200 1
	service_cidr more 10.97.0.0/16 fd00:10:96::/112
	classed n1 fd00:10:96::7 3
	classed n1 10.97.0.1 3
}

@test "until the services are known BPF inserts nothing, and the table translates" {
	cluster_up
	api fail 503 on services
	join n1
	serves n1
	classed n1 8.8.8.8 2
	cpod n1 pod
	same "$(asks n1 pod udp $SERVER4)" "${N4[n1]}"
	same "$(in_n n1 "$CTNATCTL" stats -o json | jq '.inserted.packets // 0')" 0 "entries inserted"
	api fail 503 off services
	within 10 has_class n1 8.8.8.8 1
	same "$(asks n1 pod udp $SERVER4)" "${N4[n1]}"
	same "$(in_n n1 "$CTNATCTL" stats -o json | jq '.inserted.packets')" 1 "entries inserted"
}

# whole NODE: as ctnatctl sees it.
whole() { in_n "$1" "$CTNATCTL" status -o json | jq -e '.state == "whole"'; }

repairs() { page "$1" /metrics | awk '$1 == "ctnat_base_repairs_total" { print $2 }'; }

@test "what somebody takes away comes back within a second" {
	local before
	cluster_up n1 n2
	serves n1 n2
	cpod n1 pod
	whole n1
	before=$(in_n n1 nft -j list tables)
	in_n n1 nft flush ruleset
	within 1 in_n n1 nft list table inet ctnat
	within 1 whole n1
	[[ $(in_n n1 nft -j list tables) != "$before" ]] || fail "the ruleset was not flushed"
	before=$(repairs n1)
	in_n n1 "$BUILD/tests/tools/break" detach-to-uplink eth0
	repaired() { [[ $(repairs n1) -gt $before ]]; }
	within 12 repaired	# nobody is told of that: ctnatd looks every ten seconds
	whole n1
	in_n n1 ip route del 10.244.2.0/24
	routes n1 '10.244.2.0/24 via 192.0.2.12 dev eth0
fd00:10:244:2::/64 via 2001:db8:0:2::12 dev eth0'
	in_n n1 sysctl -qw net.ipv4.ip_forward=0
	within 1 in_n n1 sh -c '[ "$(cat /proc/sys/net/ipv4/ip_forward)" = 1 ]'
	rm "$DIR/n1/net.d/10-ctnat.conflist"
	within 1 test -s "$DIR/n1/net.d/10-ctnat.conflist"
	rm "$DIR/n1/bin/ctnat"
	within 1 test -x "$DIR/n1/bin/ctnat"
}

@test "a bad configuration is rejected by the key's name, and the last good one stays in force" {
	cluster_up n1
	echo '{"nonMasqueradeCIDRs": ["10.244.0.0/16"]}' >"$DIR/n1/etc/ctnatd.json"
	serves n1
	classed n1 10.244.9.9 4
	echo '{"nonMasqueradeCIDRs": ["10.0.0.0/33"]}' >"$DIR/n1/etc/ctnatd.json"
	within 2 grep -q 'nonMasqueradeCIDRs\[0\]' "$DIR/n1/log"
	classed n1 10.244.9.9 4
	echo '{"nonMasqueradeCIDR": []}' >"$DIR/n1/etc/ctnatd.json"
	within 2 grep -q 'nonMasqueradeCIDR: .*no such key' "$DIR/n1/log"
	echo '{"nonMasqueradeCIDRs": ["10.244.0.0/16", "203.0.113.0/24"]}' >"$DIR/n1/etc/ctnatd.json"
	classed n1 203.0.113.5 4
	kill -0 "${AGENT[n1]}"
}

@test "a configuration that this node cannot have is said, and the last good one stays in force, also for ADDs" {
	cluster_up n1
	echo '{"nonMasqueradeCIDRs": ["203.0.113.0/24"]}' >"$DIR/n1/etc/ctnatd.json"
	serves n1
	classed n1 203.0.113.5 4
	echo '{"uplinks": ["eht0"]}' >"$DIR/n1/etc/ctnatd.json"
	within 2 grep -q "no interface 'eht0'" "$DIR/n1/log"
	cpod n1 pod
	classed n1 203.0.113.5 4
	same "$(asks n1 pod udp $SERVER4)" "${N4[n1]}"
	within 2 whole n1
	finish "${AGENT[n1]}"
	cpod n1 other

	# ... and for a ctnatd that starts with a bad one
	echo '{' >"$DIR/n1/etc/ctnatd.json"
	: >"$DIR/n1/log"
	agent n1
	within 5 grep -q 'the last good one is in force' "$DIR/n1/log"
	serves n1
}

@test "a node without a way out: its base state is made once" {
	local generation
	cluster_up
	node n1
	in_n n1 ip route del default
	in_n n1 ip -6 route del default
	object n1 | api put nodes -
	agent n1
	serves n1
	cpod n1 pod
	generation=$(in_n n1 "$CTNATCTL" status -o json | jq .generation)
	in_n n1 ip route add 203.0.113.0/24 via $API
	sleep 2
	same "$(in_n n1 "$CTNATCTL" status -o json | jq .generation)" "$generation" "generation"
	in_n n1 ip route add default via $API
	translates() { [[ $(asks n1 pod udp $SERVER4) == "${N4[n1]}" ]]; }
	within 5 translates
}

@test "the API server is gone: pods that run, new ones and those that are deleted are served" {
	cluster_up n1 n2
	serves n1 n2
	cpod n1 old
	cpod n2 far
	serve_in n2 far
	routes n1 '10.244.2.0/24 via 192.0.2.12 dev eth0
fd00:10:244:2::/64 via 2001:db8:0:2::12 dev eth0'
	routes n2 '10.244.1.0/24 via 192.0.2.11 dev eth0
fd00:10:244:1::/64 via 2001:db8:0:2::11 dev eth0'
	kill -KILL "$PID_apiserver"
	cpod n1 new
	same "$(asks n1 new tcp $SERVER4)" "${N4[n1]}"
	reaches n1 new "${P4[n2/far]}" "${P6[n1/old]}"
	ccni DEL n1 old
	kill -KILL "${AGENT[n1]}"
	agent n1
	sleep 2
	cpod n1 newer
	reaches n1 newer "${P4[n2/far]}" "${P6[n2/far]}"
	routes n1 '10.244.2.0/24 via 192.0.2.12 dev eth0
fd00:10:244:2::/64 via 2001:db8:0:2::12 dev eth0'
	api_up
	watches() { grep -qx 'ctnat_watch_connected{resource="nodes"} 1' <(page n1 /metrics); }
	within 40 watches
	# the server came back without its memory, and a cluster without this node changes nothing
	within 5 grep -q "the cluster has no node 'n1'" "$DIR/n1/log"
	sleep 1
	same "$(asks n1 newer tcp "${P4[n2/far]}")" "${P4[n1/newer]}" "the source that another node's pod sees"
	object n1 | api put nodes -
	object n2 | api put nodes -
	within 5 page n1 /readyz
}

@test "after a boot without API server or ctnatd: the first ADD takes the settings that were saved" {
	cluster_up
	service_cidr kubernetes 10.96.0.0/16
	join n1
	serves n1
	classed n1 10.96.1.1 3
	kill -KILL "${AGENT[n1]}"
	in_n n1 umount /sys/fs/bpf
	in_n n1 nft flush ruleset
	in_n n1 mount -t bpf bpf /sys/fs/bpf
	cpod n1 pod
	classed n1 10.96.1.1 3
	classed n1 8.8.8.8 1
	same "$(in_n n1 "$CTNATCTL" status -o json | jq -r .settings)" ctnatd
	same "$(asks n1 pod udp $SERVER4)" "${N4[n1]}"
}

@test "no podCIDR yet: not ready, and says so" {
	cluster_up
	node n1
	PODS4='' PODS6='' object n1 | jq 'del(.spec.podCIDR, .spec.podCIDRs)' | api put nodes -
	agent n1
	within 5 grep -q 'podCIDR' "$DIR/n1/log"
	not page n1 /readyz
	grep -q podCIDR <(page n1 /readyz || true)
	not test -e "$DIR/n1/net.d/10-ctnat.conflist"
	kill -0 "${AGENT[n1]}"
	object n1 | api put nodes -
	serves n1
}

# traces NODE: what of ours is there, in its kernel and in its directories.
traces() {
	in_n "$1" sh -c 'ip -o link; ip route show table all; ip -6 route show table all; nft list tables; ls -A /sys/fs/bpf
		ls -A /var/lib; sysctl -e net.netfilter.nf_conntrack_tcp_be_liberal net.netfilter.nf_conntrack_tcp_ignore_invalid_rst' |
		sed -E 's/^[0-9]+: //; s/ expires [0-9]+sec//' | grep -v ^anycast | sort	# which forwarding brings
	ls -A "$DIR/$1/net.d" "$DIR/$1/bin"
}

# take_off NODE [OPTION...]: as the Job does.
take_off() {
	in_n "$1" "$CTNATD" uninstall --cni-bin "$DIR/$1/bin" --cni-conf "$DIR/$1/net.d" "${@:2}" >"$DIR/$1/uninstall" 2>&1
}

@test "uninstall: refused while pods live; then nothing of ours is left, but for forwarding" {
	local before
	cluster_up
	node n1
	before=$(traces n1)
	object n1 | api put nodes -
	agent n1
	join n2 far
	serves n1 n2
	cpod n1 pod
	finish "${AGENT[n1]}"
	unset "AGENT[n1]"

	not take_off n1
	grep -q '1 attachments are alive' "$DIR/n1/uninstall"
	cpod n1 other
	ccni DEL n1 pod
	ccni DEL n1 other
	take_off n1 || fail "$(<"$DIR/n1/uninstall")"
	diff <(echo "$before") <(traces n1)
	grep -q 'kept: .*ip_forward' "$DIR/n1/uninstall"
	same "$(in_n n1 cat /proc/sys/net/ipv4/ip_forward)" 1

	: >"$DIR/n1/log"
	agent n1
	serves n1
	cpod n1 pod
	finish "${AGENT[n1]}"
	take_off n1 --force || fail "$(<"$DIR/n1/uninstall")"
	diff <(echo "$before") <(traces n1)
}

@test "a firewall that drops what it forwards is found, and said" {
	cluster_up n1
	serves n1
	in_n n1 nft -f - <<<'table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; }; }'
	within 3 grep -q "'ip filter FORWARD' drops" "$DIR/n1/log"
	in_n n1 nft delete table ip filter
	within 3 grep -q 'firewall: all is well again' "$DIR/n1/log"
}

# allowed: what the ClusterRole allows, as "VERB RESOURCE", one a line.
allowed() {
	awk '/^ *resources:/ { gsub(/[][,]/, " "); resource = $2 }
		/^ *verbs:/ { gsub(/[][,]/, " "); for (i = 2; i <= NF; i++) print $i, resource }' "$HERE/../../deploy/base/rbac.yaml" | sort -u
}

# called: what the API server was asked, likewise.
called() { api log | awk '{ print tolower($1), $4 == "-" ? $3 : $3 "/" $4 }' | sort -u; }

@test "the calls that are made are those that the ClusterRole allows: no more, no fewer" {
	cluster_up n1
	serves n1
	is_marked() { [[ $(api get nodes n1 | jq -r '.status.conditions[] | select(.type == "NetworkUnavailable") | .status') == False ]]; }
	within 5 is_marked
	object n1 | api put nodes -	# as a cloud's controller, or a node that is made anew
	within 5 is_marked
	diff <(allowed) <(called)
}

@test "ctnatd says how it is: health, readiness, metrics" {
	local metrics
	cluster_up
	api fail 503 on nodes
	node n1
	object n1 | api put nodes -
	agent n1
	within 5 page n1 /healthz
	not page n1 /readyz
	grep -q 'routes: the API server' <(page n1 /readyz || true)
	api fail 503 off nodes
	serves n1
	page n1 /readyz
	cpod n1 pod
	asks n1 pod udp $SERVER4
	metrics=$(page n1 /metrics)
	grep -qx 'ctnat_datapath_packets_total{reason="inserted"} 1' <<<"$metrics"
	grep -qx 'ctnat_base_whole 1' <<<"$metrics"
	grep -qx 'ctnat_watch_connected{resource="nodes"} 1' <<<"$metrics"
	grep -qE '^ctnat_addresses\{range="10.244.1.0/24",state="used"\} 1$' <<<"$metrics"
	grep -qE '^ctnat_operations_total\{verb="ADD",code="0"\} 1$' <<<"$metrics"
}
