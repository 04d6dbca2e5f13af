#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# ctnatctl explain (see explain.bats): ports, limits, levels, flows that are under way, and what comes in from outside.

setup() {
	load lib
	load ends
	load asks
	node_up
	silence
}

teardown() { node_down; }

# ---- ports and limits -----------------------------------------------------------------------------------

@test "source ports out of range, taken, exhausted" {
	conf '.portRange = "41000-41001"'
	silent_pod a
	silent_pod b
	agrees inserted pass "${ADDR4[a]} $SINK4 udp 9 --sport 41000" forge a udp ${ADDR4[a]} $SINK4 --dport 9 --sport 41000
	agrees insert_retried pass "${ADDR4[b]} $SINK4 udp 9 --sport 41000" forge b udp ${ADDR4[b]} $SINK4 --dport 9 --sport 41000
	same "$(said .source)" "$NODE4:41001"
	agrees snat_exhausted pass "${ADDR4[b]} $SINK4 udp 9 --sport 50" forge b udp ${ADDR4[b]} $SINK4 --dport 9 --sport 50
	same "$(said .translated_by)" table
	asks ${ADDR6[b]} $SINK6 udp 9 --sport 50
	same "$(said .reason)" inserted "out of range"
	[[ $(said .source) == "[$NODE6]:4100"[01] ]]
}

# over_limit: explain says so, in a second in which it is so.
over_limit() {
	in_node "$CTNATCTL" explain ${ADDR4[a]} $SINK4 udp 9 --sport 1025 -o json >"$DIR/answer"
	[[ $(said .reason) == limited ]]
}

@test "a pod over its limit of unanswered flows" {
	conf '.insertLimit = 20'
	silent_pod a
	silent_pod b
	spawn flood in_pod a "$HERE/peer.py" flood $SINK4 400 5
	within 2 grew limited 0
	within 5 over_limit || fail "said $(said .reason)"
	same "$(said .verdict) $(said .translated_by)" "pass table"
	in_node "$CTNATCTL" explain ${ADDR4[b]} $SINK4 udp 9 -o json >"$DIR/answer"
	same "$(said .reason)" inserted "the other pod"
}

# ---- levels ---------------------------------------------------------------------------------------------

@test "level assisted" {
	conf '.datapath = "assisted"'
	silent_pod a
	agrees assisted pass "${ADDR4[a]} $SINK4 udp 9" forge a udp ${ADDR4[a]} $SINK4 --dport 9
	same "$(said .translated_by) $(said .source)" "table $NODE4"
	agrees spoofed drop "203.0.113.77 $SINK4 udp 9 --in ctr-a" forge a udp 203.0.113.77 $SINK4 --dport 9
}

@test "level nftables: no program is asked, the table's part is told" {
	conf '.datapath = "nftables"'
	silent_pod a
	asks ${ADDR4[a]} $SINK4 udp 9
	same "$(said '.verdict + " " + .reason + " " + .translated_by')" "pass  table"
	forge a udp ${ADDR4[a]} $SINK4 --dport 9
	outside $NODE4 $SINK4 udp
	asks ${ADDR4[a]} $SINK4 tcp 9 --flags rst
	same "$(said '.verdict + " " + .dropped_by')" "drop guard"
}

# ---- established flows ----------------------------------------------------------------------------------

@test "the short way, out and in, and between pods" {
	silent_pod a
	silent_pod b
	connected 40004
	moved near far 100000
	moved far near 100000
	asks ${ADDR4[a]} $SERVER4 tcp 40004 --sport 40004 --flags ack
	[[ $(said .reason) == @(short_out|asked|stack_cached) ]] || fail "$(said .reason)"
	within 5 is_short short_out ${ADDR4[a]} $SERVER4 || fail "out: $(said .reason)"
	same "$(said .translated_by) $(said .source)" "short_way $NODE4:40004"
	same "$(said .guard)" guard_not_pod
	within 5 is_short short_in $SERVER4 $NODE4 || fail "in: $(said .reason)"
	same "$(said .translated_by) $(said .destination)" "short_way ${ADDR4[a]}:40004"
	start_count
	moved near far 100000
	moved far near 100000
	[[ $(counted short_out) -gt 0 && $(counted short_in) -gt 0 ]]
	# a FIN takes the stack, and voids the answer
	asks ${ADDR4[a]} $SERVER4 tcp 40004 --sport 40004 --flags fin,ack
	same "$(said .reason) $(said '.also | join(",")')" "established forgotten"
}

# is_short REASON SOURCE DESTINATION: right after a little traffic.
is_short() {
	moved near far 1000
	moved far near 1000
	asks "$2" "$3" tcp 40004 --sport 40004 --flags ack
	[[ $(said .reason) == "$1" ]]
}

@test "a connection that is over, and begun again" {
	silent_pod a
	same "$(seen a tcp $SERVER4 --sport 40005)" $NODE4
	within 2 over 40005
	asks ${ADDR4[a]} $SERVER4 tcp $PORT --sport 40005
	same "$(said .reason) $(said '.also | join(",")')" "inserted revived"
	same "$(said .source)" "$NODE4:40005"
	start_count
	same "$(seen a tcp $SERVER4 --sport 40005)" $NODE4
	same "$(counted inserted) $(counted revived)" "1 1"
}
over() { [[ $(tracked tcp "$1") == *TIME_WAIT* ]]; }

# ---- what comes in --------------------------------------------------------------------------------------

