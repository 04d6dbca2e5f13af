#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# What nobody comes for is taken back: by GC, and by ADD and STATUS before they say that nothing is free. And when STATUS says
# that a node cannot take pods, and when it must not.

setup() {
	load lib
	load state
	node_up
}

teardown() { node_down; }

# dies POD: its namespace goes, as when the sandbox is killed; the kernel takes the link, in its own time.
dies() {
	in_node umount "$DIR/$1"
	within 10 gone "$(host_link "$1")" || fail "the link of $1 is still there"
}
gone() { ! in_node ip link show "$1"; }

# The next pods are of another network, on the same node.
other_network() {
	conf '.name = "more" | .ipam.ranges = [[{subnet: "10.244.2.0/24"}], [{subnet: "fd00:10:244:2::/64"}]]'
}

# attached: the containers that there are, from records and links.
attached() {
	{
		in_node ip -j link show | jq -r '.[].ifalias // empty' | cut -d/ -f3
		in_node bpftool -j map dump pinned $BPFFS/r1/attachments | jq -r '.[].formatted.key.container_id'
		in_node bpftool -j map dump pinned $BPFFS/r1/pods | jq -r '.[].formatted.value.owner.container_id'
	} | sort -u | xargs
}

# gc_with JQ-FILTER: GC with this said of attachments.
gc_with() {
	CONF=$(jq -c ".cniVersion = \"1.1.0\" | $1" <<<"$CONF") cni GC
}

newest() { jq -c '.cniVersion = "1.1.0"' <<<"$CONF"; }
status() { CONF=$(newest) cni STATUS; }
not_available() { CONF=$(newest) refused 50 "$1" STATUS; }

# lacking CAPABILITY,...: from now on the plugin is called as root without them; with "", as ever.
lacking() {
	PLUGIN=$DIR/lacking
	printf '#!/bin/sh\nexec setpriv %s %s\n' "${1:+--bounding-set=-${1//,/,-}}" "$CTNAT" >"$PLUGIN"
	chmod +x "$PLUGIN"
}

works() { cni CHECK "$1" && same "$(seen "$1" udp $SERVER4)" $NODE4 && same "$(seen "$1" udp $SERVER6)" $NODE6; }

# ---- GC ------------------------------------------------------------------------------------------------

@test "GC removes what is not among the living, of its own network only" {
	pod a
	pod b
	cni ADD a net1 >/dev/null
	other_network
	pod c
	works b
	gc c
	same "$(attached)" "ctr-a ctr-b ctr-c"
	CONF=$(jq -c '.name = "pods"' <<<"$CONF") gc a
	same "$(attached)" "ctr-a ctr-c"
	works a
	works c
	same "$(attachments_state | grep -c '^link')" 2 "links (net1 was not on the list)"
	same "$(attachments_state | grep -E "${ADDR4[b]}|${ADDR6[b]}")" "" "what is left of b"
	gc
	same "$(attached)" "ctr-a"
	CONF=$(jq -c '.name = "pods"' <<<"$CONF") gc
	nothing_left
}

@test "GC reads both names of the list; null is empty; neither is an error that removes nothing" {
	local a='{containerID: "ctr-a", ifname: "eth0"}' b='{containerID: "ctr-b", ifname: "eth0"}'
	pod a
	pod b
	pod c
	gc_with ".\"cni.dev/valid-attachments\" = [$a, $b]"
	same "$(attached)" "ctr-a ctr-b"
	gc_with ".\"cni.dev/attachments\" = [$a, $b]"
	same "$(attached)" "ctr-a ctr-b"
	gc_with ".\"cni.dev/attachments\" = [$a] | .\"cni.dev/valid-attachments\" = [$b]"
	same "$(attached)" "ctr-a ctr-b"
	gc_with ".\"cni.dev/attachments\" = null | .\"cni.dev/valid-attachments\" = [$b]"
	same "$(attached)" "ctr-b"

	conf '.cniVersion = "1.1.0"'
	refused 7 "cni.dev/valid-attachments" GC
	conf '."cni.dev/valid-attachments" = "ctr-b"'
	refused 7 "cni.dev/valid-attachments" GC
	conf '."cni.dev/valid-attachments" = [{containerID: "ctr-b"}]'
	refused 7 "cni.dev/valid-attachments[0].ifname" GC
	same "$(attached)" "ctr-b"
	works b
	conf '."cni.dev/valid-attachments" = null'
	cni GC
	nothing_left
}

