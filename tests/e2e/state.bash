# SPDX-License-Identifier: Apache-2.0
#
# What there is of attachments on a node, to compare before and after. Needs lib.bash.

# attachments_state: all of it, one thing a line, sorted; nothing if there are none. Links, routes, entries of conntrack,
# records. Of records the key and what does not change with time.
attachments_state() {
	in_node bash -c '
		ip -o link show | sed -nE "s/^[0-9]+: (ctn[^@:]*).*/link \1/p"
		ip -4 route show table all proto 201 | sed "s/^/route /"
		ip -6 route show table all proto 201 | sed "s/^/route /"
		for family in ipv4 ipv6; do conntrack -L -f $family 2>/dev/null; done |
			grep -oE "src=(10\.244\.|fd00:10:244:)[^ ]* dst=[^ ]*" | sed "s/^/conntrack /"
		for map in pods attachments; do
			[ ! -e $1/r1/$map ] || bpftool -j map dump pinned $1/r1/$map |
				jq -r --arg map $map ".[].formatted | \"\(\$map) \(.key | tojson)\""
		done
	' - $BPFFS | sort
}

nothing_left() { same "$(attachments_state)" "" "${1:-what is left}"; }

# gc [POD...]: GC of the network, of which these pods live.
gc() {
	local valid
	valid=$(printf 'ctr-%s\n' "$@" | jq -Rnc '[inputs | select(. != "ctr-") | {containerID: ., ifname: "eth0"}]')
	CONF=$(jq -c --argjson valid "$valid" '. + {cniVersion: "1.1.0", "cni.dev/valid-attachments": $valid}' <<<"$CONF") cni GC
}
