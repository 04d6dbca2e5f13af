#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# What happens to attachments between ADD and the last DEL, and to the node around them.

setup() {
	load lib
	load state
	node_up
}

teardown() { node_down; }

# del_as ID NETNS [IFNAME]: DEL as a runtime may call it: with these, and without a prevResult.
del_as() {
	in_node env CNI_COMMAND=DEL CNI_CONTAINERID="$1" CNI_NETNS="$2" CNI_IFNAME="${3:-eth0}" CNI_PATH=$CNI_PATH \
		"$CTNAT" <<<"$CONF" 2>>"$DIR/stderr"
}

# dies POD: its namespace goes, as when the sandbox is killed; the kernel takes the link, in its own time.
dies() {
	in_node umount "$DIR/$1"
	within 10 gone "$(host_link "$1")" || fail "the link of $1 is still there"
}
gone() { ! in_node ip link show "$1"; }

reaches_world() {
	same "$(ask "$1" udp $SERVER4 | cut -d" " -f1)" $NODE4 "$1, IPv4"
	same "$(ask "$1" udp $SERVER6 | cut -d" " -f1)" $NODE6 "$1, IPv6"
}

# ---- DEL -------------------------------------------------------------------------------------------

@test "DEL leaves nothing, and twice is as good as once" {
	pod a
	reaches_world a
	cni DEL a
	nothing_left
	cni DEL a
	nothing_left
}

@test "DEL without CNI_NETNS and prevResult" {
	pod a
	reaches_world a
	del_as ctr-a ""
	nothing_left
}

@test "DEL of a pod whose namespace is gone" {
	pod a
	reaches_world a
	dies a
	[[ -n $(attachments_state) ]]
	cni DEL a
	nothing_left
	rm "$DIR/a"
	cni DEL a
}

@test "DEL of a container that was never added, on a node that has state and on one that has none" {
	netns a
	cni DEL a
	nothing_left
	in_node test ! -e $BPFFS
	pod b
	cni DEL a
	reaches_world b
}

@test "DEL after a reboot: nothing is there but what the runtime remembers" {
	pod a
	dies a
	in_node sh -c 'umount -l /sys/fs/bpf; mount -t bpf bpf /sys/fs/bpf; nft flush ruleset; conntrack -F 2>/dev/null'
	cni DEL a
	nothing_left
}

@test "DEL whose configuration has become invalid elsewhere" {
	pod a
	conf '.mtu = "big" | .uplinks = 42 | .nonMasqueradeCIDRs = "10/8" | .portRange = "9-1" | .ipam.ranges = []'
	refused 7 "" ADD a
	cni DEL a
	nothing_left
}

@test "ADD A; A's sandbox dies; ADD B with A's address; the late DEL of A leaves B alone" {
	conf '.runtimeConfig.ips = ["10.244.1.7", "fd00:10:244:1::7"]'
	pod a
	dies a
	pod b
	same "${ADDR4[b]} ${ADDR6[b]}" "10.244.1.7 fd00:10:244:1::7"
	reaches_world b
	local before
	before=$(attachments_state)
	cni DEL a
	same "$(attachments_state)" "$before" "after the late DEL"
	cni CHECK b
	reaches_world b
	cni DEL b
	nothing_left
}

@test "an address of a pod that lives is not given to another" {
	conf '.runtimeConfig.ips = ["10.244.1.7", "fd00:10:244:1::7"]'
	pod a
	netns b
	refused 101 10.244.1.7 ADD b
	reaches_world a
	cni CHECK a
}

@test "umount of bpffs under live pods: no address twice, DEL leaves nothing" {
	local pod pods=(a b c d e)
	for pod in "${pods[@]}"; do pod $pod; done
	in_node umount -l /sys/fs/bpf
	reaches_world a
	conf '.ipam.ranges = [[{subnet: "10.244.1.0/29"}], [{subnet: "fd00:10:244:1::/125"}]]'
	netns f
	netns g
	cni ADD f >/dev/null
	same "$(printf '%s\n' "${ADDR4[@]}" | sort -u | wc -l)" 6 "distinct IPv4 addresses"
	same "$(printf '%s\n' "${ADDR6[@]}" | sort -u | wc -l)" 6 "distinct IPv6 addresses"
	refused 101 "no free address" ADD g	# the range holds six
	for pod in "${pods[@]}" f; do
		reaches_world $pod
		cni CHECK $pod
	done
	for pod in "${pods[@]}"; do cni DEL $pod; done
	reaches_world f
	cni DEL f
	nothing_left
}

@test "umount of bpffs, and DEL comes before any ADD" {
	pod a
	pod b
	in_node umount -l /sys/fs/bpf
	cni DEL a
	same "$(attachments_state | grep -c ^link)" 1
	cni DEL b
	nothing_left
}

# ---- ADD --------------------------------------------------------------------------------------------

@test "ADD of what is there is an error and touches nothing" {
	pod a
	local before
	before=$(attachments_state)
	refused 4 "already" ADD a
	same "$(attachments_state)" "$before"
	reaches_world a
}

@test "a second attachment of the same pod" {
	pod a
	local first4=${ADDR4[a]} first6=${ADDR6[a]}
	cni ADD a net1 >/dev/null
	[[ ${ADDR4[a]} != "$first4" && ${ADDR6[a]} != "$first6" ]]
	reaches_world a			# by eth0, which has the default route
	in_pod a ping -q -c 1 -W 2 -I net1 169.254.1.1
	in_pod a ping -q -c 1 -W 2 fe80::1%net1
	cni CHECK a
	cni CHECK a net1
	cni DEL a net1
	reaches_world a
	cni CHECK a
	cni DEL a
	nothing_left
}

@test "routes: [] gives none" {
	conf '.ipam.routes = []'
	pod a
	same "$(in_pod a ip route show default; in_pod a ip -6 route show default)" ""
	same "$(jq -c '.routes // []' "$DIR/a.eth0.result")" "[]"
	run ask a udp $SERVER4 --timeout 0.2
	[[ $status -ne 0 ]]
	in_pod a ping -q -c 1 -W 2 169.254.1.1	# the gateway is on its link
}

# The router's advertisement as the node hears it. forge.py speaks as fe80::bad.
advertise() { in_world "$HERE/forge.py" node 33:33:00:00:00:01 ra 2001:db8:0:2::; }
learned() { in_node ip -6 route show default proto ra | grep -q 'via fe80::bad'; }

@test "a default route from a router advertisement outlives the first ADD, and is learned again" {
	in_node sysctl -qw net.ipv6.conf.eth0.autoconf=0	# its prefix shall give the node no second address
	in_world ip addr add fe80::bad/64 dev node nodad
	in_node ip -6 route del default
	advertise
	within 2 learned || fail "the node did not learn the route: the test's own fault"
	pod a
	learned || fail "the first ADD cost the node its default route"
	reaches_world a
	in_node ip -6 route del default proto ra
	advertise
	within 2 learned || fail "the node does not listen to its router any more"
	reaches_world a
}
