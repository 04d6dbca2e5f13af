#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# CHECK finds each thing that ADD made, if it is gone or altered, and names it; and it finds nothing else, whatever the
# plugins behind us in the chain have done.

setup() {
	load lib
	node_up
	pod a
	LINK=$(host_link a)
	cni CHECK a
}

teardown() { node_down; }

# blames TEXT: CHECK fails, and its message holds the text. Then everything is made anew, for the next one.
blames() {
	refused 102 "$1" CHECK a
	anew
}

anew() {
	in_node rm -f "$DIR/a.eth0.result"
	cni DEL a
	in_pod a ip link del eth0 2>/dev/null || true
	cni ADD a >/dev/null
	LINK=$(host_link a)
	cni CHECK a || fail "CHECK of an untouched pod: $(<"$DIR/stdout")"
}

@test "link: gone, down, another one" {
	in_node ip link del "$LINK"
	blames "host interface '$LINK' is gone"
	in_node ip link set "$LINK" down
	blames "host interface '$LINK' is down"
	in_node ip link set "$LINK" alias somebody
	blames "host interface '$LINK' is not the veth"
	in_pod a ip link set eth0 down
	blames "interface 'eth0' in '$DIR/a' is down"
	in_pod a ip link set eth0 down name eth1
	in_pod a ip link set eth1 up
	refused 102 "interface 'eth0' is gone from '$DIR/a'" CHECK a
	in_pod a ip link add eth0 up type veth peer name other
	blames "interface 'eth0' in '$DIR/a' is not the other end of '$LINK'"
}

@test "address: of the pod, of the gateway" {
	in_pod a ip addr del ${ADDR4[a]}/32 dev eth0
	blames "address ${ADDR4[a]}/32 is gone from interface 'eth0'"
	in_pod a ip addr del ${ADDR6[a]}/128 dev eth0
	blames "address ${ADDR6[a]}/128 is gone from interface 'eth0'"
	in_node ip addr del 169.254.1.1/32 dev "$LINK"
	blames "address 169.254.1.1/32 is gone from interface '$LINK'"
	in_node ip addr del fe80::1/64 dev "$LINK"
	blames "address fe80::1/64 is gone from interface '$LINK'"
}

@test "route of the pod: gone, by another gateway" {
	in_pod a ip route del default
	blames "route 0.0.0.0/0 by the pod's gateway"
	in_pod a ip -6 route del default
	blames "route ::/0 by the pod's gateway"
	in_pod a ip route replace default via 169.254.1.9 dev eth0 onlink
	blames "route 0.0.0.0/0 by the pod's gateway"
	in_pod a ip -6 route replace default via fe80::9 dev eth0 proto 201
	blames "route ::/0 by the pod's gateway"
}

@test "neighbour: the pod's gateway gone, with another MAC" {
	in_pod a ip neigh del 169.254.1.1 dev eth0
	blames "neighbour 169.254.1.1 of 'eth0'"
	in_pod a ip neigh del fe80::1 dev eth0
	blames "neighbour fe80::1 of 'eth0'"
	in_pod a ip neigh replace 169.254.1.1 lladdr 02:00:00:00:00:99 nud permanent dev eth0
	blames "neighbour 169.254.1.1 of 'eth0' has another MAC"
	in_pod a ip neigh replace fe80::1 lladdr 02:00:00:00:00:99 nud permanent dev eth0
	blames "neighbour fe80::1 of 'eth0' has another MAC"
}

@test "host route: gone, to another interface" {
	in_node ip route del ${ADDR4[a]}
	blames "route ${ADDR4[a]}/32 by the host interface"
	in_node ip route del ${ADDR4[a]} metric 1024	# the one for a node without an address
	blames "route ${ADDR4[a]}/32 by the host interface"
	in_node ip -6 route del ${ADDR6[a]}
	blames "route ${ADDR6[a]}/128 by the host interface"
	in_node ip route replace ${ADDR4[a]} dev eth0 proto 201
	refused 102 "route ${ADDR4[a]}/32 by the host interface" CHECK a
}

@test "TC program: of the pod, of the uplink" {
	local prog
	for prog in from_pod to_pod; do
		in_node "$BUILD/tests/tools/break" detach-${prog/_/-} "$LINK"
		blames "host interface '$LINK' does not carry the TC program ctnat_$prog"
	done
	for prog in from_uplink to_uplink; do
		in_node "$BUILD/tests/tools/break" detach-${prog/_/-} eth0
		blames "uplink 'eth0' does not carry the TC program ctnat_$prog"
	done
}

