#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# How connections that took the short way end, and begin again on the same five-tuple: the stack sees it all.

setup() {
	load lib
	load ends
	node_up
	pod a
}

teardown() { node_down; }

other() { if [[ $1 == near ]]; then echo far; else echo near; fi; }

# in_use: the connection's packets take the short way, both ways.
in_use() {
	start_count
	moved near far 1000000
	moved far near 1000000
	short_for 90 short_out short_in
}

state_is() { [[ $(state_of "$2") == "$1" ]]; }
are_gone() { local port; for port; do [[ -z $(tracked tcp "$port") ]] || return; done; }

# fins PORT CLOSER: the closer says FIN, the other end goes on, and says it later.
fins() {
	local closer=$2 goes_on
	goes_on=$(other "$2")
	connected "$1"
	in_use
	start_count
	tell "$closer" finish
	same "$(tell "$goes_on" over)" end "the first FIN"
	within 2 state_is CLOSE_WAIT "$1" || fail "the entry is in $(state_of "$1")"
	[[ $(counted forgotten) -gt 0 ]]
	moved "$goes_on" "$closer" 10000000
	tell "$goes_on" finish
	same "$(tell "$closer" over)" end "the second FIN"
	within 2 state_is TIME_WAIT "$1" || fail "the entry is in $(state_of "$1")"
	[[ $(time_left tcp "$1") -le 120 ]]
	same "$(counted 'short_.*')" 0 "packets on the short way after the first FIN"
}

@test "FIN from the pod, and the server goes on for 10 MB" { fins 40001 near; }

@test "FIN from the server, the pod goes on; the five-tuple is used again" {
	fins 40001 far
	start_count
	connected 40001
	same "$(counted revived) $(counted inserted)" "1 1" "entries ended, made"
	same "$(counted 'short_.*')" 0 "packets of the handshake on the short way"
	same "$(tell far peer)" "$NODE4 40001"
	in_use
	same "$(state_of 40001)" ESTABLISHED
}

# resets PORT SENDER RESETTER BYTES: one end has sent that much when one of them resets the connection.
resets() {
	connected "$1"
	start_count
	moved "$2" "$(other "$2")" "$4"
	short_for 99 short_out short_in
	tell "$3" reset
	same "$(tell "$(other "$3")" over)" reset "$3 resets after $2 sent $4"
	# CLOSE, or what the kernel cannot be sure of
	[[ $(time_left tcp "$1") -le 10 ]] || fail "$3 resets after $2 sent $4: $(tracked tcp "$1")"
}

# Above 2 GB a sequence number that conntrack remembers is ahead of one that it sees.
@test "RST after 300 MB and after 2.5 GB, each way, from either end: the peer knows, and the entry ends" {
	local bytes sender resetter port=40000
	for bytes in 300000000 2500000000; do
		for sender in near far; do
			for resetter in near far; do
				resets $((++port)) $sender $resetter $bytes
			done
		done
	done
	within 15 are_gone 40001 40002 40003 40004 || fail "still there: $(in_node conntrack -L -p tcp)"
}

@test "the five-tuple of a connection that was reset is used again at once" {
	connected 40001
	in_use
	tell near reset
	same "$(tell far over)" reset
	connected 40001
	same "$(tell far peer)" "$NODE4 40001"
	in_use
	same "$(state_of 40001)" ESTABLISHED
	[[ $(time_left tcp 40001) -gt 400000 ]]
}

# The server's SYN is the first that arrives: the pod's own are lost.
@test "simultaneous open" {
	in_world nft -f - <<-EOT
		table inet lossy {
			chain in {
				type filter hook input priority 0
				tcp dport 40001 tcp flags & (syn | ack) == syn drop
			}
		}
	EOT
	end near a tcp ${ADDR4[a]} 40001 $SERVER4 40001
	within 2 state_is SYN_SENT 40001
	end far world tcp $SERVER4 40001 $NODE4 40001
	ready far near
	same "$(state_of 40001)" ESTABLISHED
	in_use
	same "$(tell far peer)" "$NODE4 40001"
}