@test "GC came with 1.1.0" {
	conf '.cniVersion = "1.0.0" | ."cni.dev/valid-attachments" = null'
	pod a
	refused 1 "GC came with 1.1.0" GC
	same "$(attached)" "ctr-a"
}

@test "GC finds links without a record, addresses without an owner, and the dead" {
	local key
	pod a
	pod b
	ask a udp $SERVER4 >/dev/null
	ask a udp $SERVER6 >/dev/null
	dies a
	# b has lost its record, but has its link and its addresses.
	key=$(in_node bpftool -j map dump pinned $BPFFS/r1/attachments | jq -r \
		'.[] | select(.formatted.key.container_id == "ctr-b").key | join(" ")')
	in_node bpftool map delete pinned $BPFFS/r1/attachments key $key
	pod c
	# a has lost its record too, so only its addresses are there.
	key=$(in_node bpftool -j map dump pinned $BPFFS/r1/attachments | jq -r \
		'.[] | select(.formatted.key.container_id == "ctr-a").key | join(" ")')
	in_node bpftool map delete pinned $BPFFS/r1/attachments key $key
	same "$(attached)" "ctr-a ctr-b ctr-c"
	same "$(attachments_state | grep -cE "^conntrack src=(${ADDR4[a]}|${ADDR6[a]}) ")" 2 "entries that a left"
	gc c
	same "$(attached)" "ctr-c"
	same "$(attachments_state | grep -E "${ADDR4[a]} |${ADDR6[a]} ")" "" "what the next pod with that address would get"
	works c
}

@test "GC after bpffs was unmounted under live pods" {
	pod a
	pod b
	in_node umount -l /sys/fs/bpf
	pod c
	gc a c
	same "$(attached)" "ctr-a ctr-c"
	works a
	works c
}

@test "GC on a node without state, and twice" {
	gc
	in_node test ! -e $BPFFS
	pod a
	gc
	gc
	nothing_left
}

# slow_ipam: an IPAM plugin that waits, in ADD, until $DIR/go is there.
slow_ipam() {
	mkdir -p "$DIR/bin"
	cat >"$DIR/bin/slow" <<-EOT
		#!/bin/bash
		case \$CNI_COMMAND in
		VERSION) echo '{"cniVersion": "1.0.0", "supportedVersions": ["1.0.0"]}' ;;
		ADD)
			touch $DIR/waits
			until [[ -e $DIR/go ]]; do sleep 0.02; done
			echo '{"cniVersion": "1.0.0", "ips": [{"address": "10.244.1.7/24"}]}' ;;
		esac
	EOT
	chmod +x "$DIR/bin/slow"
	CNI_PATH=$DIR/bin
	conf '.ipam = {type: "slow", routes: [{dst: "0.0.0.0/0"}]}'
}

# begin_add POD: in the background; returns when the IPAM plugin waits. ADDING is the plugin's process.
begin_add() {
	rm -f "$DIR/go" "$DIR/waits"
	nsenter -t "$NODE" --net --mount env CNI_COMMAND=ADD CNI_CONTAINERID="ctr-$1" CNI_NETNS="$DIR/$1" CNI_IFNAME=eth0 \
		CNI_PATH="$CNI_PATH" "$CTNAT" <<<"$CONF" >"$DIR/adding" 2>>"$DIR/stderr" 3>&- &
	ADDING=$!
	within 5 test -e "$DIR/waits"
}

pending() { in_node "$CTNATCTL" status -o json | jq .pending; }

@test "a pending attachment that somebody works on is never removed; once he is dead, it is" {
	slow_ipam
	netns a
	begin_add a
	same "$(pending)" 1 "pending attachments"
	gc
	status
	same "$(pending)" 1 "pending attachments after GC and STATUS"
	touch "$DIR/go"
	wait $ADDING || fail "the ADD that GC met: $(<"$DIR/adding")"
	in_pod a ip -4 -o addr show eth0 | grep -F 10.244.1.7/32
	same "$(attached)" "ctr-a"
	cni DEL a
	nothing_left

	begin_add a
	kill -KILL $ADDING
	wait $ADDING || true
	touch "$DIR/go"
	same "$(attached)" "ctr-a"
	gc
	nothing_left
}

