#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# A large cluster, and much going on in it: what ctnatd needs for that on one node. `sudo make bench-cluster`.
#
# NODES, SERVICES, RATE (updates a second), LONG (seconds).

setup() { load lab; }
teardown() { cluster_down; }

# used FIELD: of ctnatd on n1, from /proc: utime and stime in ms, VmHWM in kB.
cpu_ms() { awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); print int(($12 + $13) * 1000 / hz) }' "/proc/$1/stat"; }
peak_kb() { awk '$1 == "VmHWM:" { print $2 }' "/proc/$1/status"; }

# wanted_routes: as the API server has the nodes; those that are there.
wanted_routes() { api get nodes | jq -r '(.items? // .)[] | select(.metadata.name != "n1") | .spec.podCIDRs[]' | sort; }
present_routes() { { in_n n1 ip -4 route show proto 202; in_n n1 ip -6 route show proto 202; } | cut -d' ' -f1 | sort; }
all_right() { diff -q <(wanted_routes) <(present_routes); }
count_routes() { [[ $({ in_n n1 ip -4 route show proto 202; in_n n1 ip -6 route show proto 202; } | wc -l) -ge $((2 * $1)) ]]; }

@test "${NODES:=5000} nodes, ${SERVICES:=10000} services, ${RATE:=100} updates a second for ${LONG:=60} s" {
	local began cold cpu memory busy
	API_BIND=$API6 cluster_up
	node n1
	# an address that none of those has, and of IPv6 only: then IPv4 goes by VXLAN, IPv6 by plain routes
	N6[n1]=2001:db8:0:2:ffff::11
	in_n n1 ip addr flush dev eth0 scope global
	in_n n1 ip addr add ${N6[n1]}/64 dev eth0 nodad
	in_n n1 ip route replace default via 2001:db8:0:2::1
	PODS6=fd00:10:244:ffff::/64 object n1 | jq "del(.status.addresses[0])" | api put nodes -
	api fill "$NODES" "$SERVICES"
	began=${EPOCHREALTIME/./}
	API_HOST=$API6 agent n1
	within 60 count_routes "$NODES" || fail "$(in_n n1 ip -4 route show proto 202 | wc -l) routes; $(tail -n 5 "$DIR/n1/log")"
	cold=$(((${EPOCHREALTIME/./} - began) / 1000))
	within 10 all_right
	serves n1
	cpu=$(cpu_ms "${AGENT[n1]}") memory=$(peak_kb "${AGENT[n1]}")
	echo "# from cold: $cold ms until all routes stand, $cpu ms of CPU, peak $memory kB" >&3

	began=$SECONDS
	api churn "$RATE" "$LONG"
	[[ $((SECONDS - began)) -le $((LONG * 11 / 10 + 1)) ]] || fail "the API server was too slow for that"
	same "$(api get nodes | jq '[(.items? // .)[].metadata.annotations.beat // "-1" | tonumber] | max')" $((RATE * LONG - 1)) \
		"the last update"
	within 10 all_right || fail "$(diff <(wanted_routes) <(present_routes) | head)"
	busy=$(($(cpu_ms "${AGENT[n1]}") - cpu)) memory=$(peak_kb "${AGENT[n1]}")
	echo "# $RATE updates a second for $LONG s: $busy ms of CPU, peak $memory kB; every route right" >&3
	[[ $cold -lt 10000 && $memory -le 65536 ]]
}
