#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# ctnatctl: pods, flows, routes, gc; what it takes, and what it refuses. (explain: explain.bats.)

setup() {
	load lib
	load state
	load ends
	node_up
}

teardown() { node_down; }

ctl() { in_node "$CTNATCTL" "$@"; }

# of POD JQ-FILTER: from the pod's row of `pods`.
of() { ctl pods -o json | jq -r --arg id "ctr-$1" ".pods[] | select(.container == \$id) | $2"; }

# problem POD TEXT: that is what is wrong with it, and it stands in the table, too.
problem() {
	[[ $(of "$1" .problem) == *"$2"* ]] || fail "problem of $1: $(of "$1" .problem)" || return
	ctl pods | grep -E "ctr-$1 .*$2" >/dev/null || fail "$(ctl pods)"
}

# dies POD: its namespace goes, as when the sandbox is killed; the kernel takes the link, in its own time.
dies() {
	in_node umount "$DIR/$1"
	within 10 gone "$(host_link "$1")" || fail "the link of $1 is still there"
}
gone() { ! in_node ip link show "$1"; }

# refuses STATUS TEXT ARGUMENT...: so it ends, and says so.
refuses() {
	local rc=0
	ctl "${@:3}" >/dev/null 2>"$DIR/complaint" || rc=$?
	same $rc "$1" "exit status of ${*:3}" || return
	grep -qF -- "$2" "$DIR/complaint" || fail "${*:3} does not say '$2': $(<"$DIR/complaint")"
}

# ---- pods -----------------------------------------------------------------------------------------------

@test "pods: who they are" {
	same "$(ctl pods)" "$(printf '\npods\n  none')"
	netns a
	export CNI_ARGS="K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0;IgnoreUnknown=1"
	cni ADD a >/dev/null
	unset CNI_ARGS
	conf '.runtimeConfig = {bandwidth: {ingressRate: 1000000, ingressBurst: 1000000}}'
	pod b
	same "$(of a '"\(.pod) \(.ifname) \(.state) \(.network) \(.shaped) \(.problem)"')" "default/web-0 eth0 ready pods false "
	same "$(of a '.addresses | join(" ")')" "${ADDR4[a]} ${ADDR6[a]}"
	same "$(of a .link)" "$(host_link a)"
	[[ $(of a .age_seconds) -lt 60 ]]
	same "$(of b '"\(.pod) \(.shaped)"')" " true"
	ctl pods | grep -E "^  default/web-0 +ctr-a +eth0 +${ADDR4[a]},${ADDR6[a]} +$(host_link a) +ready +pods +[0-9]+s +no +-\$"
}

@test "pods: what is wrong with them" {
	pod a
	pod b
	pod c
	pod d
	pod e
	in_node ip link set "$(host_link a)" down
	problem a "its host link is down: ip link set $(host_link a) up"
	in_node "$BUILD/tests/tools/break" detach-from-pod "$(host_link b)"
	problem b "does not carry the TC program ctnat_from_pod"
	in_node ip -6 route del "${ADDR6[c]}" dev "$(host_link c)"
	problem c "the route to ${ADDR6[c]} is gone"
	dies d
	problem d "its host link is gone: ctnatctl gc removes the rest"
	local key
	key=$(in_node bpftool -j map dump pinned $BPFFS/r1/attachments | jq -r \
		'.[] | select(.formatted.key.container_id == "ctr-e").key | join(" ")')
	in_node bpftool map delete pinned $BPFFS/r1/attachments key $key
	problem e "it has no record"
	same "$(of e '.state + " " + (.addresses | join(" "))')" "unrecorded ${ADDR4[e]} ${ADDR6[e]}"
}

@test "pods: an ADD and a DEL that died, and one that is at work" {
	PLUGIN=$CTNAT_HOOKS
	pod a
	pod c
	CTNAT_KILL_AT=undo:link:before cni DEL a >/dev/null 2>&1 || true
	same "$(of a .state)" dying
	problem a "its DEL did not finish: ctnatctl gc removes it"
	netns b
	CTNAT_KILL_AT=do:host:after cni ADD b >/dev/null 2>&1 || true
	same "$(of b .state)" pending
	problem b "its ADD did not finish: ctnatctl gc removes it"
	in_node flock "$BPFFS/locks/$(lock_of b)" true	# nobody holds it, asking took nothing
	spawn worker in_node flock --no-fork "$BPFFS/locks/$(lock_of b)" sleep 30
	within 5 problem b "an ADD is at work"
	leaves_alone b
}

# lock_of POD: which of the locks is its own; all that are there are few.
lock_of() {
	local lock
	for lock in $(in_node ls $BPFFS/locks); do
		in_node flock "$BPFFS/locks/$lock" "$CTNATCTL" pods -o json |
			jq -e --arg id "ctr-$1" '.pods[] | select(.container == $id) | .problem | test("at work")' >/dev/null || continue
		echo "$lock"
		return
	done
	fail "no lock is that of $1"
}