# ---- what the dead hold --------------------------------------------------------------------------------

room_for_two() {
	conf '.ipam.ranges = [[{subnet: "10.244.1.0/24", rangeStart: "10.244.1.10", rangeEnd: "10.244.1.11"}],
		[{subnet: "fd00:10:244:1::/64", rangeStart: "fd00:10:244:1::a", rangeEnd: "fd00:10:244:1::b"}]]'
}

@test "ADD takes the addresses of a dead pod before it says that none is free" {
	room_for_two
	pod a
	pod b
	netns c
	refused 101 "no free address in 10.244.1.10" ADD c
	dies a
	cni ADD c >/dev/null
	same "${ADDR4[c]} ${ADDR6[c]}" "${ADDR4[a]} ${ADDR6[a]}"
	same "$(attached)" "ctr-b ctr-c"
	works b
	works c
	cni DEL a	# late
	works c
	netns d
	refused 101 "no free address" ADD d
}

@test "addresses of the dead are not taken as long as there are others" {
	pod a
	dies a
	pod b
	same "$(attached)" "ctr-a ctr-b"
}

# ---- STATUS ----------------------------------------------------------------------------------------------

@test "STATUS of a fresh node: makes the base state, and says nothing" {
	same "$(status)" ""
	same "$(in_node "$CTNATCTL" status -o json | jq -r .state)" "whole"
	pod a
	works a
}

@test "STATUS came with 1.1.0" {
	refused 1 "STATUS came with 1.1.0" STATUS
}

@test "STATUS: every address is live, or can be had from the dead; statusWhenFull" {
	room_for_two
	pod a
	status
	pod b
	not_available "every address of 10.244.1.0/24 is in use by a living pod"
	conf '.statusWhenFull = "ok"'
	status
	conf '.statusWhenFull = "error"'
	not_available "every address of 10.244.1.0/24"
	dies a
	status
	same "$(attached)" "ctr-b"
	pod c
	conf 'del(.statusWhenFull)'
	not_available "every address of 10.244.1.0/24"
}

@test "STATUS: the datapath that was named cannot be had" {
	lacking perfmon,sys_admin	# so the verifier refuses programs that read the kernel's memory
	conf '.datapath = "full"'
	not_available "datapath 'full'"
	conf '.datapath = "auto"'
	status
	local state
	state=$(in_node "$CTNATCTL" status -o json)
	[[ $(jq -r .datapath <<<"$state") != full && -n $(jq -r .reason <<<"$state") ]] || fail "$state"
}

@test "STATUS: the insertion selftest runs in a namespace of its own, once a boot" {
	lacking sys_admin	# so no namespace can be made
	conf '.datapath = "full"'
	not_available "selftest of conntrack insertion: enter the netns"
	lacking ""
	conf '.datapath = "auto"'
	status
	lacking sys_admin
	conf '.datapath = "full"'	# loads the programs again
	status
	same "$(in_node "$CTNATCTL" status -o json | jq -r .datapath)" full
}

@test "STATUS: the base table cannot be had" {
	status
	in_node nft delete table inet ctnat
	lacking net_admin
	not_available "table 'inet ctnat'"
	lacking ""
	status
}

@test "STATUS: bpffs cannot be had" {
	in_node umount /sys/fs/bpf
	in_node mount -t tmpfs tmpfs /sys/fs
	not_available "/sys/fs/bpf"
	in_node umount /sys/fs
	status
}

@test "STATUS: what is wrong in the configuration is no 50" {
	conf '.cniVersion = "1.1.0"'
	CONF=$(jq -c '.uplinks = ["eth7"]' <<<"$CONF") refused 7 "eth7" STATUS
	pod a
	CONF=$(jq -c '.name = "more" | .portRange = "2000-3000"' <<<"$CONF") refused 7 "differ from those of network 'pods'" STATUS
}
