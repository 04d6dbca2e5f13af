#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# /metrics of a node: that Prometheus likes it, that it says what happened, and what it costs.
# tests/tools/serve stands in for ctnatd.

setup() {
	load lib
	node_up
}

teardown() { node_down; }

serve() {
	spawn server_ in_node "$BUILD/tests/tools/serve" 127.0.0.1:9464 10.244.1.0/24 fd00:10:244:1::/64
	ready server_
}

scrape() { in_node "$HERE/web.py" ask GET 127.0.0.1 9464 /metrics | sed '1,/^$/d'; }

# value SERIES: its number now; "" if it is not there.
value() { scrape | awk -v series="$1" 'substr($0, 1, length(series) + 1) == series " " { print $NF }'; }
is() { same "$(value "$1")" "$2" "$1"; }

likes() {
	local said
	said=$("$PROMTOOL" check metrics 2>&1) || fail "promtool: $said"
	same "$said" ""
}

@test "promtool likes it, before there is anything and after" {
	for PROMTOOL in "$BUILD"/promtool "$BUILD"/../promtool; do
		[[ ! -x $PROMTOOL ]] || break
	done
	[[ -x $PROMTOOL ]] || skip "no promtool: $(tail -n 1 "$PROMTOOL.log" 2>/dev/null || echo "make $BUILD/promtool")"
	serve
	scrape | likes
	finish "$PID_server_"
	pod a
	ask a udp $SERVER4 >/dev/null
	serve
	scrape | likes
	not likes <<<'ctnat_pods_total 1'
}

@test "what happens is counted" {
	local pods4=10.244.1.0/24 pods6=fd00:10:244:1::/64
	netns c
	pod a
	serve
	is 'ctnat_datapath_info{level="full",reason="",build="1"}' 1
	pod b
	ask a udp $SERVER4 >/dev/null
	is 'ctnat_datapath_packets_total{reason="inserted"}' "$(counter inserted)"
	[[ $(counter inserted) -gt 0 ]] || fail "nothing was inserted"
	is "ctnat_addresses{range=\"$pods4\",state=\"used\"}" 2
	is "ctnat_addresses{range=\"$pods4\",state=\"free\"}" 252
	is "ctnat_addresses{range=\"$pods6\",state=\"used\"}" 2
	is 'ctnat_addresses{range="other",state="used"}' 0
	is 'ctnat_attachments{state="ready"}' 2
	is 'ctnat_operations_total{verb="ADD",code="0"}' 2
	# scrapes have entries of their own
	[[ $(value ctnat_conntrack_entries) -ge 2 ]] || fail "$(value ctnat_conntrack_entries) entries"
	is 'ctnat_conntrack_entries_limit' "$(in_node sysctl -n net.netfilter.nf_conntrack_max)"

	CONF=$(jq -c '.ipam.ranges = [[{subnet: "10.244.1.0/31"}]] | .name = "small"' <<<"$CONF") cni ADD c >/dev/null
	CONF=$(jq -c '.mtu = "x"' <<<"$CONF") refused 7 mtu ADD c net1
	netns d
	CONF=$(jq -c '.ipam.ranges = [[{subnet: "10.244.2.8/32"}]] | .name = "one"' <<<"$CONF") cni ADD d >/dev/null
	CONF=$(jq -c '.ipam.ranges = [[{subnet: "10.244.2.8/32"}]] | .name = "one"' <<<"$CONF") refused 101 "no free" ADD d net1
	is 'ctnat_operations_total{verb="ADD",code="7"}' 1
	is 'ctnat_operations_total{verb="ADD",code="101"}' 1
	is 'ctnat_operations_total{verb="ADD",code="0"}' 4
	is 'ctnat_operations_total{verb="ADD",code="other"}' 0
	is 'ctnat_addresses{range="other",state="used"}' 1
	cni DEL b
	is 'ctnat_operations_total{verb="DEL",code="0"}' 1
	is 'ctnat_attachments{state="ready"}' 3
	is "ctnat_addresses{range=\"$pods6\",state=\"used\"}" 1
	same "$(in_node "$CTNATCTL" status -o json | jq -c '.verbs.ADD')" '{"ok":4,"failed":2}'
}

@test "the base table's share: what it translates, and what it drops" {
	pod a
	serve
	is 'ctnat_table_packets_total{rule="masquerade"}' 0
	in_pod a ping -qc 3 -i 0.01 $SERVER4
	is 'ctnat_table_packets_total{rule="masquerade"}' 1
	in_pod a ping -qc 3 -i 0.01 $SERVER6
	is 'ctnat_table_packets_total{rule="masquerade"}' 2
	not ask a udp 10.96.0.10 --timeout 0.2
	is 'ctnat_table_packets_total{rule="service_unrouted"}' 1
	is ctnat_leaks_total 0
	in_node nft add table inet other '{ chain nat { type nat hook postrouting priority 0; }; }'
	in_node nft delete table inet ctnat
	in_pod a ping -qc 1 -W 0.2 $SERVER4 && fail "it was translated"
	is ctnat_leaks_total "$(counter leak)"
	[[ $(counter leak) -gt 0 ]] || fail "nothing leaked"
	is 'ctnat_table_packets_total{rule="masquerade"}' 0
}

# cost N: what one of N scrapes costs the server, in microseconds of a CPU, and how long they take, the median.
cost() {
	local before after median
	before=$(awk '{ print $1 }' "/proc/$PID_server_/schedstat")
	median=$(in_node "$HERE/web.py" time 127.0.0.1 9464 /metrics "$1")
	after=$(awk '{ print $1 }' "/proc/$PID_server_/schedstat")
	echo "$(((after - before) / $1 / 1000)) $median"
}

@test "a scrape under load costs at most three times one when idle" {
	local idle idle_took loaded loaded_took i
	pod a
	pod b
	serve
	cost 20 >/dev/null
	read -r idle idle_took < <(cost 200)
	for i in {1..30}; do pod "p$i"; done
	spawn stream in_node "$BUILD/tests/tools/stream" tcp 200000000000 "$DIR/a" $SERVER4 9000 "/proc/$WORLD/ns/net" $SERVER4 9000
	spawn flood in_pod b "$HERE/peer.py" flood $SERVER4 1000 60
	spawn churn in_node sh -c 'while :; do "$0" log >/dev/null; "$0" stats >/dev/null; done' "$CTNATCTL"
	within 5 grew short_out 1000
	read -r loaded loaded_took < <(cost 200)
	echo "# a scrape: $idle us of a CPU when idle ($idle_took us until it is here), $loaded us under load ($loaded_took us)" >&3
	[[ $loaded -le $((3 * idle)) ]] || fail "$loaded us under load, $idle us when idle"
}
