#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The node's sysctls: what is set and when, who may turn it back and what that is called, and what the node has afterwards.

FORWARDING=(net/ipv4/ip_forward net/ipv6/conf/all/forwarding)
TRACKING=(net/netfilter/nf_conntrack_tcp_be_liberal net/netfilter/nf_conntrack_tcp_ignore_invalid_rst)

setup() {
	load lib
	node_up
	same "$(values "${FORWARDING[@]}" "${TRACKING[@]}")" "0 0 0 0" "a fresh node"
}

teardown() { node_down; }

values() { in_node sysctl -n "$@" | xargs; }
state() { in_node "$CTNATCTL" status -o json | jq -r ".$1"; }
status() { CONF=$(jq -c '.cniVersion = "1.1.0"' <<<"$CONF") cni STATUS; }
limited() { CONF=$(jq -c '.cniVersion = "1.1.0"' <<<"$CONF") refused 51 "$1" STATUS; }

# Somebody flushed the ruleset: the next ADD makes the base state anew.
rebuilt() {
	local generation
	generation=$(state generation)
	in_node nft flush ruleset
	pod "$1"
	[[ $(state generation) -gt $generation ]] || fail "nothing was rebuilt"
}

@test "the first ADD sets them; uninstall returns conntrack's to what they were, and keeps forwarding" {
	in_node sysctl -qw "${TRACKING[1]}=1"	# the administrator's own
	pod a
	same "$(values "${FORWARDING[@]}" "${TRACKING[@]}")" "1 1 1 1"
	cni CHECK a
	cni DEL a
	in_node "$CTNATCTL" uninstall >/dev/null
	same "$(values "${FORWARDING[@]}" "${TRACKING[@]}")" "1 1 0 1"
}

@test "one that is turned back is named by CHECK, STATUS and ctnatctl, and stays so until somebody returns it" {
	local sysctl advice n=0
	pod a
	for sysctl in "${FORWARDING[@]}" "${TRACKING[@]}"; do
		case $sysctl in
		*conntrack*) advice='or give "shortWay": "off"' ;;
		*) advice='pods reach nobody' ;;
		esac
		in_node sysctl -qw "$sysctl=0"
		refused 102 "sysctl '$sysctl' is 0, not 1: " CHECK a
		refused 102 "$advice" CHECK a
		limited "sysctl '$sysctl' is 0, not 1: "
		limited "$advice"
		[[ $(state state) == "sysctl '$sysctl' is 0, not 1: "* ]] || fail "ctnatctl status: $(state state)"
		pod b$((++n))
		rebuilt c$n
		same "$(values "$sysctl")" 0 "$sysctl after two ADDs"
		limited "sysctl '$sysctl' is 0, not 1: "
		in_node sysctl -qw "$sysctl=1"
		cni CHECK a
		status
		same "$(state state)" whole
	done
}

@test "settings that change set them again; those without a short way leave conntrack's alone, and nobody minds" {
	conf '.shortWay = "off"'
	pod a
	same "$(values "${FORWARDING[@]}" "${TRACKING[@]}")" "1 1 0 0" "shortWay off"
	cni CHECK a
	status
	conf '.shortWay = "uncached"'
	pod b
	same "$(values "${TRACKING[@]}")" "1 1" "shortWay uncached"
	in_node sysctl -qw "${TRACKING[0]}=0"
	refused 102 "${TRACKING[0]}" CHECK a
	conf '.shortWay = "off"'
	status
	cni CHECK a
	same "$(values "${TRACKING[@]}")" "0 1" "shortWay off again"
	conf '.shortWay = "cached"'
	status
	same "$(values "${TRACKING[@]}")" "1 1" "shortWay cached"
	conf '.datapath = "nftables"'
	in_node sysctl -qw "${TRACKING[1]}=0"
	status
	cni CHECK a
	same "$(values "${TRACKING[@]}")" "1 0" "datapath nftables"
}

@test "without IPv6's and conntrack's, what there is will do" {
	in_node mount -t tmpfs tmpfs /proc/sys/net/netfilter
	in_node mount -t tmpfs tmpfs /proc/sys/net/ipv6/conf
	pod a
	same "$(values "${FORWARDING[0]}")" 1
	cni CHECK a
	status
}

# ---- how established flows leave the stack ---------------------------------------------------------------

@test "shortWay and stackMark belong to the node: shown, in force with the next ADD, and the same for every network" {
	local generation
	pod a
	same "$(state short_way) $(state stack_mark)" "cached none"
	generation=$(state generation)
	conf '.shortWay = "uncached" | .stackMark = "0x80"'
	pod b
	same "$(state short_way) $(state stack_mark)" "uncached 0x80"
	[[ $(state generation) -gt $generation ]] || fail "answers of before are still good"
	netns c
	CONF=$(jq -c '.name = "more" | .shortWay = "cached"' <<<"$CONF") refused 7 "shortWay, stackMark" ADD c
	CONF=$(jq -c '.name = "more" | .stackMark = 1' <<<"$CONF") refused 7 "shortWay, stackMark" ADD c
	conf '.datapath = "nftables"'
	status
	same "$(state short_way)" "none at this level"
}
