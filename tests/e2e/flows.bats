#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Each kind of flow that a pod can have, judged by what the other end saw and by its conntrack entry.

setup() {
	load lib
	node_up
}

teardown() { node_down; }

# masqueraded PROTOCOL: from pod a, over both families, with the node's address and the pod's own port.
masqueraded() {
	same "$(ask a "$1" $SERVER4 --sport 40001)" "$NODE4 40001" "$1, IPv4"
	same "$(ask a "$1" $SERVER6 --sport 40001)" "$NODE6 40001" "$1, IPv6"
	same "$(entry "$1" ${ADDR4[a]} $SERVER4)" "$SERVER4 $NODE4" "entry of $1, IPv4"
	same "$(entry "$1" ${ADDR6[a]} $SERVER6)" "$SERVER6 $NODE6" "entry of $1, IPv6"
}

# The kernel's conntrack need not know SCTP.
has_sctp() { in_node test -e /proc/sys/net/netfilter/nf_conntrack_sctp_timeout_established; }
protocols() { if has_sctp; then echo tcp udp sctp; else echo tcp udp; fi; }

# untouched PROTOCOL SOURCE DESTINATION: the flow's entry translates nothing.
untouched() { same "$(entry "$@")" "$3 $2" "entry of $1 from $2"; }

@test "TCP and UDP: BPF inserts the entry, once for each flow" {
	pod a
	masqueraded tcp
	masqueraded udp
	same "$(counter inserted)" 4 "entries inserted"
	grew established 4
}

@test "SCTP: the table translates" {
	has_sctp || skip "this kernel's conntrack has no SCTP"
	pod a
	masqueraded sctp
	same "$(counter inserted)" 0 "entries inserted"
}

# A kernel answers an echo before it has told whoever listens.
four_pings() { [[ $(wc -l <"$DIR/pings") -eq 5 ]]; }

@test "ICMP echo: the table translates" {
	pod a
	spawn pings in_world "$HERE/peer.py" pings
	ready pings
	in_pod a ping -q -c 2 -i 0.1 -W 2 $SERVER4
	in_pod a ping -q -c 2 -i 0.1 -W 2 $SERVER6
	within 2 four_pings
	same "$(sort "$DIR/pings" | uniq -c | awk '{ print $1, $2 }')" "2 $NODE4"$'\n'"2 $NODE6"$'\n1 ready' "sources"
	same "$(entry icmp ${ADDR4[a]} $SERVER4)" "$SERVER4 $NODE4"
	same "$(entry icmpv6 ${ADDR6[a]} $SERVER6)" "$SERVER6 $NODE6"
}

@test "a datagram of 5,000 bytes, in fragments each way" {
	pod a
	same "$(seen a udp $SERVER4 --size 5000)" $NODE4
	same "$(seen a udp $SERVER6 --size 5000)" $NODE6
	same "$(entry udp ${ADDR4[a]} $SERVER4)" "$SERVER4 $NODE4"
	same "$(entry udp ${ADDR6[a]} $SERVER6)" "$SERVER6 $NODE6"
	local count name
	for name in IpFragCreates IpReasmReqds Ip6FragCreates Ip6ReasmReqds; do
		count=$(in_pod a nstat -asz $name | awk -v name=$name '$1 == name { print $2 }')
		[[ $count -eq 4 ]] || fail "$name: $count fragments, not 4"
	done
}

@test "'fragmentation needed' and 'packet too big' reach the pod of a translated flow" {
	local far4=198.51.100.130 far6=2001:db8:3::2
	hold FAR --net
	PIDS+=("$FAR")
	in_world ip -batch - <<-EOT
		link add far type veth peer name eth0 netns $FAR
		link set far up
		addr add 198.51.100.129/25 dev far
		addr add 2001:db8:3::1/64 dev far nodad
		route add $far4 dev far mtu lock 1280
		route add $far6 dev far mtu lock 1280
	EOT
	nsenter -t "$FAR" --net ip -batch - <<-EOT
		link set eth0 up
		addr add $far4/25 dev eth0
		addr add $far6/64 dev eth0 nodad
		route add default via 198.51.100.129
		route add default via 2001:db8:3::1
	EOT
	spawn far nsenter -t "$FAR" --net "$HERE/peer.py" serve $PORT
	ready far
	pod a

	same "$(ask a tcp $far4 --sport 40001 --size 200000)" "$NODE4 40001"
	same "$(ask a tcp $far6 --sport 40001 --size 200000)" "$NODE6 40001"
	same "$(entry tcp ${ADDR4[a]} $far4)" "$far4 $NODE4"
	same "$(entry tcp ${ADDR6[a]} $far6)" "$far6 $NODE6"
	in_pod a ip route get $far4 | grep -w 'mtu 1280'
	in_pod a ip route get $far6 | grep -w 'mtu 1280'
}

@test "pod to pod: untouched" {
	pod a
	pod b
	spawn b_serves in_pod b "$HERE/peer.py" serve $PORT
	ready b_serves
	local protocol
	for protocol in tcp udp; do
		same "$(ask a $protocol ${ADDR4[b]} --sport 40001)" "${ADDR4[a]} 40001"
		same "$(ask a $protocol ${ADDR6[b]} --sport 40001)" "${ADDR6[a]} 40001"
		untouched $protocol ${ADDR4[a]} ${ADDR4[b]}
		untouched $protocol ${ADDR6[a]} ${ADDR6[b]}
	done
	in_pod a ping -q -c 1 -W 2 ${ADDR4[b]}
	in_pod a ping -q -c 1 -W 2 ${ADDR6[b]}
	same "$(counter inserted)" 0 "entries inserted"
}