# records MAP: the pinned map's entries, as "key = value" in bpftool's own bytes.
records() {
	in_node bpftool -j map dump pinned "$BPFFS/r1/$1" | jq -r '.[] | "\(.key | join(" ")) = \(.value | join(" "))"'
}

# alter MAP OFFSET BYTE: in the first entry's value.
alter() {
	local key value
	read -r -d= key < <(records "$1") || true
	read -ra value < <(records "$1" | sed -n '1s/.* = //p')
	value[$2]=$3
	in_node bpftool map update pinned "$BPFFS/r1/$1" key $key value "${value[@]}"
}

@test "map entry: gone, altered" {
	local key family
	for family in 1 2; do
		read -r -d= key < <(records pods | sed -n ${family}p) || true
		in_node bpftool map delete pinned $BPFFS/r1/pods key $key
		blames "map 'pods' has no entry of this pod for address"
	done
	alter pods 4 0x03	# struct pod.state
	blames "map 'pods' has no entry of this pod for address"
	alter pods 0 0xff	# .ifindex
	blames "map 'pods' has no entry of this pod for address"
	alter pods 56 0x78	# .owner
	blames "map 'pods' has no entry of this pod for address"
	read -r -d= key < <(records attachments) || true
	in_node bpftool map delete pinned $BPFFS/r1/attachments key $key
	blames "map 'attachments' has no ready entry for ctr-a/eth0"
}

@test "address of prevResult that the pod does not have" {
	jq '.ips[0].address = "10.244.1.99/32"' "$DIR/a.eth0.result" >"$DIR/other"
	cp "$DIR/other" "$DIR/a.eth0.result"
	refused 102 "lacks address 10.244.1.99 of prevResult" CHECK a
	# A plugin behind us may give it one more.
	in_pod a ip addr add 10.244.1.99/24 dev eth0
	cni CHECK a
}

# ---- the base table ----------------------------------------------------------------------------------

# rules: each of the table's as "chain handle number comment"; numbers count from 1 within a chain.
rules() {
	in_node nft -j -a list table inet ctnat | jq -r '
		[.nftables[].rule | select(.)] | group_by(.chain)[] | to_entries[] |
		"\(.value.chain) \(.value.handle) \(.key + 1) \(.value.comment)"'
}

# The next STATUS, as the next ADD, makes the table whole.
mend() {
	status
	cni CHECK a || fail "CHECK after the table was made anew: $(<"$DIR/stdout")"
}

status() { CONF=$(jq -c '.cniVersion = "1.1.0"' <<<"$CONF") cni STATUS; }

# The text of a rule, as nft reads it.
rule_text() { in_node nft -a list chain inet ctnat "$1" | sed -nE "s/^\t\t(.*) # handle $2\$/\1/p"; }

@test "base table: each rule removed, and each altered" {
	local i n chain handle number comment text
	n=$(rules | wc -l)
	[[ $n -ge 16 ]] || fail "only $n rules"
	for ((i = 1; i <= n; i++)); do
		read -r chain handle number comment < <(rules | sed -n ${i}p)
		in_node nft delete rule inet ctnat "$chain" handle "$handle"
		refused 102 "chain '$chain': rule $number, \"$comment\", is missing" CHECK a
		mend
		read -r chain handle number comment < <(rules | sed -n ${i}p)
		text=$(rule_text "$chain" "$handle")
		in_node nft replace rule inet ctnat "$chain" handle "$handle" meta mark 0x7 "$text"
		refused 102 "chain '$chain': rule $number, \"$comment\", was altered" CHECK a
		mend
	done
}

@test "base table: a rule added, a chain, a set, an element, the table removed; forwarding off" {
	in_node nft insert rule inet ctnat postrouting accept
	refused 102 "chain 'postrouting'" CHECK a
	mend
	in_node nft flush chain inet ctnat unrouted
	in_node nft delete chain inet ctnat unrouted
	refused 102 "chain 'unrouted'" CHECK a
	mend
	in_node nft delete element inet ctnat pods4 '{ 10.244.1.0/24 }'
	refused 102 "set 'pods4'" CHECK a
	mend
	in_node nft add element inet ctnat leave6 '{ 2001:db8:77::/48 }'
	refused 102 "set 'leave6'" CHECK a
	mend
	in_node nft delete table inet ctnat
	refused 102 "table 'inet ctnat'" CHECK a
	mend
	in_node nft flush ruleset
	refused 102 "table 'inet ctnat'" CHECK a
	mend
	in_node sysctl -qw net.ipv6.conf.all.forwarding=0
	refused 102 "net/ipv6/conf/all/forwarding" CHECK a
}

