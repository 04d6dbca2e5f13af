#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The node's sysctls: what is set and when, who may turn it back and what that is called, and what the node has afterwards.
# And the settings that want some of them: how established flows leave the stack.

FORWARDING=(net/ipv4/ip_forward net/ipv6/conf/all/forwarding)
TRACKING=(net/netfilter/nf_conntrack_tcp_be_liberal net/netfilter/nf_conntrack_tcp_ignore_invalid_rst)

setup() {
	load lib
	load ends
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

# What conntrack has not seen is out of window to it now: neither passed with the pod's address, nor lost for good.
@test "tcp_be_liberal turned back under a connection: it waits, others go by the stack, nothing leaks" {
	local leaks
	pod a
	connect 9000
	moved here_9000 there_9000 20000000
	in_node sysctl -qw "${TRACKING[0]}=0"
	sleep 1.1	# until nothing that was known is good any more
	leaks=$(counter leak)
	tell here_9000 send 100000
	within 10 grew leak "$leaks"
	start_count
	connect 9001
	moved here_9001 there_9001 5000000
	same "$(counted 'short_.*')" 0 "packets that took a short way"
	same "$(tell there_9000 arrived 20000000)" 20000000 "what has arrived"
	limited "${TRACKING[0]}"
	in_node sysctl -qw "${TRACKING[0]}=1"
	tell there_9000 arrived 20100000
	sleep 1.1
	start_count
	moved here_9001 there_9001 5000000
	short_for 90 short_out
}

# connect PORT: a connection from the pod to that port of the world, whose ends are here_PORT and there_PORT.
connect() {
	end "there_$1" world tcp $SERVER4 "$1"
	ready "there_$1"
	end "here_$1" a tcp 0.0.0.0 $((30000 + $1)) $SERVER4 "$1"
	ready "here_$1"
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

@test "settings that change are in force for connections that run" {
	local way
	pod a
	connect 9000
	for way in cached off uncached cached; do
		conf ".shortWay = \"$way\""
		status
		start_count
		moved here_9000 there_9000 5000000
		if [[ $way == off ]]; then
			same "$(counted 'short_.*')" 0 "shortWay $way: packets that took a short way"
		else
			short_for 90 short_out
		fi
	done
}

@test "a bit of stackMark in the mark of a connection that runs" {
	pod a
	connect 9000
	moved here_9000 there_9000 5000000
	in_node nft -f - <<-EOT
		table inet other {
			chain forward {
				type filter hook forward priority filter
				tcp dport 9000 ct mark set 0x180
			}
		}
	EOT
	sleep 5.1	# then a packet has met the rule
	moved here_9000 there_9000 5000000
	start_count
	moved here_9000 there_9000 5000000
	short_for 90 short_out
	conf '.stackMark = "0x82"'
	status
	start_count
	moved here_9000 there_9000 5000000
	same "$(counted 'short_.*')" 0 "packets of a marked connection that took a short way"
	conf '.stackMark = 2'
	status
	sleep 1.1	# so long "stack" holds
	start_count
	moved here_9000 there_9000 5000000
	short_for 90 short_out
}
