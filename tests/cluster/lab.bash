# SPDX-License-Identifier: Apache-2.0
#
# A cluster in namespaces: an API server, and nodes that each run the real ctnatd, as a container of theirs would.
#
#	n1 192.0.2.11 ─┐                    world: router, API server 192.0.2.1:6443, servers 198.51.100.1, 2001:db8:1::1
#	n2 192.0.2.12 ─┼── lan (bridge) ──┤
#	n3 192.0.2.13 ─┘                    └── far (bridge) ── nodes that are not on-link, 203.0.113.0/24
#
# Each node has a network, a bpffs, and directories of its own: $DIR/<node>/{bin,net.d,etc,lib}. Pods are made as the
# kubelet's runtime would: by the plugin and the configuration that ctnatd installed there.

load ../e2e/lib

CTNATD=${CTNATD:-$BUILD/ctnatd}
APISERVER=$HERE/../cluster/apiserver.py
API=192.0.2.1 API6=2001:db8:0:2:fffe::1
declare -gA N N4 N6 AGENT	# of each node: its process, its addresses, its ctnatd

in_n() { nsenter -t "${N[$1]}" --net --mount "${@:2}"; }
in_p() { nsenter -t "${N[$1]}" --mount nsenter --net="$DIR/$1/$2" "${@:3}"; }
api() { "$APISERVER" ctl "$DIR/api" "$@"; }

# ---- building ----------------------------------------------------------------------------------------

# cluster_up NODE...: with the podCIDRs 10.244.<number>.0/24 and fd00:10:244:<number>::/64.
cluster_up() {
	local name
	DIR=$(mktemp -d "${BATS_TEST_TMPDIR:-/tmp}/cluster.XXXXXX")
	hold WORLD --net
	in_world sh -c 'sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.default.accept_dad=0 &&
		ip -batch -' <<-EOT
		link set lo up
		link add lan address 02:00:00:00:00:01 type bridge
		link set lan up
		addr add $API/24 dev lan
		addr add 2001:db8:0:2::1/64 dev lan nodad
		addr add $API6/64 dev lan nodad
		link add far address 02:00:00:00:00:02 type bridge
		link set far up
		addr add 203.0.113.129/25 dev far
		addr add 2001:db8:9::1/64 dev far nodad
		addr add $SERVER4/32 dev lo
		addr add $SERVER6/128 dev lo nodad
	EOT
	api_up
	spawn server in_world "$HERE/peer.py" serve $PORT
	ready server
	for name; do join "$name"; done
}

api_up() {
	spawn apiserver in_world "$APISERVER" serve "$DIR/api" ${API_BIND:-$API} 6443
	ready apiserver
}

