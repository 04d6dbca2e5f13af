# SPDX-License-Identifier: Apache-2.0
#
# One node in a world of its own, and the plugin called as a runtime calls it.
#
#	pod a ─┐ eth0
#	       ├── node ── eth0 ─────── node ── world ── servers
#	pod b ─┘      192.0.2.10      192.0.2.1     198.51.100.1, 203.0.113.1, 169.254.169.254
#	      2001:db8:0:2::10   2001:db8:0:2::1    2001:db8:1::1, 2001:db8:2::1
#
# Node and world are processes in namespaces that live as long as they do; pods are namespaces bound to
# files that only the node's mount namespace sees. Nothing has a name outside, so any number of tests run side
# by side, and all of it dies with the test, however that ends (PDEATHSIG).
#
# The world has no route back to the pods, and wire.py listens where the node's uplink ends: what had a
# pod's address as its source, and was not declared with may_leave, fails the test that it happened in.

HERE=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
BUILD=$(realpath "${BUILD:-$HERE/../../build}")
CTNAT=${CTNAT:-$BUILD/ctnat} CTNATCTL=${CTNATCTL:-$BUILD/ctnatctl}
CNI_PATH=/usr/lib/cni
BPFFS=/sys/fs/bpf/ctnat

NODE4=192.0.2.10	NODE6=2001:db8:0:2::10
ROUTER4=192.0.2.1	ROUTER6=2001:db8:0:2::1
SERVER4=198.51.100.1	SERVER6=2001:db8:1::1		# port 7777 answers with the address and port it saw
OTHER4=203.0.113.1	OTHER6=2001:db8:2::1		# ... here too
GATEWAY4=169.254.1.1	GATEWAY6=fe80::1		# of every pod
METADATA=169.254.169.254				# ... and here
PORT=7777

# What the next call of the plugin reads; change it with conf.
CONF='{"cniVersion":"1.0.0","name":"pods","type":"ctnat","serviceCIDRs":["10.96.0.0/12"],
  "ipam":{"type":"ctnat","ranges":[[{"subnet":"10.244.1.0/24"}],[{"subnet":"fd00:10:244:1::/64"}]],
          "routes":[{"dst":"0.0.0.0/0"},{"dst":"::/0"}]}}'

declare -gA ADDR4 ADDR6		# of each pod, after `pod NAME`
NODE='' WORLD=''			# their processes
PIDS=()				# what this test started besides
LEAVING=()			# destinations that pods' addresses may be seen on the way to

# ---- building ----------------------------------------------------------------------------------------

# node_up: the world, the node and the uplink between them.
node_up() {
	DIR=$(mktemp -d "${BATS_TEST_TMPDIR:-/tmp}/node.XXXXXX")
	hold WORLD --net
	hold NODE --net --mount
	in_world sh -c "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.default.accept_dad=0 &&
		ip -batch -" <<-EOT
		link set lo up
		link add node type veth peer name eth0 netns $NODE
		link set node up
		addr add $ROUTER4/24 dev node
		addr add $ROUTER6/64 dev node nodad
		addr add $SERVER4/32 dev lo
		addr add $OTHER4/32 dev lo
		addr add $METADATA/32 dev lo
		addr add $SERVER6/128 dev lo nodad
		addr add $OTHER6/128 dev lo nodad
	EOT
	in_node sh -c "umount --recursive --lazy /sys && mount -t sysfs sysfs /sys && mount -t bpf bpf /sys/fs/bpf &&
		sysctl -qw net.ipv6.conf.eth0.accept_dad=0 && ip -batch -" <<-EOT
		link set lo up
		link set eth0 up
		addr add $NODE4/24 dev eth0
		addr add $NODE6/64 dev eth0 nodad
		route add default via $ROUTER4
		route add default via $ROUTER6
	EOT
	spawn wire in_world "$HERE/wire.py" node
	spawn server in_world "$HERE/peer.py" serve $PORT
	ready wire server
}

# plug DEVICE END ADDRESS4 ADDRESS6 ROUTER4 ROUTER6: one more device of the node, with the default routes; its end in the world.
plug() {
	in_world ip -batch - <<-EOT
		link add $2 type veth peer name $1 netns $NODE
		link set $2 up
		addr add $5/24 dev $2
		addr add $6/64 dev $2 nodad
	EOT
	in_node sysctl -qw "net.ipv6.conf.$1.accept_dad=0"
	in_node ip -batch - <<-EOT
		link set $1 up
		addr add $3/24 dev $1
		addr add $4/64 dev $1 nodad
		route replace default via $5
		route replace default via $6
	EOT
}

# hold VARIABLE UNSHARE-OPTION...: a process that does nothing, in namespaces of its own; its id in VARIABLE.
hold() {
	local -n pid=$1
	setpriv --pdeathsig KILL unshare "${@:2}" sleep infinity </dev/null >"$DIR/$1" 2>&1 3>&- &
	pid=$!
	until [[ $(cat "/proc/$pid/comm" 2>&1) == sleep ]]; do
		kill -0 "$pid" 2>/dev/null || fail "no namespaces: $(<"$DIR/$1")"
		sleep 0.002
	done
}

