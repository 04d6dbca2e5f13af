#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Addresses from another IPAM plugin: Debian's host-local, which knows nothing of CNI 1.1.0, and one of the test's own
# that writes down what it is asked. And what came before us in a chain.

setup() {
	load lib
	load state
	node_up
	mkdir "$DIR/bin" "$DIR/leases"
	CNI_PATH=$DIR/bin:$CNI_PATH
}

teardown() { node_down; }

host_local() {
	conf ".ipam = {type: \"host-local\", dataDir: \"$DIR/leases\",
		ranges: [[{subnet: \"10.244.7.0/24\"}], [{subnet: \"fd00:10:244:7::/64\"}]],
		routes: [{dst: \"0.0.0.0/0\"}, {dst: \"::/0\"}]}"
}

leases() { grep -rl '^ctr-' "$DIR/leases" | wc -l; }

# teller VERSION...: an IPAM plugin that speaks these. It writes "verb container" for each call to $DIR/told, and its
# configuration to $DIR/<verb>.conf; it answers with what is in $DIR/<verb>.answer, and fails if that is an error.
teller() {
	cat >"$DIR/bin/teller" <<-EOT
		#!/bin/bash
		config=\$(</dev/stdin)
		version=\$(jq -r .cniVersion <<<"\$config")
		if [[ \$CNI_COMMAND == VERSION ]]; then
			printf '%s\n' $* | jq -Rn '{cniVersion: "1.0.0", supportedVersions: [inputs]}'
			exit
		fi
		echo "\$CNI_COMMAND \${CNI_CONTAINERID-}" >>$DIR/told
		echo "\$config" >"$DIR/\$CNI_COMMAND.conf"
		if [[ " $* " != *" \$version "* ]]; then
			echo '{"cniVersion": "1.0.0", "code": 1, "msg": "teller does not speak this version"}'
			exit 1
		fi
		cat "$DIR/\$CNI_COMMAND.answer" 2>/dev/null || exit 0
		! grep -q '"code"' "$DIR/\$CNI_COMMAND.answer"
	EOT
	chmod +x "$DIR/bin/teller"
	answer ADD '{"ips": [{"address": "10.244.7.7/24", "gateway": "10.244.7.1"}, {"address": "fd00:10:244:7::7/64"}],
		"routes": [{"dst": "0.0.0.0/0", "gw": "10.244.7.1"}, {"dst": "::/0"}], "dns": {"nameservers": ["10.96.0.10"]}}'
	conf '.ipam = {type: "teller"}'
}

answer() { jq -c '.cniVersion = "1.0.0"' <<<"$2" >"$DIR/$1.answer"; }

# told VERB-AND-CONTAINER,...: that, and nothing else, since the last time.
told() {
	same "$(paste -sd, "$DIR/told" 2>/dev/null)" "$1" "what the IPAM plugin was told"
	rm -f "$DIR/told"
}

verb() { CONF=$(jq -c '.cniVersion = "1.1.0"' <<<"$CONF") cni "$@" >/dev/null; }

reaches_world() {
	same "$(seen "$1" udp $SERVER4)" $NODE4
	same "$(seen "$1" udp $SERVER6)" $NODE6
	same "$(seen "$1" tcp $SERVER4)" $NODE4
	in_pod "$1" ping -q -c 1 -W 2 $SERVER4
	in_pod "$1" ping -q -c 1 -W 2 $SERVER6
}

# ---- host-local ------------------------------------------------------------------------------------------

@test "host-local: its address, our gateway, its routes; DEL gives all of it back" {
	host_local
	pod a
	pod b
	same "$(leases)" 4
	same "${ADDR4[a]} ${ADDR6[a]}" "10.244.7.2 fd00:10:244:7::2"
	same "$(jq -c '[.ips[] | .address, .gateway]' "$DIR/a.eth0.result")" \
		'["10.244.7.2/32","169.254.1.1","fd00:10:244:7::2/128","fe80::1"]'
	in_pod a ip route show default | grep 'via 169.254.1.1'
	reaches_world a
	in_pod a ping -q -c 1 -W 2 "${ADDR4[b]}"
	in_pod a ping -q -c 1 -W 2 "${ADDR6[b]}"
	cni CHECK a
	cni DEL a
	same "$(leases)" 2
	cni CHECK b
	cni DEL b
	same "$(leases)" 0
	nothing_left
}

@test "host-local 1.1.1 in a network of version 1.1.0: it is asked in its own, and not what it does not know" {
	host_local
	conf '.cniVersion = "1.1.0"'
	cni STATUS
	pod a
	same "$(jq -r .cniVersion "$DIR/a.eth0.result")" 1.1.0
	reaches_world a
	cni CHECK a
	gc a
	cni CHECK a
	pod b
	gc a		# b's lease is given back, by a DEL
	same "$(leases)" 2
	cni DEL a
	same "$(leases)" 0
	nothing_left
}

@test "host-local: a DEL that comes late, without a namespace or a prevResult" {
	host_local
	pod a
	in_node umount "$DIR/a"
	rm "$DIR/a.eth0.result"
	cni DEL a
	same "$(leases)" 0
	nothing_left
	cni DEL a
}

@test "host-local: its error comes back as it is" {
	host_local
	conf '.ipam.ranges = [[{subnet: "10.244.7.0/30"}]]'
	pod a
	netns b
	refused 999 "IPAM plugin 'host-local': failed to allocate" ADD b
	same "$(leases)" 1
	same "$(attachments_state | grep -c ctr-b)" 0 "what is left of b"
	same "$(seen a udp $SERVER4)" $NODE4
}

# ---- verbs and versions ------------------------------------------------------------------------------------

@test "verbs are passed on to a plugin that knows them all" {
	teller 0.4.0 1.0.0 1.1.0
	conf '.cniVersion = "1.1.0"'
	cni STATUS
	told "STATUS "
	pod a
	told "ADD ctr-a"
	reaches_world a
	cni CHECK a
	told "CHECK ctr-a"
	same "$(jq -r '.prevResult.ips[0].address' "$DIR/CHECK.conf")" "10.244.7.7/32"
	gc a
	told "GC "
	same "$(jq -c '."cni.dev/valid-attachments"[0].containerID' "$DIR/GC.conf")" '"ctr-a"'
	cni DEL a
	told "DEL ctr-a"
	nothing_left
}

@test "CHECK, GC and STATUS are not passed on to versions that do not know them" {
	local versions
	for versions in "0.3.0 0.3.1" "0.4.0 1.0.0"; do
		teller $versions
		conf '.cniVersion = "1.1.0"'
		cni STATUS
		told ""
		pod a
		told "ADD ctr-a,ADD ctr-a"	# refused in 1.1.0, asked again in its own
		same "$(jq -r .cniVersion "$DIR/ADD.conf")" "${versions#* }"
		gc a
		told ""
		cni CHECK a
		if [[ $versions == 0.3* ]]; then told ""; else told "CHECK ctr-a,CHECK ctr-a"; fi
		cni DEL a
		told "DEL ctr-a,DEL ctr-a"
	done
}

@test "errors of CHECK, GC and STATUS come back with their own code" {
	teller 1.0.0 1.1.0
	conf '.cniVersion = "1.1.0"'
	pod a
	answer CHECK '{"code": 123, "msg": "the lease has expired", "details": "yesterday"}'
	refused 123 "IPAM plugin 'teller': the lease has expired; yesterday" CHECK a
	answer STATUS '{"code": 50, "msg": "the server does not answer"}'
	refused 50 "the server does not answer" STATUS
	answer GC '{"code": 11, "msg": "not now"}'
	conf '."cni.dev/valid-attachments" = []'
	refused 11 "not now" GC
	told "ADD ctr-a,CHECK ctr-a,STATUS ,DEL ctr-a,GC "
	nothing_left
}

# ---- failures ----------------------------------------------------------------------------------------------

# undone CODE TEXT: ADD of a fails so, the plugin is told of it by a DEL, and nothing is left.
undone() {
	refused "$1" "$2" ADD a
	told "ADD ctr-a,DEL ctr-a"
	nothing_left
}

@test "a failed ADD is followed by its DEL" {
	teller 1.0.0
	netns a
	answer ADD '{"code": 110, "msg": "no lease"}'
	undone 110 "IPAM plugin 'teller': no lease"
	answer ADD '{"ips": []}'
	undone 103 "no address came"
	answer ADD '{"ips": [{"address": "10.244.7.777/24"}]}'
	undone 103 "ips[0].address"
	echo nonsense >"$DIR/ADD.answer"
	undone 103 "IPAM plugin 'teller'"
	: >"$DIR/ADD.answer"
	undone 103 "IPAM plugin 'teller'"

	# The delegate's part succeeds, ours does not.
	teller 1.0.0
	in_pod a ip link add eth0 type veth peer name other
	undone 4 "CNI_IFNAME 'eth0' already exists"
	in_pod a ip link del eth0
	cni ADD a >/dev/null
	told "ADD ctr-a"
	reaches_world a
}

@test "an address that a living pod has is not given to another" {
	teller 1.0.0
	pod a
	told "ADD ctr-a"
	netns b
	refused 101 "address 10.244.7.7 is taken by container 'ctr-a'" ADD b
	told "ADD ctr-b,DEL ctr-b"
	reaches_world a
	cni CHECK a
}

@test "a plugin that is killed, and one that is not there" {
	teller 1.0.0
	netns a
	printf '#!/bin/sh\n[ $CNI_COMMAND != ADD ] || kill -KILL $$\n' >"$DIR/bin/teller"
	refused 103 "was killed by signal 9" ADD a
	rm "$DIR/bin/teller"
	refused 103 "has no IPAM plugin 'teller'" ADD a
	# DEL cannot promise that the address is free if it cannot ask.
	refused 103 "has no IPAM plugin 'teller'" DEL a
	teller 1.0.0
	cni DEL a
	nothing_left
}

@test "a DEL that the plugin refuses fails, and is made up for by the next" {
	teller 1.0.0
	pod a
	answer DEL '{"code": 11, "msg": "not now"}'
	refused 11 "not now" DEL a
	same "$(in_node ip -o link show type veth | grep -c ctn)" 0 "links"
	rm "$DIR/DEL.answer" "$DIR/told"
	cni DEL a
	told "DEL ctr-a"
	nothing_left
}

@test "the table knows of single addresses as long as they are there" {
	teller 1.0.0
	conf '.nonMasqueradeCIDRs = ["10.244.0.0/16", "fd00:10:244::/48"]'
	pod a
	in_node nft list set inet ctnat pods4 | grep -w 10.244.7.7
	in_node nft list set inet ctnat pods6 | grep -w fd00:10:244:7::7
	reaches_world a
	cni CHECK a
	cni DEL a
	not grep 10.244.7.7 < <(in_node nft list set inet ctnat pods4)
	not grep fd00:10:244:7::7 < <(in_node nft list set inet ctnat pods6)
}

# ---- what came before us -----------------------------------------------------------------------------------

PREVIOUS='{"cniVersion": "1.0.0",
	"interfaces": [{"name": "before0", "mac": "02:00:00:00:00:01"}, {"name": "before1", "sandbox": "/proc/1/ns/net"}],
	"ips": [{"interface": 1, "address": "203.0.113.5/24", "gateway": "203.0.113.1"}],
	"routes": [{"dst": "203.0.113.128/25"}], "dns": {"nameservers": ["203.0.113.53"], "search": ["before.example"]},
	"unknown": {"kept": true}}'

@test "prevResult of an ADD is extended, not lost: behind another plugin, with each kind of IPAM" {
	local ipam
	teller 1.0.0
	for ipam in "$(jq -c .ipam <<<"$CONF")" '{"type": "ctnat", "ranges": [[{"subnet": "10.244.7.0/24", "rangeStart": "10.244.7.7"}],
		[{"subnet": "fd00:10:244:7::/64", "rangeStart": "fd00:10:244:7::7"}]], "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]}'; do
		conf ".ipam = $ipam | .prevResult = $PREVIOUS"
		pod a
		jq -e --argjson before "$PREVIOUS" '.cniVersion == "1.0.0" and .interfaces[:2] == $before.interfaces and
			.ips[:1] == $before.ips and .routes[:1] == $before.routes and .dns == $before.dns and
			.unknown == $before.unknown' "$DIR/a.eth0.result"
		same "$(jq -c '[.interfaces[2:][] | .name]' "$DIR/a.eth0.result")" "[\"$(host_side name a | tail -1)\",\"eth0\"]"
		same "$(jq -c '[.ips[1:][] | .interface, .address]' "$DIR/a.eth0.result")" \
			'[3,"10.244.7.7/32",3,"fd00:10:244:7::7/128"]'
		same "$(jq '.routes | length' "$DIR/a.eth0.result")" 3
		reaches_world a
		cni CHECK a
		cni DEL a
	done
	# As the only one, what the delegate says of DNS is what there is.
	conf ".ipam = {type: \"teller\"} | del(.prevResult)"
	pod b
	same "$(jq -c .dns "$DIR/b.eth0.result")" '{"nameservers":["10.96.0.10"]}'
}

@test "VERSION, as podman asks: a dummy environment" {
	local output
	output=$(in_node env -i CNI_COMMAND=VERSION CNI_CONTAINERID= CNI_NETNS=dummy CNI_IFNAME=dummy CNI_PATH=dummy CNI_ARGS= \
		"$CTNAT" <<<'{"cniVersion":"1.0.0"}')
	same "$(jq -c . <<<"$output")" \
		'{"cniVersion":"1.0.0","supportedVersions":["0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"]}'
	output=$(in_node env -i CNI_COMMAND=VERSION "$CTNAT" </dev/null)
	same "$(jq -c .supportedVersions <<<"$output")" '["0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"]'
	in_node test ! -e $BPFFS
}

@test "DEL after the network has moved to another IPAM plugin" {
	local moved
	teller 1.0.0
	for moved in '{"type": "ctnat", "ranges": [[{"subnet": "10.244.8.0/24"}]]}' '{"type": "host-local"}' '{}'; do
		conf ".ipam = {type: \"teller\"}"
		pod a
		conf ".ipam = $moved"
		CNI_PATH=$CNI_PATH:$(dirname "$CTNAT") cni DEL a
		told "ADD ctr-a,DEL ctr-a"
		nothing_left
	done
}

@test "CHECK after the network has moved to ctnat's own IPAM: nobody is asked who does not know the pod" {
	teller 1.0.0
	pod a
	conf '.ipam = {type: "ctnat", ranges: [[{subnet: "10.244.8.0/24"}]], routes: []}'
	CNI_PATH=$CNI_PATH:$(dirname "$CTNAT") cni CHECK a
	told "ADD ctr-a"
	cni DEL a
}
