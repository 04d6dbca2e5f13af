#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# How long conntrack's entries live while their packets take the short way: as long as they would without it.

setup() {
	load lib
	load ends
	node_up
}

teardown() { node_down; }

# lives UDP TCP: seconds that the administrator gives an idle flow.
lives() {
	in_node sysctl -qw net.netfilter.nf_conntrack_udp_timeout_stream="$1" \
		net.netfilter.nf_conntrack_tcp_timeout_established="$2"
}

# both_ends NAME PROTOCOL PORT PLACE ADDRESS: ends NAME1 in pod a and NAME2 there.
both_ends() {
	end "$1"2 "$4" "$2" "$5" "$3"
	ready "$1"2
	end "$1"1 a "$2" "${ADDR4[a]}" "$3" "$5" "$3"
	ready "$1"1
}

# stream RATE END...: messages a second from each.
stream() {
	local name
	for name in "${@:2}"; do tell "$name" stream "$1" >/dev/null; done
}

# all_arrived FROM TO [BYTES]: what FROM streamed, in messages or for TCP in bytes.
all_arrived() {
	local sent
	sent=$(tell "$1" stream 0)
	same "$(tell "$2" arrived $((sent * ${3:-1})))" $((sent * ${3:-1})) "$1 to $2"
}

# ids: of all entries that are translated or assured: an entry made anew has another.
ids() { in_node conntrack -L -o id 2>/dev/null | grep -F '[ASSURED]' | sed 's/.* id=//' | sort; }

is_assured() { tracked udp "$1" | grep -qF '[ASSURED]'; }
is_gone() { [[ -z $(tracked "$@") ]]; }

@test "entries are refreshed, and no more than the administrator says, while only the short way is used" {
	pod a
	pod b
	lives 3 5
	both_ends out udp 40001 world $SERVER4
	both_ends in udp 40002 world $SERVER4
	both_ends pods udp 40003 b ${ADDR4[b]}
	both_ends tcp tcp 40004 b ${ADDR4[b]}
	both_ends up tcp 40005 world $SERVER4
	stream 20 {out,in,pods,tcp,up}{1,2}
	sleep 3.5	# UDP between pods, which the kernel opens, is assured after two seconds; we know it within a third
	stream 0 {out,in,pods,tcp,up}{1,2}

	local id i
	id=$(ids)
	same "$(wc -l <<<"$id")" 5 "entries: $(in_node conntrack -L 2>/dev/null)"
	start_count
	stream 20 out1 in2 pods1 tcp1 up2
	for i in 1 2 3 4 5 6; do
		sleep 1
		[[ $(time_left udp 40001) -le 3 && $(time_left udp 40002) -le 3 && $(time_left udp 40003) -le 3 ]]
		[[ $(time_left tcp 40004) -le 5 && $(time_left tcp 40005) -le 5 ]]
	done
	short_for 80 short_out short_in short_pod
	same "$(ids)" "$id" "entries, by their numbers"
	all_arrived out1 out2
	all_arrived in2 in1
	all_arrived pods1 pods2
	all_arrived tcp1 tcp2 100
	all_arrived up2 up1 100

	# a flow that is idle for longer ends, and begins anew
	for i in 40001 40002 40003; do within 4 is_gone udp $i || fail "still there: $(tracked udp $i)"; done
	for i in 40004 40005; do within 6 is_gone tcp $i || fail "still there: $(tracked tcp $i)"; done
	start_count
	moved out1 out2 1
	same "$(counted inserted) $(counted 'short_.*')" "1 0" "inserted, short"
	same "$(tell out2 peer)" "$NODE4 40001"
}

# ages WHAT: the connection's entry lives for days.
ages() { [[ $(time_left tcp 40001) -gt 400000 ]] || fail "after $1: $(tracked tcp 40001)"; }

# Conntrack has seen data of the pod and not what acknowledged it: since then each packet that it sees gives the entry but
# five minutes.
@test "a connection that falls silent lives as long as it may" {
	in_world nft -f - <<-EOT
		table inet lossy {
			chain out {
				type filter hook output priority 0
				tcp sport 40001 tcp flags & (syn | ack) == ack quota until 60 bytes drop
			}
		}
	EOT
	pod a
	connected 40001
	moved near far 1000	# one ACK fits in the quota
	moved near far 1000
	ages "an acknowledgment"
	sleep 1.1
	moved far near 100
	sleep 0.1
	ages "a late answer, acknowledged by the pod"
	local i
	for ((i = 0; i < 20; i++)); do	# until no ACK travels alone
		moved far near 100
		moved near far 100
	done
	sleep 1.1
	moved far near 100
	moved near far 100
	sleep 0.1
	ages "a question, answered by the pod"
}

# with_policy: UDP gets time-outs of its own, 20 s and 4 s. Entries that BPF inserts are there before any rule.
with_policy() {
	in_node nft -f - <<-EOT
		table inet own {
			ct timeout brief {
				protocol udp
				l3proto ip
				policy = { unreplied : 20, replied : 4 }
			}
			chain prerouting {
				type filter hook prerouting priority -150
				ct timeout set "brief"
			}
		}
	EOT
}

@test "flows with time-outs of their own keep them" {
	conf '.datapath = "assisted"'
	pod a
	pod b
	with_policy
	both_ends out udp 40001 world $SERVER4
	both_ends pods udp 40002 b ${ADDR4[b]}
	stream 20 {out,pods}{1,2}
	start_count
	within 10 is_assured 40001 && within 10 is_assured 40002 || fail "not assured: $(in_node conntrack -L -p udp)"
	local i
	for i in 1 2 3 4 5 6; do
		sleep 0.9
		[[ $(time_left udp 40001) -le 4 && $(time_left udp 40002) -le 4 ]] || fail "$(in_node conntrack -L -p udp)"
	done
	same "$(counted 'short_(pod|in)')" 0 "packets on a short way where only we could refresh"
	[[ $(counted short_out) -gt 0 ]]
	stream 0 {out,pods}{1,2}
	all_arrived out1 out2
	all_arrived pods1 pods2
}

@test "conntrack that is not liberal any more: no TCP on the short way, and nothing leaks" {
	pod a
	connected 40001
	moved near far 10000000
	moved far near 10000000
	in_node sysctl -qw net.netfilter.nf_conntrack_tcp_be_liberal=0
	sleep 1.1
	start_count
	tell near send 10000	# beyond what conntrack saw: invalid, and nobody's to translate
	tell far send 10000
	sleep 0.5
	same "$(counted 'short_.*')" 0 "packets on the short way"
	[[ $(counted leak) -gt 0 ]]
	connected 40002
	moved near far 1000000
	moved far near 1000000
	same "$(counted 'short_.*')" 0 "packets on the short way"
	conf '.cniVersion = "1.1.0"'
	refused 51 "'net/netfilter/nf_conntrack_tcp_be_liberal' is 0" STATUS
}
