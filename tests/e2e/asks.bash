# SPDX-License-Identifier: Apache-2.0
#
# Asking `ctnatctl explain`, which must change nothing, and comparing what it says with what then happens. Needs lib.bash and
# ends.bash.

# silence: whoever is at SINK4 and SINK6 says nothing, and nobody looks for routers: so nothing but the packet in question
# moves.
silence() {
	in_world ip route add blackhole $SINK4
	in_world ip route add blackhole $SINK6
	in_node sysctl -qw net.ipv6.conf.eth0.router_solicitations=0
	in_world sysctl -qw net.ipv6.conf.node.router_solicitations=0
}

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
		"$1" $(find "$2"/r1 "$2"/v4 -type f ! -name "*_pod" ! -name "*_uplink" | sort)
		conntrack -S | grep -oE "(insert|drop|delete|early_drop)[a-z_]*=[0-9]+" | sort | uniq -c
		nft -j list counters
		{ conntrack -L -f ipv4; conntrack -L -f ipv6; } 2>/dev/null | sort |
			awk "{ left += \$3; \$3 = \"\"; print } END { print left + 0 }"
	' - "$BUILD/tests/tools/mapsum" $BPFFS
}

# asks ARGUMENT...: what explain says, in $DIR/answer. A new pod's own neighbour discovery, which is over after seconds, may
# come between: then again.
asks() {
	local before after rc end=$((SECONDS + 8))
	while :; do
		before=$(everything) rc=0
		in_node "$CTNATCTL" explain "$@" -o json >"$DIR/answer" 2>"$DIR/complaint" || rc=$?
		after=$(everything)
		[[ ${before%$'\n'*} != "${after%$'\n'*}" && $SECONDS -lt $end ]] || break
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
