#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# ctnatctl explain: what it says would happen to a packet is what then happens to such a packet, by the counters of the
# programs and by what leaves the node; and asking changes nothing: no map, no entry of conntrack, no count.

setup() {
	load lib
	load ends
	node_up
	# whoever is there says nothing, so that nothing but the packet in question moves
	in_world ip route add blackhole $SINK4
	in_world ip route add blackhole $SINK6
	in_node sysctl -qw net.ipv6.conf.eth0.router_solicitations=0
	in_world sysctl -qw net.ipv6.conf.node.router_solicitations=0
}

teardown() { node_down; }

SINK4=198.51.100.200	SINK6=2001:db8:200::1
# What a kernel sends by itself, what is counted behind from_pod, and what is no packet.
NOISE='neighbour|link_local|guard_|uplink_|pod_pass|leak|unadmitted|learned|forgotten|revived|ended_'

# silent_pod NAME: a pod that looks for no router.
silent_pod() {
	netns "$1"
	in_pod "$1" sysctl -qw net.ipv6.conf.default.router_solicitations=0
	cni ADD "$1" >/dev/null
}

# everything: what asking might change, in a process. Its last line is the seconds that are left to all entries: they may only
# become less.
everything() {
	in_node bash -c '
		"$1" $(find "$2"/r1 "$2"/v2 -type f ! -name "*_pod" ! -name "*_uplink" | sort)
		conntrack -S | grep -oE "(insert|drop|delete|early_drop)[a-z_]*=[0-9]+" | sort | uniq -c
		nft -j list counters
		{ conntrack -L -f ipv4; conntrack -L -f ipv6; } 2>/dev/null | sort |
			awk "{ left += \$3; \$3 = \"\"; print } END { print left + 0 }"
	' - "$BUILD/tests/tools/mapsum" $BPFFS
}