# object NAME: the Node, as the kubelet and the controller manager would have it. PROVIDER=<providerID>
object() {
	local n=${1#n}
	jq -nc --arg name "$1" --arg v4 "${N4[$1]}" --arg v6 "${N6[$1]}" --arg provider "${PROVIDER-}" \
		--arg pods4 "${PODS4-10.244.$n.0/24}" --arg pods6 "${PODS6-fd00:10:244:$n::/64}" '
		{apiVersion: "v1", kind: "Node", metadata: {name: $name}, spec: ({
			podCIDR: $pods4, podCIDRs: [$pods4, $pods6] | map(select(. != ""))} +
			if $provider == "" then {} else {providerID: $provider} end),
		status: {addresses: [{type: "InternalIP", address: $v4}, {type: "InternalIP", address: $v6},
			{type: "Hostname", address: $name}],
			conditions: [{type: "NetworkUnavailable", status: "True", reason: "NoRoute"}]}}'
}

# node NAME [lan|far]: a machine without ctnatd.
node() {
	local name=$1 where=${2:-lan} n=${1#n} net4 net6 gw4
	hold HELD --net --mount
	N[$name]=$HELD
	if [[ $where == lan ]]; then
		net4=192.0.2.1$n/24 net6=2001:db8:0:2::1$n/64 gw4=$API
	else
		net4=203.0.113.13$n/25 net6=2001:db8:9::1$n/64 gw4=203.0.113.129
	fi
	N4[$name]=${net4%/*} N6[$name]=${net6%/*}
	in_world ip -batch - <<-EOT
		link add $name type veth peer name eth0 netns $HELD
		link set $name master $where up
	EOT
	mkdir -p "$DIR/$name"/{bin,net.d,etc,lib}
	in_n "$name" sh -c "umount --recursive --lazy /sys && mount -t sysfs sysfs /sys && mount -t bpf bpf /sys/fs/bpf &&
		mount --bind '$DIR/$name/lib' /var/lib && sysctl -qw net.ipv6.conf.eth0.accept_dad=0 && ip -batch -" <<-EOT
		link set lo up
		link set eth0 up
		addr add $net4 dev eth0
		addr add $net6 dev eth0 nodad
		route add default via $gw4
		route add default via ${net6%::*}::1
	EOT
	echo '{}' >"$DIR/$name/etc/ctnatd.json"
	jq 'del(.plugins[1:])' "$HERE/../../conf/10-ctnat.conflist" |
		jq '.plugins[0] |= {type, capabilities, ipam: {type: "ctnat", routes: [{dst: "0.0.0.0/0"}, {dst: "::/0"}]}}' \
		>"$DIR/$name/etc/10-ctnat.conflist"
}

# agent NAME [OPTION...]: ctnatd on that node.
agent() {
	local name=$1
	setpriv --pdeathsig KILL nsenter -t "${N[$name]}" --net --mount env KUBERNETES_SERVICE_HOST=${API_HOST:-$API} \
		KUBERNETES_SERVICE_PORT=6443 NODE_NAME="$name" "$CTNATD" --config "$DIR/$name/etc/ctnatd.json" \
		--conflist "$DIR/$name/etc/10-ctnat.conflist" --plugin "${PLUGIN_FROM:-$CTNAT}" --cni-bin "$DIR/$name/bin" \
		--cni-conf "$DIR/$name/net.d" --service-account "$DIR/api" "${@:2}" \
		</dev/null >>"$DIR/$name/log" 2>&1 3>&- &
	AGENT[$name]=$!
}

# join NAME [lan|far]: a node that the API server knows, with ctnatd.
join() {
	node "$@"
	object "$1" | api put nodes -
	agent "$1"
}

# leave NAME: the node is gone, for the API server and from the network.
leave() {
	api delete nodes "$1"
	finish "${AGENT[$1]}" "${N[$1]}"
	unset "AGENT[$1]" "N[$1]"
}

# pod NODE NAME: as the runtime of that node makes one. Its addresses: P4[NODE/NAME], P6[NODE/NAME].
declare -gA P4 P6
cpod() {
	touch "$DIR/$1/$2"
	in_n "$1" unshare --net="$DIR/$1/$2" ip link set lo up
	ccni ADD "$1" "$2" >"$DIR/$1/$2.result" || fail "ADD of $2 on $1: $(<"$DIR/$1/$2.result")"
	P4[$1/$2]=$(jq -r '[.ips[].address | select(contains(":") | not)][0] // "" | split("/")[0]' "$DIR/$1/$2.result")
	P6[$1/$2]=$(jq -r '[.ips[].address | select(contains(":"))][0] // "" | split("/")[0]' "$DIR/$1/$2.result")
}

# ccni VERB NODE NAME
ccni() {
	jq -c '{cniVersion, name} + .plugins[0]' "$DIR/$2/net.d/10-ctnat.conflist" |
		in_n "$2" env CNI_COMMAND="$1" CNI_CONTAINERID="ctr-$3" CNI_NETNS="$DIR/$2/$3" CNI_IFNAME=eth0 \
			CNI_PATH="$DIR/$2/bin" "$DIR/$2/bin/ctnat" 2>>"$DIR/stderr"
}

# ---- looking -----------------------------------------------------------------------------------------

is_ready() {
	local name
	for name; do grep -q 'can serve pods' "$DIR/$name/log" || return 1; done
}
serves() { within 20 is_ready "$@" || fail "$(tail -n 20 "$DIR/$1/log")"; }

# class NODE ADDRESS: of that destination: 1 BPF, 2 kernel, 3 service, 4 leave.
class() {
	local key
	key=$(python3 -IS -c 'import ipaddress, sys
a = ipaddress.ip_address(sys.argv[1]).packed
print("128 0 0 0", *(a if len(a) == 16 else bytes(10) + b"\xff\xff" + a))' "$2")
	in_n "$1" bpftool -j map lookup pinned /sys/fs/bpf/ctnat/v4/masq_cidrs key $key | jq '.formatted.value.class // .value.class' |
		tr -d '"' | sed 's/CLASS_BPF/1/; s/CLASS_KERNEL/2/; s/CLASS_SERVICE/3/; s/CLASS_LEAVE/4/'
}
has_class() { [[ $(class "$1" "$2") == "$3" ]]; }
# classed NODE ADDRESS CLASS: soon.
classed() { within 2 has_class "$@" || same "$(class "$1" "$2")" "$3" "class of $2 on $1"; }

# our_routes NODE: "prefix via gateway device", of both families.
our_routes() {
	{ in_n "$1" ip -4 route show proto 202; in_n "$1" ip -6 route show proto 202; } |
		sed -E 's/ (src|metric|proto|pref|mtu|advmss|error|scope|proto) [^ ]+//g; s/ onlink//; s/via fe80:[^ ]+/via a link-local address/; s/ *$//' | sort
}
has_routes() { [[ $(our_routes "$1") == "$2" ]]; }

# routes NODE TEXT: within two seconds just these.
routes() { within 3 has_routes "$@" || same "$(our_routes "$1")" "$2" "routes of $1"; }

# reaches NODE POD ADDRESS...: over TCP and UDP and by ping, whichever the family.
reaches() {
	local address
	for address in "${@:3}"; do
		in_p "$1" "$2" ping -q -c 1 -W 2 "$address" >/dev/null || fail "$1/$2 does not reach $address"
	done
}

# asks NODE POD PROTOCOL ADDRESS: prints the source that the server there saw.
asks() { in_p "$1" "$2" "$HERE/peer.py" ask "$3" "$4" $PORT | cut -d' ' -f1; }

# serve_in NODE POD: answers there.
serve_in() {
	setpriv --pdeathsig KILL nsenter -t "${N[$1]}" --mount nsenter --net="$DIR/$1/$2" "$HERE/peer.py" serve $PORT \
		</dev/null >"$DIR/$1/$2.server" 2>&1 3>&- &
	PIDS+=($!)
	within 5 grep -q ready "$DIR/$1/$2.server"
}

# three_nodes: n1, n2 and n3 with a pod each, which reach each other and the world, with their own addresses and their node's.
three_nodes() {
	local a b
	cluster_up n1 n2 n3
	serves n1 n2 n3
	for a in n1 n2 n3; do cpod $a pod; done
	for a in n1 n2 n3; do
		serve_in $a pod
		for b in n1 n2 n3; do
			[[ $a == "$b" ]] || reaches $a pod "${P4[$b/pod]}" "${P6[$b/pod]}"
		done
		same "$(asks $a pod tcp $SERVER4)" "${N4[$a]}"
		same "$(asks $a pod udp $SERVER6)" "${N6[$a]}"
	done
	same "$(asks n1 pod tcp "${P4[n2/pod]}")" "${P4[n1/pod]}"
	same "$(asks n2 pod udp "${P6[n3/pod]}")" "${P6[n2/pod]}"
}

# page NODE PATH: of its ctnatd.
page() { in_n "$1" python3 -IS -c 'import sys, urllib.request, urllib.error
try:
    print(urllib.request.urlopen("http://127.0.0.1:10244" + sys.argv[1], timeout=5).read().decode(), end="")
except urllib.error.HTTPError as error:
    print(error.read().decode(), end="")
    sys.exit(1)' "$2"; }

# ---- the end -----------------------------------------------------------------------------------------

cluster_down() {
	local rc=0 name
	if [[ -z ${BATS_TEST_COMPLETED-} ]]; then
		for name in "${!N[@]}"; do echo "--- $name"; tail -n 20 "$DIR/$name/log"; done
	fi
	for name in "${!N[@]}"; do
		! grep -E 'Sanitizer|runtime error' "$DIR/$name/log" || rc=1
	done
	sane_stderr || rc=1
	finish "${AGENT[@]}" "${PIDS[@]}" "${N[@]}" "$WORLD"
	return $rc
}
