# SPDX-License-Identifier: Apache-2.0
#
# Both ends of a flow (end.py), and which way its packets went.

declare -gA TELL TOLD	# descriptors of each end's pipes

# end NAME PLACE PROTOCOL ADDRESS PORT [PEER PORT]: one end of a flow, in a pod, `node` or `world`. With a peer it is
# ready when it is connected.
end() {
	local where=(in_pod "$2")
	[[ $2 != @(node|world) ]] || where=("in_$2")
	rm -f "$DIR/$1.tell" "$DIR/$1.told"
	mkfifo "$DIR/$1.tell" "$DIR/$1.told"
	exec {TELL[$1]}<>"$DIR/$1.tell" {TOLD[$1]}<>"$DIR/$1.told"
	spawn "$1" "${where[@]}" "$HERE/end.py" "$DIR/$1" "${@:3}"
}

# tell NAME COMMAND...: prints what the end answers.
tell() {
	local answer
	echo "${*:2}" >&"${TELL[$1]}"
	read -r -t 60 answer <&"${TOLD[$1]}" || fail "$1 does not answer '${*:2}': $(<"$DIR/$1")" || return
	[[ $answer != error* ]] || fail "$1: ${*:2}: $answer" || return
	echo "$answer"
}

# moved FROM TO N: FROM sends N (bytes, messages), and they have arrived.
moved() {
	local before
	before=$(tell "$2" arrived 0)
	tell "$1" send "$3" >/dev/null
	tell "$2" arrived $((before + $3)) >/dev/null
}

# Counters are compared with what they were at the last start_count.
start_count() { COUNTED=$(in_node "$CTNATCTL" stats -o json); }

# counted REGEX: packets since then, of the reasons that match.
counted() {
	in_node "$CTNATCTL" stats -o json | jq --argjson before "$COUNTED" --arg regex "^($1)$" \
		'[to_entries[] | select(.key | test($regex)) | .value.packets - $before[.key].packets] | add'
}

# by_stack: packets that came in and did not take a short way. (Those on their way out are counted once more, and
# events are not packets.)
by_stack() { counted '(?!short_|pod_pass|guard_|learned|forgotten|revived|ended_).*'; }

# short_for SHARE REASON...: for each reason, of 100 packets that went this way or by the stack, at least SHARE were short.
short_for() {
	local stack short reason
	stack=$(by_stack)
	for reason in "${@:2}"; do
		short=$(counted "$reason")
		[[ $short -gt 0 && $((short * 100)) -ge $(((short + stack) * $1)) ]] ||
			fail "$reason: $short packets, $stack by the stack"
	done
}

# tracked PROTOCOL PORT [ADDRESS]: conntrack's line for the flow whose opener's port it is, and whose opener's address.
tracked() {
	local family=ipv4
	[[ ${3-} != *:* ]] || family=ipv6
	in_node conntrack -L -f $family -p "$1" --orig-port-src "$2" ${3:+-s "$3"} 2>/dev/null
}

# time_left PROTOCOL PORT [ADDRESS]: seconds until the flow's entry ends; nothing if there is none.
time_left() { tracked "$@" | awk '{ print $3 }'; }

# state_of PORT [ADDRESS]: of a TCP flow, as conntrack calls it.
state_of() { tracked tcp "$@" | awk '{ print $4 }'; }

# connected PORT [FAMILY]: a connection from that port of pod a to the same of the server: ends `near` and `far`.
connected() {
	local pod=${ADDR4[a]} server=$SERVER4
	[[ ${2-4} == 4 ]] || pod=${ADDR6[a]} server=$SERVER6
	end far world tcp "$server" "$1"
	ready far
	end near a tcp "$pod" "$1" "$server" "$1"
	ready near
}

# exchanging PORT: the same over UDP, until it takes the short way. The kernel wants to see two seconds of a flow that it
# opened before it calls it assured, and for a second more we may remember that it was not.
exchanging() {
	end far world udp $SERVER4 "$1"
	end near a udp "${ADDR4[a]}" "$1" $SERVER4 "$1"
	ready far near
	start_count
	within 8 both_short near far || fail "not short: $(tracked udp "$1")"
}
both_short() {
	moved "$1" "$2" 1
	moved "$2" "$1" 1
	[[ $(counted short_in) -gt 0 && $(counted short_out) -gt 0 ]]
}
