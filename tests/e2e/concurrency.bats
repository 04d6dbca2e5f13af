#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Many invocations at once: each is a process, and they meet only in the maps.

setup() {
	load lib
	load state
	node_up
}

teardown() { node_down; }

# room_for N: pods 0 to N-1 have namespaces, and each the present configuration unless it has one.
room_for() {
	in_node bash -c 'for ((i = 0; i < $1; i++)); do
		touch "$2/$i" && unshare --net="$2/$i" true && [[ -e $2/$i.conf ]] || cp "$2/conf" "$2/$i.conf"
	done' - "$1" "$DIR"
}

# at_once VERB N: calls of the plugin for pods 0 to N-1, all let go by one write. Prints how many succeeded; each one's
# result is in $DIR/<pod>.VERB.
at_once() {
	rm -f "$DIR/gate"
	mkfifo "$DIR/gate"
	in_node bash -c '
		cd "$1" && exec 7<>gate
		for ((i = 0; i < $3; i++)); do
			(
				read -rn 1 -u 7
				export CNI_COMMAND=$2 CNI_CONTAINERID=ctr-$i CNI_NETNS=$1/$i CNI_IFNAME=eth0 CNI_PATH=$5
				exec "$4" <"$i.conf" >"$i.$2" 2>>stderr 7<&-
			) &
			pids[i]=$!
		done
		printf "%*s" "$3" "" >&7
		for pid in "${pids[@]}"; do wait $pid && ((++ok)); done
		echo ${ok:-0}
	' - "$DIR" "$1" "$2" "$CTNAT" $CNI_PATH 3>&-
}

# addresses VERB: of all results.
addresses() { jq -r '.ips[]?.address' "$DIR"/*."$1"; }

@test "200 ADDs at once on two subnets, then 200 DELs at once: all as before" {
	pod a			# a neighbour who stays, and the base state
	local before i
	before=$(attachments_state)
	echo "$CONF" >"$DIR/conf"
	for ((i = 1; i < 200; i += 2)); do
		jq -c '.name = "more" | .ipam.ranges = [[{subnet: "10.244.2.0/24"}], [{subnet: "fd00:10:244:2::/64"}]]' \
			<<<"$CONF" >"$DIR/$i.conf"
	done
	room_for 200

	same "$(at_once ADD 200)" 200 "ADDs that succeeded"
	same "$(addresses ADD | wc -l)" 400 "addresses"
	same "$(addresses ADD | sort -u | wc -l)" 400 "distinct addresses"
	same "$(addresses ADD | grep -c '^10\.244\.1\.')" 100 "in the first subnet"
	same "$(addresses ADD | grep -c '^10\.244\.2\.')" 100 "in the second"
	# of routes the destinations: an address may have more than one
	same "$(attachments_state | cut -d' ' -f1,2 | sort -u | cut -d' ' -f1 | uniq -c | awk '{ print $2, $1 }' | xargs)" \
		"attachments 201 link 201 pods 402 route 402" "what there is of 201 pods"
	for i in 0 1 42 199; do same "$(ask $i udp $SERVER4 | cut -d" " -f1)" $NODE4 "pod $i"; done

	same "$(at_once DEL 200)" 200 "DELs that succeeded"
	same "$(attachments_state)" "$before" "after all"
	cni CHECK a
}

@test "more ADDs at once than there are addresses: each goes to one pod, none is lost" {
	conf '.ipam.ranges = [[{subnet: "10.244.1.0/29"}, {subnet: "10.244.2.0/29"}]]'
	echo "$CONF" >"$DIR/conf"
	room_for 16
	same "$(at_once ADD 16)" 12 "ADDs that succeeded"	# 6 in each
	same "$(addresses ADD | sort -u | wc -l)" 12 "distinct addresses"
	same "$(jq -r 'select(.code) | .msg' "$DIR"/*.ADD | grep -c 'no free address')" 4 "refused for that reason"
	same "$(at_once DEL 16)" 16 "DELs that succeeded"
	nothing_left
	same "$(at_once ADD 12)" 12 "ADDs after that"
}

@test "the first ADDs of a node at once: one base state" {
	echo "$CONF" >"$DIR/conf"
	room_for 20
	same "$(at_once ADD 20)" 20 "ADDs that succeeded"
	same "$(in_node nft -j list tables | jq '[.nftables[] | .table | select(.)] | length')" 1 "tables"
	same "$(in_node mount -t bpf | wc -l)" 1 "mounts of bpffs"
	same "$(in_node bpftool -j net show | jq '[.[].tc[] | select(.devname | startswith("ctn"))] | "\(length) \(unique_by(.id) | length)"')" \
		'"40 2"' "programs on links, and distinct ones"
	same "$(ask 7 udp $SERVER4 --sport 40001)" "$NODE4 40001"
}

@test "ADD and DEL of one pod at once, again and again: what is left is one or nothing" {
	echo "$CONF" >"$DIR/conf"
	netns a
	local i
	for ((i = 0; i < 10; i++)); do
		cni ADD a >/dev/null 2>&1 &
		local adding=$!
		cni DEL a || fail "DEL: $(<"$DIR/stdout")"
		wait $adding || fail "ADD failed"
		same "$(attachments_state | grep -c ^link)" "$(attachments_state | grep -c ^attachments)" "links and records"
		cni DEL a
		nothing_left
	done
}