@test "another's rules and counters are no fault" {
	in_node nft -f - <<-EOT
		table inet other {
			chain post {
				type nat hook postrouting priority srcnat
				ip daddr 192.0.2.99 masquerade
			}
		}
	EOT
	cni CHECK a
	ask a udp $SERVER4 >/dev/null
	cni CHECK a
}

# ---- behind us in the chain --------------------------------------------------------------------------

# both_ways: new flows from the pod, and to it.
both_ways() {
	local protocol
	for protocol in tcp udp; do
		same "$(seen a $protocol $SERVER4)" $NODE4 "$protocol, IPv4"
		same "$(seen a $protocol $SERVER6)" $NODE6 "$protocol, IPv6"
		same "$(in_node "$HERE/peer.py" ask $protocol ${ADDR4[a]} $PORT --sport 40001)" "$NODE4 40001" "$protocol"
		same "$(in_node "$HERE/peer.py" ask $protocol ${ADDR6[a]} $PORT --sport 40001)" "$NODE6 40001" "$protocol"
	done
}

serving() {
	spawn a_serves in_pod a "$HERE/peer.py" serve $PORT
	ready a_serves
}

@test "tuning with another MAC: traffic both ways, and CHECK of both passes" {
	local tuning='{"type": "tuning", "mac": "02:aa:bb:cc:dd:ee", "mtu": 1400}'
	chained ADD a "$tuning" >/dev/null
	in_pod a ip -o link show eth0 | grep '02:aa:bb:cc:dd:ee' | grep 'mtu 1400'
	serving
	both_ways
	cni CHECK a
	chained CHECK a "$tuning"
	both_ways
	# A pod that has lost its entry for the gateway is not a pod that was tuned.
	in_pod a ip neigh replace 169.254.1.1 lladdr 02:00:00:00:00:99 nud permanent dev eth0
	refused 102 "neighbour 169.254.1.1 of 'eth0' has another MAC" CHECK a
}

@test "tuning after there was traffic: the old MAC is forgotten" {
	serving
	both_ways
	chained ADD a '{"type": "tuning", "mac": "02:aa:bb:cc:dd:ee"}' >/dev/null
	both_ways
	cni CHECK a
}

# pour ADDRESS COMMAND...: for a second, datagrams of 1,400 bytes, as many as can be; COMMAND leads to who sends them.
pour() { "${@:2}" timeout 1 bash -c 'while :; do printf %1400s; done >/dev/udp/'"$1/9" 2>/dev/null || true; }

# rate_out, rate_in: Mbit/s that leave the pod, and that reach it, counted where they arrive.
rate_out() { rate world 203.0.113.77 in_pod a; }
rate_in() { rate pod ${ADDR4[a]} in_node; }

# rate WHERE ADDRESS COMMAND...
rate() {
	local start before
	start=${EPOCHREALTIME/./} before=$(received "$1")
	pour "${@:2}"
	echo $((($(received "$1") - before) * 8 / (${EPOCHREALTIME/./} - start)))
}

received() {
	case $1 in
	world) in_world cat /proc/net/dev | awk '$1 == "node:" { print $2 }' ;;
	pod) in_pod a cat /proc/net/dev | awk '$1 == "eth0:" { print $2 }' ;;
	esac
}

between() { [[ $2 -ge $1 && $2 -le $3 ]] || fail "$4: $2 Mbit/s, not $1 to $3"; }

@test "bandwidth: each direction has its own rate, and CHECK of both passes" {
	in_node sh -c 'ip link add probe type ifb && ip link del probe' || skip "no ifb on this kernel"
	local runtime='{bandwidth: {ingressRate: 16000000, ingressBurst: 400000, egressRate: 8000000, egressBurst: 400000}}'
	local bandwidth
	bandwidth=$(jq -nc "{type: \"bandwidth\", capabilities: {bandwidth: true}, runtimeConfig: $runtime}")
	in_world ip route add blackhole 203.0.113.77
	between 40 "$(rate_out)" 100000 "what the pod sends without a limit"
	between 40 "$(rate_in)" 100000 "what the pod gets without a limit"

	conf ".runtimeConfig = $runtime"	# as a runtime tells everybody in the list that has the capability
	anew
	chained ADD a "$bandwidth" >/dev/null
	between 6 "$(rate_out)" 9 "what the pod sends"
	between 12 "$(rate_in)" 18 "what the pod gets"
	cni CHECK a
	chained CHECK a "$bandwidth"
	serving
	both_ways
	grew inserted 0

	chained DEL a "$bandwidth"
	cni DEL a
}