# While somebody works on it, gc leaves it alone.
leaves_alone() {
	same "$(ctl gc --dry-run -o json | jq -r --arg id "ctr-$1" '[.leftovers[] | select(.container == $id)] | length')" 0
}

# ---- flows ----------------------------------------------------------------------------------------------

@test "flows: both directions, state, status, and the way they take" {
	pod a
	pod b
	connected 40001
	ask b udp $SERVER6 --sport 40002 >/dev/null
	moved near far 10000
	moved far near 10000
	local row
	row=$(ctl flows -o json | jq -c '.flows[] | select(.proto == "tcp")')
	same "$(jq -r '"\(.original) | \(.reply) | \(.state) \(.status)"' <<<"$row")" \
		"${ADDR4[a]}:40001 > $SERVER4:40001 | $SERVER4:40001 > $NODE4:40001 | ESTABLISHED assured"
	same "$(jq -r '.original_way.way + " " + .reply_way.way' <<<"$row")" "wire pod"
	row=$(ctl flows -o json | jq -c '.flows[] | select(.proto == "udp")')
	same "$(jq -r '"\(.original) | \(.status)"' <<<"$row")" "[${ADDR6[b]}]:40002 > [$SERVER6]:$PORT | answered"
	ctl flows | grep -E "^  tcp +${ADDR4[a]}:40001 > $SERVER4:40001 .*ESTABLISHED +[0-9]+ +assured +wire, [0-9.]+ s +pod, [0-9.]+ s\$"
	# the settings change: what was known is void
	conf '.insertLimit = 1000'
	cni ADD b net1 >/dev/null
	[[ $(ctl flows --pod ctr-a | grep -c ', void') == 1 ]] || fail "$(ctl flows)"
}

@test "flows: of one pod, by any of its names" {
	export CNI_ARGS="K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0;IgnoreUnknown=1"
	pod a
	unset CNI_ARGS
	pod b
	ask a udp $SERVER4 --sport 40001 >/dev/null
	ask a udp $SERVER6 --sport 40002 >/dev/null
	ask b udp $SERVER4 --sport 40003 >/dev/null
	ask b udp $SERVER6 --sport 40004 >/dev/null
	local name
	for name in ctr-a-but ctr-c 10.244.1.77 fd00:10:244:1::77 default/web-1; do
		refuses 1 "no attachment of this node is '$name'" flows --pod $name
	done
	for name in ctr-a "$(host_link a)" default/web-0 web-0; do
		same "$(ports_of $name)" "40001 40002" "flows of $name"
	done
	same "$(ports_of "${ADDR4[a]}")" 40001
	same "$(ports_of "${ADDR6[b]}")" 40004
	# what was opened to a pod is its own, too; once, also if it is a pod's of the node
	in_pod b "$HERE/forge.py" eth0 "$(host_mac b)" udp ${ADDR4[b]} ${ADDR4[a]} --sport 40005
	same "$(ports_of ${ADDR4[a]})" "40001 40005"
	same "$(ctl flows -o json | jq '[.flows[] | select(.original | test(":40005 "))] | length')" 1
}

ports_of() { ctl flows --pod "$1" -o json | jq -r '.flows[].original' | sed -E 's/.*:([0-9]+) > .*/\1/' | sort | xargs; }

