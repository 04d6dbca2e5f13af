# SPDX-License-Identifier: Apache-2.0
#
# Flows that go on while something changes, and when what was seen of them. Needs lib.bash.

STEADY=7778	# the server's port

steady_server() {
	spawn echo in_world "$HERE/steady.py" serve $STEADY
	ready echo
}

# steady NAME POD PROTOCOL ADDRESS [OPTION...]: such a flow, until `over NAME`.
steady() { spawn "$1" in_pod "$2" "$HERE/steady.py" "$3" "$4" $STEADY "${@:5}"; }

# start_flows POD: four of them, named udp4, udp6, tcp4, tcp6; steady_flows: on the short way when this returns.
FLOWS=(udp4 udp6 tcp4 tcp6)
start_flows() {
	steady udp4 "$1" udp $SERVER4 --sport 40004 --rate 200
	steady udp6 "$1" udp $SERVER6 --sport 40006 --rate 200
	steady tcp4 "$1" tcp $SERVER4 --sport 40004 --rate 200
	steady tcp6 "$1" tcp $SERVER6 --sport 40006 --rate 200
	ready "${FLOWS[@]}"
}
steady_flows() {
	start_flows "$1"
	on_short_way
}

# on_short_way: soon all that is running is, as nothing else leaves by the uplink now.
on_short_way() { within 3 short_for_a_while || fail "not all flows take the short way"; }
short_for_a_while() {
	local out in slow
	out=$(counter short_out) in=$(counter short_in) slow=$(($(counter stack_cached) + $(counter uplink_cached)))
	sleep 0.3
	[[ $(counter short_out) -gt $out && $(counter short_in) -gt $in ]] &&
		[[ $(($(counter stack_cached) + $(counter uplink_cached))) -eq $slow ]]
}

# over NAME...: ends programs that say at their end what they noticed, and waits until they did.
over() {
	local name pid
	for name; do
		pid=PID_$name
		kill -TERM "${!pid}"
	done
	for name; do
		pid=PID_$name
		wait "${!pid}" || fail "$name: $(<"$DIR/$name")"
	done
}

# noticed NAME JQ-FILTER: what steady.py said at its end.
noticed() { tail -n 1 "$DIR/$1" | jq -c "$2"; }

# watch NAME WHERE... DEVICE: sightings.py there, until `over NAME`.
watch() {
	spawn "$1" "${@:2:$#-2}" "$HERE/sightings.py" "${*: -1}"
	ready "$1"
}

# sighted NAME FIRST|LAST|COUNT SOURCE DESTINATION [PROTOCOL [SOURCE-PORT [DESTINATION-PORT [DESTINATION-MAC]]]]: of all frames that match,
# "" is any; nothing if there were none.
sighted() {
	grep -qx 'lost 0' "$DIR/$1" || fail "the capture is not complete: $(tail -n 1 "$DIR/$1")" || return
	awk -F '\t' -v what="$2" -v src="${3-}" -v dst="${4-}" -v proto="${5-}" -v sport="${6-}" -v dport="${7-}" -v mac="${8-}" '
		NF == 9 && (src == "" || $4 == src) && (dst == "" || $5 == dst) && (proto == "" || $6 == proto) &&
		(sport == "" || $7 == sport) && (dport == "" || $8 == dport) && (mac == "" || $9 == mac) {
			if (!n || $1 < first) first = $1
			if ($2 > last) last = $2
			n += $3
		}
		END { if (n) print what == "first" ? first : what == "last" ? last : n }' "$DIR/$1"
}

# at_most LIMIT VALUE [WHAT]: of decimal numbers. What was never seen has none.
at_most() {
	[[ $2 ]] || fail "${3:+$3: }there is no number" || return
	awk -v limit="$1" -v value="$2" 'BEGIN { exit !(value <= limit) }' || fail "${3:+$3: }$2 is more than $1"
}
# Nothing if one of them is nothing.
difference() { [[ -z $1 || -z $2 ]] || awk -v a="$1" -v b="$2" 'BEGIN { printf "%.3f\n", a - b }'; }
