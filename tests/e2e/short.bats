#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Which flows take the short way, and from when on: by conntrack's entries and by the counters of which way packets went.

setup() {
	load lib
	load ends
	node_up
}

teardown() { node_down; }

# carries N: the connection between near and far, N bytes each way, 99 of 100 packets by the short way. Nothing was sent before.
carries() {
	start_count
	moved near far "$1"
	moved far near "$1"
	short_for 99 short_out short_in
	same "$(counted learned)" 2 "directions learned"
}

@test "TCP: the stack opens, the short way carries 100 MB each way" {
	pod a
	local family
	for family in 4 6; do
		start_count
		connected 4000$family $family
		same "$(counted 'short_.*')" 0 "packets of the handshake on the short way"
		same "$(counted inserted)" 1 "entries inserted"
		carries 100000000
		same "$(counted inserted)" 0 "entries inserted by data"
		[[ $(tracked tcp 4000$family "$([[ $family == 4 ]] || echo ${ADDR6[a]})") == *' ESTABLISHED '*'[ASSURED]'* ]]
	done
	same "$(entry tcp ${ADDR4[a]} $SERVER4)" "$SERVER4 $NODE4"
	same "$(entry tcp ${ADDR6[a]} $SERVER6)" "$SERVER6 $NODE6"
}

@test "TCP between two pods: 100 MB each way, translated by nobody" {
	pod a
	pod b
	end far b tcp ${ADDR6[b]} 40001
	ready far
	start_count
	end near a tcp ${ADDR6[a]} 40001 ${ADDR6[b]} 40001
	ready near
	same "$(counted short_pod)" 0 "packets of the handshake on the short way"
	moved near far 100000000
	moved far near 100000000
	short_for 99 short_pod
	same "$(tell far peer)" "${ADDR6[a]} 40001"
	same "$(entry tcp ${ADDR6[a]} ${ADDR6[b]})" "${ADDR6[b]} ${ADDR6[a]}"
}

@test "UDP: nothing is short until the flow is assured" {
	pod a
	end far world udp $SERVER4 40001
	end near a udp ${ADDR4[a]} 40001 $SERVER4 40001
	ready far near
	start_count
	moved near far 20
	[[ $(tracked udp 40001) == *'[UNREPLIED]'* ]]
	moved far near 1
	[[ $(tracked udp 40001) != *'[ASSURED]'* ]]
	same "$(counted 'short_.*')" 0 "packets on the short way"
	moved near far 2
	[[ $(tracked udp 40001) == *'[ASSURED]'* ]]
	within 2 both_short near far
	start_count
	moved near far 100
	moved far near 100
	short_for 98 short_out short_in
	same "$(tell far peer)" "$NODE4 40001"
}

@test "UDP between two pods, whose entry is the kernel's: the same" {
	pod a
	pod b
	end far b udp ${ADDR6[b]} 40001
	end near a udp ${ADDR6[a]} 40001 ${ADDR6[b]} 40001
	ready far near
	start_count
	tell near stream 100
	tell far stream 100
	local short
	while short=$(counted short_pod) && [[ $(tracked udp 40001 ${ADDR6[a]}) != *'[ASSURED]'* ]]; do
		same "$short" 0 "packets on the short way"
	done
	within 2 both_pods_short || fail "the stack carries it: $(tracked udp 40001 ${ADDR6[a]})"
	start_count
	sleep 0.5
	short_for 95 short_pod
}
both_pods_short() {
	start_count
	sleep 0.1
	[[ $(by_stack) -lt $(counted short_pod) ]]
}

# forgotten PORT: conntrack knows nothing of that flow any more.
forgotten() { in_node conntrack -D -p udp --orig-port-src "$1" >/dev/null; }

# outlived PORT: conntrack has just forgotten the flow, and its next packet takes the short way. (Not on a machine that
# is so busy that a second passes between.)
outlived() {
	within 8 both_short near far
	forgotten "$1"
	start_count
	moved near far 1
	[[ $(counted short_out) -eq 1 ]]
}

@test "what conntrack said of a flow holds for a second, and no longer" {
	pod a
	exchanging 40001
	within 20 outlived 40001 || fail "short only as long as conntrack knows the flow"
	sleep 1.1
	start_count
	moved near far 1
	same "$(counted short_out) $(counted inserted)" "0 1" "short, opened anew"
}

@test "shortWay uncached: conntrack is asked about every packet" {
	conf '.shortWay = "uncached"'
	pod a
	connected 40001
	carries 100000000
	exchanging 40002
	forgotten 40002
	start_count
	moved near far 1
	same "$(counted short_out) $(counted inserted)" "0 1" "short, opened anew"
}

@test "shortWay off: the stack forwards everything" {
	conf '.shortWay = "off"'
	pod a
	start_count
	connected 40001
	moved near far 1000000
	moved far near 1000000
	end far world udp $SERVER4 40002
	end near a udp ${ADDR4[a]} 40002 $SERVER4 40002
	ready far near
	moved near far 20
	moved far near 20
	moved near far 20
	same "$(counted 'short_.*|asked|stack_cached|uplink_cached|learned')" 0 "traces of a short way"
	[[ $(counted established) -gt 40 ]]
}

@test "level assisted: the kernel opens, the short way carries" {
	conf '.datapath = "assisted"'
	pod a
	start_count
	connected 40001
	[[ $(counted assisted) -eq 1 ]]
	carries 100000000
	same "$(tell far peer | cut -d' ' -f1)" $NODE4
	exchanging 40002
	start_count
	moved near far 100
	moved far near 100
	short_for 98 short_out short_in
	same "$(counter inserted)" 0 "entries inserted"
}
