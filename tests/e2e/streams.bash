# SPDX-License-Identifier: Apache-2.0
#
# Many bytes between a node's pods and the world, all at once, and which way they took. BYTES: of each TCP flow, both
# directions together; of UDP a half.

# watch_sources [DEVICE]: from here on the capture, where the uplink ends, looks only for what must not be there: of all
# else there is too much.
watch_sources() {
	no_leak
	spawn wire in_world "$HERE/wire.py" "${1:-node}" --pods
	ready wire
}

# ways: packets that took the short way, and all that came to where it begins.
ways() {
	in_node "$CTNATCTL" stats -o json | jq -r 'to_entries | map(select(.value.packets?)) |
		def sum(reasons): map(select(.key | reasons) | .value.packets) | add // 0;
		"\(sum(startswith("short_"))) \(sum(test("^(guard_|pod_pass|learned|forgotten)") | not))"'
}

# checksum_errors: that anybody has seen, in any protocol.
checksum_errors() {
	local pod
	{
		for pod in "${!ADDR4[@]}"; do in_pod "$pod" nstat -asz; done
		in_world nstat -asz
		in_node nstat -asz
	} | awk '$1 ~ /InCsumErrors/ { n += $2 } END { print n }'
}

# flow PROTOCOL FROM ADDRESS PORT TO SERVER-ADDRESS SERVER-PORT: in the background.
flow() {
	local bytes=$BYTES
	[[ $1 == tcp ]] || bytes=$((BYTES / 2))
	in_node "$BUILD/tests/tools/stream" "$1" $bytes "${@:2}" >"$DIR/flow.$1.$3" 2>&1 3>&- &
	FLOWS[$!]=flow.$1.$3
}

# carried WHAT FLOWS...: what is sent arrives, and no sum is wrong. SHORT of ALL packets took the short way. TCP and UDP by
# turns: TCP repeats what it lost when it filled a CPU's backlog (net.core.netdev_max_backlog, 1,000 packets), UDP does not.
carried() {
	local -A FLOWS
	local protocol some pid short_before all_before
	read -r short_before all_before < <(ways)
	for protocol in tcp udp; do
		FLOWS=()
		for some in "${@:2}"; do $some $protocol; done
		for pid in "${!FLOWS[@]}"; do
			wait "$pid" || fail "$1: ${FLOWS[$pid]}: $(<"$DIR/${FLOWS[$pid]}")"
		done
	done
	same "$(checksum_errors)" 0 "$1: wrong checksums"
	read -r SHORT ALL < <(ways)
	SHORT=$((SHORT - short_before)) ALL=$((ALL - all_before))
}

# intact WHAT FLOWS...: carried, by the short way.
intact() {
	carried "$@"
	[[ $((SHORT * 100)) -ge $((ALL * 99)) ]] || fail "$1: of $ALL packets $SHORT took the short way"
}