# asks ARGUMENT...: what explain says, in $DIR/answer. A pod's own neighbour discovery may come between: then again.
asks() {
	local before after try rc
	for try in 1 2 3 4 5; do
		before=$(everything) rc=0
		in_node "$CTNATCTL" explain "$@" -o json >"$DIR/answer" 2>"$DIR/complaint" || rc=$?
		after=$(everything)
		[[ ${before%$'\n'*} != "${after%$'\n'*}" ]] || break
	done
	[[ $rc -ne 2 ]] || fail "explain $*: $(<"$DIR/complaint")" || return
	[[ ${before%$'\n'*} == "${after%$'\n'*}" ]] ||
		fail "explain $* changed something: $(diff <(echo "$before") <(echo "$after") | head -n 20)" || return
	[[ ${after##*$'\n'} -le ${before##*$'\n'} ]] || fail "asking refreshed a time-out" || return
	same $rc "$(jq 'if .verdict == "pass" then 0 else 1 end' "$DIR/answer")" "exit status of explain $*"
}
said() { jq -r "$1" "$DIR/answer"; }

# agrees REASON VERDICT "QUESTION" COMMAND...: so it is said, and so it is when the command sends such a packet, one.
agrees() {
	local key others
	asks $3 || return
	same "$(said .reason)" "$1" "explain $3" || return
	same "$(said .verdict)" "$2" "explain $3" || return
	start_count
	"${@:4}" || return
	within 2 happened || fail "explain $3 said $(jq -c . "$DIR/answer"); then moved: $(moves)" || return
	others=$(counted "(?!$1\$|$NOISE).*")
	same "$others" 0 "packets for other reasons ($(moves))"
}

# happened: each reason that was said is counted, and what was to leave has left as it was said.
happened() {
	local key reason
	for key in .reason .guard .to_pod '.also[]'; do
		for reason in $(said "$key"); do
			[[ $(counted "$reason") -ge 1 ]] || return
		done
	done
	if [[ $(said .verdict) == pass && $(said .route.uplink) == true && $(said .provided) == '' ]]; then
		left_as_said
	fi
}

left_as_said() {
	local source destination
	source=$(said .source | sed -E 's/^\[(.*)\]:[0-9]+$/\1/; s/^([0-9.]+):[0-9]+$/\1/')
	destination=$(said .destination | sed -E 's/^\[(.*)\]:[0-9]+$/\1/; s/^([0-9.]+):[0-9]+$/\1/')
	grep -qE "^$source $destination " "$DIR/wire"
}

moves() {
	in_node "$CTNATCTL" stats -o json | jq -c --argjson before "$COUNTED" \
		'with_entries(.value = .value.packets - $before[.key].packets) | with_entries(select(.value > 0))'
}

# mute POD: it gets what it gets, and answers nothing.
mute() { in_pod "$1" nft 'add table inet mute; add chain inet mute in { type filter hook input priority -300; policy drop; }'; }

node_mac() { in_node cat /sys/class/net/eth0/address; }
from_world() { in_world "$HERE/forge.py" node "$(node_mac)" "$@"; }

# ---- what begins ----------------------------------------------------------------------------------------

@test "a flow's first packet, its second, its third; of each family" {
	silent_pod a
	local a4=${ADDR4[a]} a6=${ADDR6[a]}
	agrees inserted pass "$a4 $SINK4 udp 9 --sport 40000" forge a udp $a4 $SINK4 --dport 9
	same "$(said .source)" "$NODE4:40000"
	same "$(said .prefix)" 0.0.0.0/0
	same "$(said .translated_by)" bpf
	agrees established pass "$a4 $SINK4 udp 9 --sport 40000" forge a udp $a4 $SINK4 --dport 9
	same "$(said .translated_by)" conntrack
	same "$(said .conntrack.reply)" "$SINK4:9 > $NODE4:40000"
	# from the third one on, for as long as they come
	spawn more in_pod a bash -c 'while :; do "$@" || exit; done' - "$HERE/forge.py" eth0 "$(host_mac a)" udp $a4 $SINK4 --dport 9
	within 20 cached $a4 || fail "$(said .reason)"
	finish $PID_more
	agrees inserted pass "$a6 $SINK6 udp 9 --sport 40000" forge a udp $a6 $SINK6 --dport 9
	same "$(said .source)" "[$NODE6]:40000"
	agrees inserted pass "$a4 $SINK4 tcp 9 --sport 40000" forge a tcp $a4 $SINK4 --dport 9
	agrees inserted pass "$a6 $SINK6 tcp 9 --sport 40000" forge a tcp $a6 $SINK6 --dport 9
	agrees established pass "$a6 $SINK6 tcp 9 --sport 40000" forge a tcp $a6 $SINK6 --dport 9
}

cached() {
	start_count
	in_node "$CTNATCTL" explain "$1" $SINK4 udp 9 --sport 40000 -o json >"$DIR/answer"
	[[ $(said .reason) == stack_cached ]] && within 2 grew stack_cached "$(jq .stack_cached.packets <<<"$COUNTED")"
}

@test "TCP of no known flow: a segment is taken up, the rest is no flow's, and leaks but for the guard" {
	silent_pod a
	local a4=${ADDR4[a]} a6=${ADDR6[a]}
	agrees not_syn pass "$a4 $SINK4 tcp 9 --sport 40000 --flags ack" forge a tcp $a4 $SINK4 --dport 9 --flags ack
	same "$(said .translated_by)" table
	agrees not_syn drop "$a4 $SINK4 tcp 9 --sport 40001 --flags rst" forge a tcp $a4 $SINK4 --dport 9 --sport 40001 --flags rst
	same "$(said .guard)" leak
	same "$(said .dropped_by)" guard
	agrees not_syn drop "$a6 $SINK6 tcp 9 --sport 40000 --flags fin,ack" forge a tcp $a6 $SINK6 --dport 9 --flags fin,ack
	same "$(said .guard)" leak
}

@test "who may not speak" {
	silent_pod a
	silent_pod b
	agrees spoofed drop "203.0.113.77 $SINK4 udp 9 --in ctr-a" forge a udp 203.0.113.77 $SINK4 --dport 9
	same "$(said .dropped_by)" from_pod
	agrees spoofed drop "${ADDR4[b]} $SINK4 udp 9 --in ${ADDR4[a]}" forge a udp ${ADDR4[b]} $SINK4 --dport 9
	agrees spoofed drop "2001:db8:77::1 $SINK6 tcp 9 --in $(host_link a)" forge a tcp 2001:db8:77::1 $SINK6 --dport 9
	agrees link_local drop "fe80::bad $SINK6 udp 9 --in ctr-a" forge a udp fe80::bad $SINK6 --dport 9
	agrees rogue_dhcp drop "${ADDR4[a]} $SINK4 udp 68 --sport 67" forge a udp ${ADDR4[a]} $SINK4 --sport 67 --dport 68
	agrees rogue_dhcp drop "${ADDR6[a]} $SINK6 udp 546 --sport 547" forge a udp ${ADDR6[a]} $SINK6 --sport 547 --dport 546
}

@test "a pod that is being deleted" {
	PLUGIN=$CTNAT_HOOKS
	silent_pod a
	CTNAT_KILL_AT=undo:ready:after cni DEL a >/dev/null 2>&1 || true
	agrees dying drop "${ADDR4[a]} $SINK4 udp 9" forge a udp ${ADDR4[a]} $SINK4 --dport 9
	agrees dying drop "${ADDR6[a]} $SINK6 tcp 9" forge a tcp ${ADDR6[a]} $SINK6 --dport 9
}

# ---- where it goes --------------------------------------------------------------------------------------

@test "destinations of every class" {
	conf '.nonMasqueradeCIDRs = ["203.0.113.0/24", "2001:db8:2::/64"] | .serviceCIDRs = ["10.96.0.0/12", "fd00:10:96::/112"]'
	may_leave $OTHER4
	may_leave $OTHER6
	silent_pod a
	local a4=${ADDR4[a]} a6=${ADDR6[a]}
	agrees leave pass "$a4 $OTHER4 udp 9 --sport 40000" forge a udp $a4 $OTHER4 --dport 9
	same "$(said .guard)" guard_pass
	same "$(said .translated_by)" nobody
	same "$(said .prefix)" 203.0.113.0/24
	agrees leave pass "$a6 $OTHER6 tcp 9 --sport 40000" forge a tcp $a6 $OTHER6 --dport 9
	same "$(said .guard)" guard_pass
	agrees kernel pass "$a4 $METADATA udp 9 --sport 40000" forge a udp $a4 $METADATA --dport 9
	same "$(said .prefix)" 169.254.0.0/16
	agrees service pass "$a4 10.96.0.10 udp 53" forge a udp $a4 10.96.0.10 --dport 53
	same "$(said .provided)" "kube-proxy translates the destination; else it is dropped (service_unrouted)"
	agrees service pass "$a6 fd00:10:96::10 tcp 53" forge a tcp $a6 fd00:10:96::10 --dport 53
}

@test "the node itself, another pod of it, nowhere" {
	silent_pod a
	silent_pod b
	in_node ip route add unreachable 203.0.113.128/25
	in_node ip route add unreachable 2001:db8:bad::/48
	agrees local pass "${ADDR4[a]} $NODE4 udp 9" forge a udp ${ADDR4[a]} $NODE4 --dport 9
	same "$(said .route.local)" true
	agrees local pass "${ADDR6[a]} $NODE6 udp 9" forge a udp ${ADDR6[a]} $NODE6 --dport 9
	agrees local drop "${ADDR4[a]} 203.0.113.200 udp 9" forge a udp ${ADDR4[a]} 203.0.113.200 --dport 9
	same "$(said .dropped_by)" routing
	agrees local drop "${ADDR6[a]} 2001:db8:bad::1 tcp 9" forge a tcp ${ADDR6[a]} 2001:db8:bad::1 --dport 9
	mute b
	agrees leave pass "${ADDR4[a]} ${ADDR4[b]} tcp 9 --sport 40000" forge a tcp ${ADDR4[a]} ${ADDR4[b]} --dport 9
	same "$(said .to_pod)" pod_pass
	agrees leave pass "${ADDR6[a]} ${ADDR6[b]} udp 9 --sport 40000" forge a udp ${ADDR6[a]} ${ADDR6[b]} --dport 9
	same "$(said .to_pod)" pod_pass
}

@test "another device than an uplink" {
	in_world ip link add second type veth peer name eth9 netns $NODE
	in_world ip link set second up
	in_node ip link set eth9 up
	in_node ip addr add 203.0.113.5/24 dev eth9
	in_node ip neigh add 203.0.113.9 lladdr 02:00:00:00:00:99 dev eth9
	silent_pod a
	agrees no_uplink pass "${ADDR4[a]} 203.0.113.9 udp 9" forge a udp ${ADDR4[a]} 203.0.113.9 --dport 9
	same "$(said .route.device)" eth9
	same "$(said .route.uplink)" false
}

@test "what is not TCP or UDP, and what has no more hops" {
	silent_pod a
	agrees stack pass "${ADDR4[a]} $SINK4 icmp" forge a icmp ${ADDR4[a]} $SINK4
	same "$(said .source)" $NODE4
	agrees stack pass "${ADDR6[a]} $SINK6 icmp" forge a icmp ${ADDR6[a]} $SINK6
	same "$(said .source)" $NODE6
	agrees stack pass "${ADDR4[a]} $SINK4 sctp 9" forge a sctp ${ADDR4[a]} $SINK4 --dport 9
	same "$(said .translated_by)" table
	agrees stack drop "${ADDR4[a]} $SINK4 udp 9 --ttl 1" forge a udp ${ADDR4[a]} $SINK4 --dport 9 --hops 1
	same "$(said .dropped_by)" routing
	agrees stack drop "${ADDR6[a]} $SINK6 tcp 9 --ttl 1" forge a tcp ${ADDR6[a]} $SINK6 --dport 9 --hops 1
}

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
	for pin in $(in_node find $BPFFS/v2 -name '*_pod' -o -name '*_uplink' | sort); do
		[[ $pin == *pods ]] || in_node bpftool -j prog show pinned "$pin" | jq -c '[.id, .map_ids]'
	done
	in_node bpftool -j net show | jq -c '.[] | [.tc[]? | {devname, kind, name, id}]'
}