@test "answers to a pod's flow, from the uplink" {
	silent_pod a
	mute a
	forge a udp ${ADDR4[a]} $SINK4 --dport 9
	outside $NODE4 $SINK4 udp
	agrees uplink_pass pass "$SINK4 $NODE4 udp 40000 --sport 9" from_world udp $SINK4 $NODE4 --sport 9 --dport 40000
	same "$(said .translated_by) $(said .destination) $(said .to_pod)" "conntrack ${ADDR4[a]}:40000 pod_pass"
	same "$(said .conntrack.direction)" reply
	forge a udp ${ADDR6[a]} $SINK6 --dport 9
	outside $NODE6 $SINK6 udp
	agrees uplink_pass pass "$SINK6 $NODE6 udp 40000 --sport 9" from_world udp $SINK6 $NODE6 --sport 9 --dport 40000
	same "$(said .destination) $(said .to_pod)" "[${ADDR6[a]}]:40000 pod_pass"
}

@test "an answer to what a firewall did not let out" {
	in_node nft -f - <<-'EOT'
		table inet fw { chain forward { type filter hook forward priority 0; ct state established accept; iifname "ctn*" drop; }; }
	EOT
	silent_pod a
	forge a udp ${ADDR4[a]} $SINK4 --dport 9
	agrees uplink_pass drop "$SINK4 $NODE4 udp 40000 --sport 9" from_world udp $SINK4 $NODE4 --sport 9 --dport 40000
	same "$(said .dropped_by) $(said .to_pod)" "to_pod unadmitted"
	# and so the guard is waited for: until it hears, BPF inserts nothing
	forge a udp ${ADDR4[a]} $SINK4 --sport 40001 --dport 9
	sleep 0.1
	asks ${ADDR4[a]} $SINK4 udp 9 --sport 40002
	same "$(said .reason) $(said .translated_by)" "unguarded table"
	start_count
	forge a udp ${ADDR4[a]} $SINK4 --sport 40002 --dport 9
	same "$(counted unguarded)" 1
}

@test "strangers: to the node, to a pod, and by" {
	silent_pod a
	mute a
	agrees uplink_pass pass "$SINK4 $NODE4 udp 9" from_world udp $SINK4 $NODE4 --dport 9
	same "$(said .route.local) $(said .origin) $(said .device)" "true uplink eth0"
	agrees uplink_pass pass "$SINK4 ${ADDR4[a]} udp 9 --sport 40009" from_world udp $SINK4 ${ADDR4[a]} --sport 40009 --dport 9
	same "$(said .to_pod)" pod_pass
	agrees uplink_pass pass "$SINK6 ${ADDR6[a]} tcp 9 --sport 40009" from_world tcp $SINK6 ${ADDR6[a]} --sport 40009 --dport 9
	same "$(said .to_pod)" pod_pass
	agrees uplink_pass pass "$SINK4 $OTHER4 udp 9 --sport 40009" from_world udp $SINK4 $OTHER4 --sport 40009 --dport 9
	same "$(said .guard)" guard_not_pod
	asks $NODE4 $SINK4 udp 9
	same "$(said .origin) $(said .guard)" "node guard_not_pod"
}

# ---- questions ------------------------------------------------------------------------------------------

# no_answer TEXT ARGUMENT...: exit status 2, and why.
no_answer() {
	local rc=0
	in_node "$CTNATCTL" explain "${@:2}" >"$DIR/answer" 2>"$DIR/complaint" || rc=$?
	same $rc 2 "exit status of explain ${*:2}"
	grep -qF -- "$1" "$DIR/complaint" || fail "explain ${*:2} does not say '$1': $(<"$DIR/complaint")"
}

@test "questions that make no sense say so" {
	no_answer "no ADD has run" 10.244.1.1 $SINK4 udp 9
	silent_pod a
	no_answer "SRC 'x' is no address" x $SINK4 udp 9
	no_answer "DST '1.2.3' is no address" ${ADDR4[a]} 1.2.3 udp 9
	no_answer "two families" ${ADDR4[a]} $SINK6 udp 9
	no_answer "PROTO 'xdp'" ${ADDR4[a]} $SINK4 xdp 9
	no_answer "PROTO '256'" ${ADDR4[a]} $SINK4 256
	no_answer "PORT '65536'" ${ADDR4[a]} $SINK4 udp 65536
	no_answer "PORT" ${ADDR4[a]} $SINK4 udp
	no_answer "--flags 'sin'" ${ADDR4[a]} $SINK4 tcp 9 --flags sin
	no_answer "no attachment of this node is 'nobody'" ${ADDR4[a]} $SINK4 tcp 9 --in nobody
	no_answer "interface 'lo' is no uplink" $SINK4 $NODE4 tcp 9 --in lo
	no_answer "SRC DST PROTO" ${ADDR4[a]} $SINK4
	no_answer "takes no --limit" ${ADDR4[a]} $SINK4 udp 9 --limit 5
	asks ${ADDR4[a]} $SINK4 47
	same "$(said .reason)" stack
}

@test "the pinned programs stay what and where they are, and no copy is left" {
	silent_pod a
	local before
	before=$(loaded)
	asks ${ADDR4[a]} $SINK4 udp 9
	asks $SINK4 $NODE4 udp 9
	same "$(loaded)" "$before" "programs and maps"
}

# loaded: our programs' ids with what they hang on. (Other tests' nodes are in the same kernel.)
loaded() {
	local pin
	for pin in $(in_node find $BPFFS/v4 -name '*_pod' -o -name '*_uplink' | sort); do
		[[ $pin == *pods ]] || in_node bpftool -j prog show pinned "$pin" | jq -c '[.id, .map_ids]'
	done
	in_node bpftool -j net show | jq -c '.[] | [.tc[]? | {devname, kind, name, id}]'
}