# netns NAME: an empty namespace for a pod, as a runtime makes it: bound to a file, loopback up.
netns() {
	touch "$DIR/$1"
	in_node unshare --net="$DIR/$1" ip link set lo up
}

# pod NAME [IFNAME]: netns and ADD.
pod() {
	netns "$1"
	cni ADD "$1" "${2:-eth0}" >/dev/null
}

# conf JQ-FILTER: changes the network configuration.
conf() { CONF=$(jq -c "$1" <<<"$CONF"); }

# cni VERB POD [IFNAME]: calls the plugin within the node. Its result goes to stdout, its status is returned, what it
# writes to stderr is kept. CHECK and DEL get the result of ADD as prevResult. PLUGIN=<file>: another plugin.
cni() {
	local verb=$1 pod=${2-} ifname=${3:-eth0} config=$CONF rc=0
	local result=$DIR/$pod.$ifname.result
	if [[ $verb == @(CHECK|DEL) && -s $result ]]; then
		config=$(jq -c --slurpfile prev "$result" '. + {prevResult: $prev[0]}' <<<"$config")
	fi
	in_node env CNI_COMMAND="$verb" CNI_CONTAINERID="${pod:+ctr-$pod}" CNI_NETNS="${pod:+$DIR/$pod}" \
		CNI_IFNAME="$ifname" CNI_PATH="$CNI_PATH" "${PLUGIN:-$CTNAT}" \
		<<<"$config" >"$DIR/stdout" 2>>"$DIR/stderr" || rc=$?
	if [[ $verb == ADD && $rc -eq 0 ]]; then
		cp "$DIR/stdout" "$result"
		local addr
		for addr in $(jq -r '.ips[]?.address' "$result"); do
			if [[ $addr == *:* ]]; then ADDR6[$pod]=${addr%/*}; else ADDR4[$pod]=${addr%/*}; fi
		done
	fi
	cat "$DIR/stdout"
	return $rc
}

# chained VERB POD CONFIGURATION: calls the plugin that stands behind ctnat in the list, with what came before it.
chained() {
	local CONF
	CONF=$(jq -c --slurpfile prev "$DIR/$2.eth0.result" \
		'. + {cniVersion: "1.0.0", name: "pods", prevResult: $prev[0]}' <<<"$3")
	PLUGIN=$CNI_PATH/$(jq -r .type <<<"$3") cni "$1" "$2"
}

# refused CODE TEXT VERB [POD [IFNAME]]: the call fails with that code of the specification, and a message that holds the text.
refused() {
	local rc=0
	cni "${@:3}" >/dev/null || rc=$?
	same $rc 1 "exit status of ${*:3}: $(<"$DIR/stdout")"
	same "$(jq -r .code "$DIR/stdout")" "$1" "code of ${*:3}: $(<"$DIR/stdout")"
	[[ $(jq -r .msg "$DIR/stdout") == *"$2"* ]] || fail "${*:3} does not say '$2': $(jq -r .msg "$DIR/stdout")"
}

# ---- being somewhere ---------------------------------------------------------------------------------

in_world() { nsenter -t "$WORLD" --net "$@"; }
in_node() { nsenter -t "$NODE" --net --mount "$@"; }
in_pod() { nsenter -t "$NODE" --mount nsenter --net="$DIR/$1" "${@:2}"; }

# spawn NAME COMMAND...: in the background, until the test ends. Output in $DIR/NAME.
# (setpriv cannot call a function: the in_* above become what they stand for.)
spawn() {
	local name=$1 where=("${@:2}")
	case $2 in
	in_world) where=(nsenter -t "$WORLD" --net "${@:3}") ;;
	in_node) where=(nsenter -t "$NODE" --net --mount "${@:3}") ;;
	in_pod) where=(nsenter -t "$NODE" --mount nsenter --net="$DIR/$3" "${@:4}") ;;
	esac
	: >"$DIR/$name"	# so that ready sees none of an older one's lines
	setpriv --pdeathsig KILL "${where[@]}" </dev/null >>"$DIR/$name" 2>&1 3>&- &
	PIDS+=($!)
	declare -g "PID_$name=$!"
}

# ready NAME...: waits until each has printed a first line.
ready() {
	local name
	for name; do
		within 10 test -s "$DIR/$name" || fail "$name did not start"
		grep -q '^ready' "$DIR/$name" || fail "$name: $(<"$DIR/$name")"
	done
}

# within SECONDS COMMAND...: tries until it succeeds.
within() {
	local end=$((SECONDS + $1 + 1))
	until "${@:2}" >/dev/null 2>&1; do
		[[ $SECONDS -lt $end ]] || return 1
		sleep 0.01
	done
}

# ---- looking -----------------------------------------------------------------------------------------

# ask POD PROTOCOL ADDRESS [PORT] [OPTION...]: prints "address port" that the server saw.
ask() {
	local pod=$1 protocol=$2 address=$3 port=$PORT
	shift 3
	if [[ ${1-} == [0-9]* ]]; then
		port=$1
		shift
	fi
	in_pod "$pod" "$HERE/peer.py" ask "$protocol" "$address" "$port" "$@"
}

# seen POD PROTOCOL ADDRESS...: the address alone, where the port is the table's to choose.
seen() { ask "$@" | cut -d' ' -f1; }

# forge POD KIND...: one frame of forge.py, sent from the pod to the node.
forge() { in_pod "$1" "$HERE/forge.py" eth0 "$(host_mac "$1")" "${@:2}"; }

# outside SOURCE DESTINATION PROTOCOL: such a frame has left the node.
outside() { within 2 grep -qxF "$1 $2 $3" "$DIR/wire"; }

# entry PROTOCOL SOURCE DESTINATION: conntrack's reply tuple for the flow, as "source destination".
entry() {
	local family=ipv4
	[[ $2 != *:* ]] || family=ipv6
	in_node conntrack -L -f $family -p "$1" -s "$2" -d "$3" 2>/dev/null |
		sed -nE '1s/.*src=.* src=([^ ]+) dst=([^ ]+) .*/\1 \2/p'
}

# counter REASON: packets that left our programs for that reason.
counter() { in_node "$CTNATCTL" stats -o json | jq ".\"$1\".packets // 0"; }

# The node's end of the pod's veth: its name, its MAC.
host_link() { host_side name "$@"; }
host_mac() { host_side mac "$@"; }
host_side() { jq -r ".interfaces[] | select(.sandbox // \"\" | . == \"\") | .$1" "$DIR/$2.${3:-eth0}.result"; }

fail() { echo "$*" >&2; return 1; }
not() { ! "$@" || fail "succeeded: $*"; }	# bash ignores the failure of a plain `! command`
same() { [[ $1 == "$2" ]] || fail "${3:+$3: }got '$1', not '$2'"; }
grew() { [[ $(counter "$1") -gt $2 ]] || fail "counter $1 stayed at $2"; }

# ---- the end -----------------------------------------------------------------------------------------

# may_leave DESTINATION: packets with a pod's address may go there in this test.
may_leave() { LEAVING+=("$1"); }

# node_down: what must hold after every test; then all of it goes.
node_down() {
	local rc=0
	[[ -n ${BATS_TEST_COMPLETED-} ]] || explain
	no_leak || rc=1
	sane_stderr || rc=1
	finish "${PIDS[@]}"
	nobody_left || rc=1
	finish "$NODE" "$WORLD"
	return $rc
}

# no_leak [NAME]: ends the wire.py that was spawned by that name. What it wrote: "source destination protocol", each once,
# and at its end how many frames it lost.
no_leak() {
	local capture=$DIR/${1:-wire} pid=PID_${1:-wire}
	[[ -n ${!pid-} ]] || fail "no capture ran" || return
	kill -TERM "${!pid}" 2>/dev/null || fail "the capture died: $(<"$capture")" || return
	wait "${!pid}" || true
	grep -qx 'lost 0' "$capture" || fail "the capture is not complete: $(tail -1 "$capture")" || return
	local leaks dst
	leaks=$(grep -E '^(10\.244\.|fd00:10:244:)' "$capture" || true)
	for dst in "${LEAVING[@]}"; do leaks=$(grep -vF " $dst " <<<"$leaks" || true); done
	[[ -z $leaks ]] || fail "left the node with a pod's address: $leaks"
}

# A plugin's stderr belongs to the runtime; a sanitizer that writes there has found something.
sane_stderr() {
	[[ ! -e $DIR/stderr ]] || ! grep -qE 'Sanitizer|runtime error' "$DIR/stderr" || fail "$(<"$DIR/stderr")"
}

# finish PID...: also where there is none. (To bash's kill, "" is the whole process group.)
finish() {
	local pid
	for pid; do
		[[ -n $pid ]] || continue
		kill -KILL "$pid" || true
		wait "$pid" || true
	done
} 2>/dev/null

# While the namespaces are still there: their inode numbers are soon others'.
nobody_left() {
	local node world left
	node=$(readlink "/proc/$NODE/ns/mnt")
	world=$(readlink "/proc/$WORLD/ns/net")
	# "mnt:[4026532575]" is no pattern
	left=$(find /proc -maxdepth 3 -path '/proc/[0-9]*/ns/*' \( -lname "${node//[/\\[}" -o -lname "${world//[/\\[}" \) \
		! -path "/proc/$NODE/*" ! -path "/proc/$WORLD/*" 2>/dev/null || true)
	[[ -z $left ]] || fail "still running in the node or the world: $left"
}

# For whoever reads why a test failed.
explain() {
	echo "--- the plugin said"; jq -c . "$DIR/stdout"; tail -n 20 "$DIR/stderr"
	echo "--- counters"; in_node "$CTNATCTL" stats -o json | jq -c 'with_entries(select(.value.packets? > 0))'
	echo "--- journal"; in_node "$CTNATCTL" log | tail -n 10
	echo "--- outside"; tail -n 20 "$DIR/wire"
} 2>/dev/null || true
