#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Conntrack loses entries in the middle of flows that take the short way: what becomes of them is what becomes of them
# beside it, on a node with nothing but nftables masquerade.

setup() {
	load lib
	load ends
	node_up
	pod a
}

teardown() { node_down; }

# masqueraded COMMAND...: what it prints on another node, with level nftables.
masqueraded() (
	PIDS=()
	conf '.datapath = "nftables"'
	node_up
	pod a
	"$@"
	BATS_TEST_COMPLETED=yes node_down
)

# alike COMMAND...: prints the same with and without us. Both at once: nearly all of it is waiting.
alike() {
	local theirs=$DIR/theirs pid
	masqueraded "$@" >"$theirs" &
	pid=$!
	"$@" >"$DIR/ours"
	wait $pid || fail "beside us: $(<"$theirs")"
	[[ $(counter short_out) -gt 200 && $(counter short_in) -gt 200 ]] || fail "ours took no short way"
	diff "$theirs" "$DIR/ours"
}

# busy PORT: ends of a connection (near, far) and of an exchange over UDP (udp_near, udp_far), numbered by their port.
busy() {
	local name
	end udp_far$1 world udp $SERVER4 $1
	end udp_near$1 a udp ${ADDR4[a]} $1 $SERVER4 $1
	end far$1 world tcp $SERVER4 $1
	ready far$1
	end near$1 a tcp ${ADDR4[a]} $1 $SERVER4 $1
	ready near$1 udp_near$1 udp_far$1
	for name in near far udp_near udp_far; do tell $name$1 stream 100 >/dev/null; done
}

# quiet PORT: none of them speaks.
quiet() {
	local name
	for name in near far udp_near udp_far; do tell $name$1 stream 0 >/dev/null; done
}

# gets_through FROM TO: "yes" or "no".
gets_through() {
	local before
	before=$(tell "$2" arrived 0)
	tell "$1" send 100 >/dev/null 2>&1 || true
	sleep 0.2
	if [[ $(tell "$2" arrived 0) -gt $before ]]; then echo yes; else echo no; fi
}

# after PORT: what is left of the flows.
after() {
	echo "UDP in: $(gets_through udp_far$1 udp_near$1)"
	echo "UDP out: $(gets_through udp_near$1 udp_far$1), from $(tell udp_far$1 peer | cut -d' ' -f1)"
	echo "UDP in: $(gets_through udp_far$1 udp_near$1), entries of the pod's $(tracked udp $1 ${ADDR4[a]} | wc -l)"
	echo "connection in: $(gets_through far$1 near$1)"
	echo "connection out: $(gets_through near$1 far$1)"
	echo "connection: $(tell near$1 over) for the pod, $(tell far$1 over) for the server"
}

# loses PORT COMMAND...: flows from two ports are forgotten: of the first conntrack then sees the pod's packets, which go on
# all the time, of the second the server's, when nobody remembers anything.
loses() {
	local spoken=$1 silent=$(($1 + 1)) sent
	busy $spoken
	busy $silent
	sleep 1.5
	quiet $spoken
	quiet $silent
	tell near$spoken stream 100 >/dev/null
	tell udp_near$spoken stream 100 >/dev/null
	sleep 0.2
	"${@:2}" >/dev/null
	sleep 1.2
	sent=$(tell udp_near$spoken stream 0)
	echo "lost by UDP: $((sent - $(tell udp_far$spoken arrived "$sent")))"
	tell near$spoken stream 0 >/dev/null
	echo "the pod went on"
	after $spoken
	echo "the server goes on"
	after $silent
}

loses_all() {
	loses 40001 in_node conntrack -D -s 10.244.0.0/16
	loses 40003 in_node conntrack -F
}

@test "conntrack -D and -F in mid-flow: the same end as with nftables masquerade" { alike loses_all; }