@test "pod to its own node: untouched" {
	pod a
	spawn node_serves in_node "$HERE/peer.py" serve $PORT
	ready node_serves
	local protocol
	for protocol in tcp udp; do
		same "$(ask a $protocol $NODE4 --sport 40001)" "${ADDR4[a]} 40001"
		same "$(ask a $protocol $NODE6 --sport 40001)" "${ADDR6[a]} 40001"
		untouched $protocol ${ADDR4[a]} $NODE4
		untouched $protocol ${ADDR6[a]} $NODE6
	done
	in_pod a ping -q -c 1 -W 2 $NODE4
	in_pod a ping -q -c 1 -W 2 $NODE6
	grew local 0
	same "$(counter inserted)" 0 "entries inserted"
}

@test "node to pod: with the node's address" {
	pod a
	spawn a_serves in_pod a "$HERE/peer.py" serve $PORT
	ready a_serves
	local protocol
	for protocol in tcp udp; do
		same "$(in_node "$HERE/peer.py" ask $protocol ${ADDR4[a]} $PORT --sport 40001)" "$NODE4 40001"
		same "$(in_node "$HERE/peer.py" ask $protocol ${ADDR6[a]} $PORT --sport 40001)" "$NODE6 40001"
		untouched $protocol $NODE4 ${ADDR4[a]}
		untouched $protocol $NODE6 ${ADDR6[a]}
	done
	in_node ping -q -c 1 -W 2 ${ADDR4[a]}
	in_node ping -q -c 1 -W 2 ${ADDR6[a]}
}

# reply_port PROTOCOL SOURCE DESTINATION: the node's port, by the flow's entry.
reply_port() {
	local family=ipv4
	[[ $2 != *:* ]] || family=ipv6
	in_node conntrack -L -f $family -p "$1" -s "$2" -d "$3" 2>/dev/null | sed -nE '1s/.* dport=([0-9]+).*/\1/p'
}

@test "two pods, one source port, one server: each gets an answer, by a port of its own" {
	pod a
	pod b
	local protocol server seen_a seen_b
	for protocol in tcp udp; do
		for server in $SERVER4 $SERVER6; do
			local -n addr=ADDR4
			[[ $server != *:* ]] || local -n addr=ADDR6
			seen_a=$(ask a $protocol $server --sport 40001)
			seen_b=$(ask b $protocol $server --sport 40001)
			same "${seen_a% *}" "${seen_b% *}" "$protocol $server: addresses"
			[[ $seen_a != "$seen_b" ]] || fail "$protocol $server: both were seen as $seen_a"
			same "$(reply_port $protocol ${addr[a]} $server)" "${seen_a#* }" "$protocol $server: entry of a"
			same "$(reply_port $protocol ${addr[b]} $server)" "${seen_b#* }" "$protocol $server: entry of b"
		done
	done
	# Datagrams have no handshake: the first flow is still the first pod's.
	same "$(ask a udp $SERVER4 --sport 40001)" "$NODE4 40001"
	same "$(ask a udp $SERVER6 --sport 40001)" "$NODE6 40001"
}

@test "nonMasqueradeCIDRs arrive untranslated, masqueradeCIDRs inside them translated" {
	local inside4=203.0.113.65 inside6=2001:db8:2:1::1
	conf '.nonMasqueradeCIDRs = ["10.244.0.0/16", "fd00:10:244::/48", "203.0.113.0/24", "2001:db8:2::/48"]
		| .masqueradeCIDRs = ["203.0.113.64/26", "2001:db8:2:1::/64"]'
	in_world ip -batch - <<-EOT
		addr add $inside4/32 dev lo
		addr add $inside6/128 dev lo nodad
		route add 10.244.0.0/16 via $NODE4
		route add fd00:10:244::/48 via $NODE6
	EOT
	may_leave $OTHER4
	may_leave $OTHER6
	pod a

	local protocol
	for protocol in $(protocols); do
		same "$(ask a $protocol $OTHER4 --sport 40001)" "${ADDR4[a]} 40001" "$protocol"
		same "$(ask a $protocol $OTHER6 --sport 40001)" "${ADDR6[a]} 40001" "$protocol"
		same "$(ask a $protocol $inside4 --sport 40001)" "$NODE4 40001" "$protocol"
		same "$(ask a $protocol $inside6 --sport 40001)" "$NODE6 40001" "$protocol"
		untouched $protocol ${ADDR4[a]} $OTHER4
		untouched $protocol ${ADDR6[a]} $OTHER6
		same "$(entry $protocol ${ADDR4[a]} $inside4)" "$inside4 $NODE4" "entry of $protocol, IPv4"
		same "$(entry $protocol ${ADDR6[a]} $inside6)" "$inside6 $NODE6" "entry of $protocol, IPv6"
	done
	grew leave 0
	grew guard_pass 0
}

# at_level LEVEL: BPF inserts nothing, and everybody is served all the same.
at_level() {
	conf ".datapath = \"$1\""
	pod a
	same "$(in_node "$CTNATCTL" status -o json | jq -r .datapath)" "$1"
	local protocol
	for protocol in $(protocols); do
		same "$(seen a $protocol $SERVER4)" $NODE4 "$protocol, IPv4"
		same "$(seen a $protocol $SERVER6)" $NODE6 "$protocol, IPv6"
	done
	in_pod a ping -q -c 1 -W 2 $SERVER4
	same "$(counter inserted)" 0 "entries inserted"
}

@test "level assisted: the table translates, from_pod and the guard look on" {
	at_level assisted
	grew assisted 3
	grew guard_not_pod 0
}

@test "level nftables: the table alone" {
	at_level nftables
	same "$(in_node "$CTNATCTL" stats -o json | jq 'map(.packets) | add')" 0 "packets that programs saw"
}