@test "flows: a full table is no burden, and what is left out is counted" {
	pod a
	in_node "$BUILD/tests/tools/break" fill 100000
	in_world ip route add blackhole 198.51.100.200
	in_pod a "$HERE/peer.py" flood 198.51.100.200 1000 0.5 >/dev/null
	local all
	all=$(in_node conntrack -L -s ${ADDR4[a]} 2>/dev/null | wc -l)
	same "$(ctl flows --limit 7 -o json | jq -c '[(.flows | length), .more]')" "[7,$((all - 7))]"
	same "$(ctl flows --limit 7 --pod ${ADDR4[a]} -o json | jq -c '[(.flows | length), .more]')" "[7,$((all - 7))]"
	ctl flows --limit 7 | grep -qx "more  $((all - 7)) entries are not shown: --limit, at most 10000"
	same "$(ctl flows -o json | jq '.flows | length')" 100
	# less memory than a row for each would need (a sanitizer has its own idea of memory)
	[[ $CTNATCTL != */san/* ]] || return 0
	(ulimit -v 120000 && ctl flows --limit 10000 -o json >/dev/null)
}

# ---- routes ---------------------------------------------------------------------------------------------

@test "routes: to the pods of this node, and to other nodes" {
	same "$(ctl routes -o json | jq -c .routes)" "[]"
	pod a
	in_node ip route add 10.244.7.0/24 via $ROUTER4 proto 202
	in_node ip link add vx0 type vxlan id 7 dstport 4789 dev eth0
	in_node ip link set vx0 up
	in_node ip -6 route add fd00:10:244:7::/64 via fe80::77 dev vx0 proto 202 mtu 1430
	in_node ip route add 10.9.0.0/16 via $ROUTER4	# nobody's business
	in_node ip route add 10.244.1.77/32 dev lo proto 201
	same "$(purpose "${ADDR4[a]}/32" 0)" "container ctr-a eth0"
	same "$(purpose "${ADDR4[a]}/32" 1024)" "container ctr-a eth0, for when the node's address changes"
	same "$(purpose "${ADDR6[a]}/128" 1024)" "container ctr-a eth0"
	same "$(purpose 10.244.7.0/24 0)" "pods of another node, directly by $ROUTER4"
	same "$(purpose fd00:10:244:7::/64 1024)" "pods of another node, by VXLAN to fe80::77"
	same "$(purpose 10.244.1.77/32 0)" "nothing: no pod has this address"
	same "$(ctl routes -o json | jq '.routes | length')" 6
	ctl routes | grep -E "^  fd00:10:244:7::/64 +vx0 +fe80::77 +- +1024 +1430 +202 "
}
purpose() { ctl routes -o json | jq -r --arg to "$1" --argjson metric "$2" '.routes[] | select(.destination == $to and .metric == $metric).for'; }

# ---- gc -------------------------------------------------------------------------------------------------

@test "gc: nothing to do" {
	same "$(ctl gc)" "$(printf '\nleftovers\n  none')"
	pod a
	same "$(ctl gc)" "$(printf '\nleftovers\n  none')"
	same "$(seen a udp $SERVER4)" $NODE4
}

@test "gc: what dead pods left goes, what lives stays; --dry-run only says so" {
	PLUGIN=$CTNAT_HOOKS
	local pod
	for pod in a b c d e; do pod $pod; done
	ask a udp $SERVER4 >/dev/null
	dies a
	CTNAT_KILL_AT=undo:link:before cni DEL b >/dev/null 2>&1 || true
	netns f
	CTNAT_KILL_AT=do:host:after cni ADD f >/dev/null 2>&1 || true
	# c has lost its record and lives; d has lost it and is dead: then its addresses are all there is
	forget c
	forget d
	dies d
	local before
	before=$(attachments_state)
	ctl gc --dry-run -o json >"$DIR/dry"
	same "$(attachments_state)" "$before" "after --dry-run"
	same "$(jq -r '[.leftovers[].container] | unique | join(" ")' "$DIR/dry")" "ctr-a ctr-b ctr-d ctr-f"
	same "$(jq -r '[.leftovers[].outcome] | unique | join(" ")' "$DIR/dry")" "would be removed"
	same "$(why ctr-a)" "its host link is gone, and with it the namespace"
	same "$(why ctr-b)" "its DEL did not finish"
	same "$(why ctr-d)" "an address without an attachment"
	same "$(why ctr-f)" "its ADD did not finish"
	ctl gc -o json >"$DIR/done"
	same "$(jq -c '[.leftovers[] | del(.outcome)] | sort' "$DIR/done")" "$(jq -c '[.leftovers[] | del(.outcome)] | sort' "$DIR/dry")"
	same "$(jq -r '[.leftovers[].outcome] | unique | join(" ")' "$DIR/done")" removed
	same "$(ctl gc -o json | jq -c .leftovers)" "[]" "the second time"
	same "$(attachments_state | grep -E "${ADDR4[a]} |${ADDR6[b]} |${ADDR4[d]} ")" "" "what is left of the dead"
	same "$(ctl pods -o json | jq -r '[.pods[].container] | sort | join(" ")')" "ctr-c ctr-e"
	same "$(seen c udp $SERVER4)" $NODE4
	same "$(seen e udp $SERVER6)" $NODE6
}
why() { jq -r --arg id "$1" '[.leftovers[] | select(.container == $id).why] | unique | join(" ")' "$DIR/dry"; }

# forget POD: its record is gone.
forget() {
	local key
	key=$(in_node bpftool -j map dump pinned $BPFFS/r1/attachments | jq -r --arg id "ctr-$1" \
		'.[] | select(.formatted.key.container_id == $id).key | join(" ")')
	in_node bpftool map delete pinned $BPFFS/r1/attachments key $key
}

@test "gc: what another IPAM plugin gave is that plugin's" {
	CONF=$(jq -c --arg dir "$DIR/leases" '.ipam = {type: "host-local", dataDir: $dir,
		ranges: [[{subnet: "10.244.1.0/24"}]], routes: [{dst: "0.0.0.0/0"}]}' <<<"$CONF")
	pod a
	dies a
	ctl gc -o json >"$DIR/dry"
	[[ $(jq -r '.leftovers[0].outcome' "$DIR/dry") == *"IPAM plugin 'host-local'"* ]]
	same "$(ctl pods -o json | jq '.pods | length')" 1
	cni DEL a
	same "$(ctl pods -o json | jq '.pods | length')" 0
}

# ---- the command line -----------------------------------------------------------------------------------

@test "what it shows changes nothing" {
	pod a
	ask a udp $SERVER4 >/dev/null
	local command before after
	in_pod a ip link set eth0 down	# and nothing is sent meanwhile
	for command in status pods flows stats routes log "gc --dry-run"; do
		before=$(attachments_state; maps)
		ctl $command >/dev/null
		ctl $command -o json | jq -e . >/dev/null || fail "$command: no JSON"
		after=$(attachments_state; maps)
		same "$after" "$before" "after $command"
	done
}
maps() {
	in_node "$BUILD/tests/tools/mapsum" $BPFFS/r1/{pods,attachments} \
		$BPFFS/v4/{budgets,config,flow_index,flows,guards,journal,masq_cidrs,uplinks,verbs}
}

@test "before the first ADD every command has an answer" {
	local command
	for command in status pods flows stats routes log gc uninstall; do
		ctl $command >/dev/null || fail "$command failed"
		ctl $command -o json | jq -e . >/dev/null || fail "$command: no JSON"
	done
}

@test "usage: help for each command, and 2 for what makes no sense" {
	local command
	for command in status pods flows stats routes explain log gc uninstall; do
		ctl --help | grep -qE "^  $command +[a-z]" || fail "no word of $command"
		ctl $command --help | head -n 1 | grep -q "^usage: ctnatctl $command" || fail "no help for $command"
		same "$(ctl $command -h)" "$(ctl $command --help)"
	done
	ctl flows --help | grep -q -- --limit
	not grep -q -- --force <(ctl flows --help)
	refuses 2 "usage:"
	refuses 2 "usage:" nonsense
	refuses 2 "usage:" status twice
	refuses 2 "unrecognized option" status --sideways
	refuses 2 "takes no --force" status --force
	refuses 2 "takes no --pod" routes --pod a
	refuses 2 "'xml' is no value" pods -o xml
	for command in 0 -1 10001 ten ''; do refuses 2 "is no value" flows --limit "$command"; done
	refuses 2 "is no value" explain 10.0.0.1 10.0.0.2 udp 1 --sport 65536
	refuses 2 "is no value" explain 10.0.0.1 10.0.0.2 udp 1 --ttl 0
}

# ---- completion -----------------------------------------------------------------------------------------

# offers LINE: what bash would offer at the end of this line, readline's break at ':' included.
offers() {
	in_node env PATH="$(dirname "$CTNATCTL"):$PATH" bash -c '
		. "$1"
		COMP_LINE=$2 COMP_POINT=${#2}
		_ctnatctl
		printf "%s\n" "${COMPREPLY[@]}" | sort | xargs
	' - "$HERE/../../plugin/ctl/ctnatctl.bash" "$1"
}

@test "completion: commands, options, addresses of pods" {
	same "$(offers 'ctnatctl ')" "explain flows gc log pods routes stats status uninstall"
	same "$(offers 'ctnatctl st')" "stats status"
	same "$(offers 'ctnatctl -o json p')" pods
	same "$(offers 'ctnatctl pods -o ')" "json text"
	same "$(offers 'ctnatctl flows --')" "--help --limit --output --pod"
	same "$(offers 'ctnatctl gc --d')" --dry-run
	same "$(offers 'ctnatctl uninstall --f')" --force
	same "$(offers 'ctnatctl pods ')" ""
	same "$(offers 'ctnatctl flows --pod ')" "" "no pods yet"
	pod a
	pod b
	same "$(offers 'ctnatctl flows --pod ')" "$(printf '%s\n' ${ADDR4[a]} ${ADDR4[b]} ${ADDR6[a]} ${ADDR6[b]} | sort | xargs)"
	same "$(offers 'ctnatctl flows --pod 10.')" "${ADDR4[a]} ${ADDR4[b]}"
	same "$(offers "ctnatctl explain ${ADDR6[a]%?}")" "${ADDR6[a]##*:} ${ADDR6[b]##*:}"
	same "$(offers "ctnatctl explain ${ADDR4[a]} 10.")" "${ADDR4[a]} ${ADDR4[b]}"
	same "$(offers "ctnatctl explain ${ADDR4[a]} $SERVER4 ")" "icmp sctp tcp udp"
	same "$(offers "ctnatctl explain ${ADDR4[a]} $SERVER4 tcp 443 --flags s")" "syn syn,ack"
	same "$(offers "ctnatctl explain ${ADDR4[a]} $SERVER4 tcp 443 --in ctr")" ""
}
