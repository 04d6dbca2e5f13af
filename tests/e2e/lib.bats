#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The laboratory itself: what it promises to notice, it notices. No plugin here.

setup() {
	load lib
	node_up
}

teardown() { [[ -n ${DOWN-} ]] || node_down; }

# Must fail, and say why.
node_down_says() {
	local output rc=0
	DOWN=yes
	output=$(node_down 2>&1) || rc=$?
	[[ $rc -ne 0 && $output == *"$1"* ]] || fail "status $rc: $output"
}

@test "a server says who asked, over each protocol and family" {
	local protocol
	for protocol in tcp udp sctp; do
		same "$(in_node "$HERE/peer.py" ask $protocol $SERVER4 $PORT --sport 4321)" "$NODE4 4321"
		same "$(in_node "$HERE/peer.py" ask $protocol $SERVER6 $PORT --sport 4321)" "$NODE6 4321"
	done
}

@test "silence is an error" {
	run in_node "$HERE/peer.py" ask udp $SERVER4 9 --timeout 0.1
	[[ $status -eq 1 ]]
}

@test "a pod's address outside fails the test: IPv4, IPv6, fragments, ARP, tagged frames" {
	local frame
	for frame in "udp 10.244.1.2 $SERVER4" "udp fd00:10:244:1::2 $SERVER6" "arp-request 10.244.1.3 $ROUTER4" \
		"udp 10.244.1.4 $OTHER4 --vlan 7"; do
		in_node "$HERE/forge.py" eth0 ff:ff:ff:ff:ff:ff $frame
	done
	outside 10.244.1.2 $SERVER4 udp
	outside 10.244.1.3 $ROUTER4 arp
	outside 10.244.1.4 $OTHER4 udp
	node_down_says "fd00:10:244:1::2 $SERVER6 udp"
}

@test "a pod's address may go where the test says so, and nowhere else" {
	may_leave $SERVER4
	in_node "$HERE/forge.py" eth0 ff:ff:ff:ff:ff:ff udp 10.244.1.2 $SERVER4
	no_leak
	spawn wire in_world "$HERE/wire.py" node
	ready wire
	in_node "$HERE/forge.py" eth0 ff:ff:ff:ff:ff:ff udp 10.244.1.2 $OTHER4
	node_down_says "10.244.1.2 $OTHER4 udp"
}

@test "a capture that died is no capture" {
	kill -KILL $PID_wire
	wait $PID_wire || true
	node_down_says "the capture died"
}

@test "whoever stays behind in the node is noticed" {
	nsenter -t $NODE --mount sleep 5 3>&- &
	local left=$!
	within 2 grep -q sleep /proc/$left/comm
	node_down_says "still running"
	kill $left
}

@test "a sanitizer's finding in the plugin's stderr is noticed" {
	echo "x.c:1:2: runtime error: signed integer overflow" >>"$DIR/stderr"
	node_down_says "signed integer overflow"
}
