#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Input that is wrong: each line of bad_input.table, given to ADD and to CHECK. The plugin says what is wrong by key and
# value, with the specification's code, and makes nothing: not even the node's base state.

setup() {
	load lib
	node_up
	netns a
	touch "$DIR/file"
	conf ".prevResult = {interfaces: [{name: \"eth0\", sandbox: \"$DIR/a\"}]}"
}

teardown() { node_down; }

# many TEXT N: the text N times.
many() { yes "$1" | head -n "$2" | tr -d '\n'; }

# All that an ADD could make, and of it what shows at once.
node_state() {
	in_node sh -c "ip -d link; ip route show table all; nft list ruleset; ls -R /sys/fs/bpf; cat /proc/self/mountinfo;
		sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding" 2>&1
	in_pod a ip addr
}
traces() { in_node ls /sys/class/net /sys/fs/bpf; }

# The table, one array for each column, and in `confs` what its filters make of the good configuration.
read_table() {
	local code where what says filters=
	while IFS=$'\t' read -r code where what says; do
		[[ $code == [0-9]* ]] || continue
		codes+=("$code") wheres+=("$where") whats+=("$what") needles+=("$says")
		[[ $where != conf ]] || filters+="${filters:+, }($what)"
	done <"$HERE/bad_input.table"
	mapfile -t confs < <(jq -c "$filters" <<<"$CONF")
}

# call VERB LINE: appends what the plugin writes to $DIR/answers.
call() {
	local rc=0 vars=() where=${wheres[$2]} what=${whats[$2]}
	case $where in
	conf) echo "${confs[$next]}" ;;
	stdin) eval "printf %b \"${what//\"/\\\"}\"" ;;
	*) echo "$CONF" ;;
	esac >"$DIR/stdin"
	case $where:$what in
	conf:* | stdin:*) ;;
	*:unset) vars=(-u "$where") ;;
	*) eval "vars=($where=$what)" ;;
	esac
	in_node env CNI_COMMAND="$1" CNI_CONTAINERID=ctr-a CNI_NETNS="$DIR/a" CNI_IFNAME=eth0 CNI_PATH="$CNI_PATH" \
		env "${vars[@]}" "$CTNAT" <"$DIR/stdin" >>"$DIR/answers" 2>>"$DIR/stderr" || rc=$?
	[[ $rc -eq 1 ]] || fail "exit status $rc"
}

# said ANSWER CODE NEEDLES: the answer, "version code message", has this code and each of the needles.
said() {
	local needle rest="$3 & "
	[[ $1 == [0-9]*.[0-9]*.[0-9]*" $2 "* ]] || fail "not code $2: $1" || return
	while [[ -n $rest ]]; do
		needle=${rest%%" & "*}
		rest=${rest#*" & "}
		[[ $1 == *"$needle"* ]] || fail "not a word of '$needle': $1" || return
	done
}

@test "every line of the table, by ADD and by CHECK" {
	local codes=() wheres=() whats=() needles=() confs=() answers=() next=0 bad=0 before clean verb
	read_table
	[[ ${#codes[@]} -ge 60 ]]
	before=$(node_state)
	clean=$(traces)
	for i in "${!codes[@]}"; do
		for verb in ADD CHECK; do call $verb "$i" || bad=1; done
		[[ $(traces) == "$clean" && $bad -eq 0 ]] || fail "by ${wheres[$i]} ${whats[$i]}: $(traces)"
		[[ ${wheres[$i]} != conf ]] || next=$((next + 1))
	done
	same "$(node_state)" "$before"

	mapfile -t answers < <(jq -r '"\(.cniVersion) \(.code) \(.msg)"' "$DIR/answers")
	same "${#answers[@]}" $((2 * ${#codes[@]})) "answers"
	for i in "${!answers[@]}"; do
		said "${answers[$i]}" "${codes[$i / 2]}" "${needles[$i / 2]}" ||
			{ echo "	^ ${wheres[$i / 2]} ${whats[$i / 2]}"; bad=1; }
	done
	[[ $bad -eq 0 ]]
}

@test "what is spoiled there was good" {
	local prev=$CONF
	cni ADD a >/dev/null
	CONF=$(jq -c 'del(.prevResult)' <<<"$prev")
	cni CHECK a
	cni DEL a
}
