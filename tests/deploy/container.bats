#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# runs alone: podman's storage, and cgroups of the machine's own hierarchy
#
# The image, run by podman and runc as the manifests say: capabilities, seccomp, read-only root, mounts and their propagation
# are taken from what `kubectl kustomize` renders (podman_args.py), on a node that is a namespace of its own. What
# this machine cannot enforce is not tested: AppArmor (unconfined is asked for) and SELinux (spc_t).
#
#	sudo make test-image

cd "$BATS_TEST_DIRNAME/../.." || exit

setup_file() {
	load podman
	image_up
}
teardown_file() {
	load podman
	image_down
}

setup() {
	[[ -z ${WHY-} ]] || skip "$WHY"
	load ../cluster/lab
	load podman
	CTNAT=$BUILD/image/rootfs/usr/local/lib/ctnat/ctnat CTNATCTL=$BUILD/image/rootfs/usr/local/sbin/ctnatctl
}

teardown() {
	[[ -z ${WHY-} ]] || return 0
	if [[ ${#N[@]} -gt 0 ]]; then
		containers_down
		cluster_down
	elif [[ -n $NODE ]]; then
		node_down
	fi
}

# one_node: without a cluster. Its directories are not the machine's, but below ROOT.
one_node() {
	node_up
	ROOT=$DIR/root
	as_machine "$NODE"
}

# as MANIFEST CONTAINER [WITHOUT...]: what podman is told, in ARGS; without these capabilities.
as() {
	local arg args without=" ${*:3} "
	mapfile -d '' args < <(tests/deploy/podman_args.py "$BATS_FILE_TMPDIR/$1.json" "$2" --root "$ROOT")
	[[ ${#args[@]} -gt 5 ]]
	ARGS=()
	for arg in "${args[@]}"; do
		[[ $arg == --cap-add=* && $without == *" ${arg#*=} "* ]] || ARGS+=("$arg")
	done
}

# instead PROGRAM ARGUMENT...: the same container, but this program of the image.
instead() {
	local i
	for i in "${!ARGS[@]}"; do [[ ${ARGS[i]} != --entrypoint=* ]] || break; done
	ARGS=("${ARGS[@]:0:i}" --entrypoint="[\"$1\"]" "${ARGS[i + 1]}" "${@:2}")
}

# run_it [OPTION...]: that container in the node, with these options of podman besides.
run_it() { podman_run "$NODE" --rm -i "$@" "${ARGS[@]}"; }

# add [WITHOUT...]: the plugin makes the node's base state, and a pod, with the rights that ctnatd has. (The plugin sets sysctls where
# they always are; ctnatd is told where they can be set.)
add() {
	as base ctnatd "$@"
	instead /usr/local/lib/ctnat/ctnat
	run_it "${SECCOMP[@]}" --security-opt unmask=/proc/sys --volume "$DIR/a:/netns:rw" \
		-e CNI_COMMAND=ADD -e CNI_CONTAINERID=ctr-a -e CNI_NETNS=/netns -e CNI_IFNAME=eth0 -e CNI_PATH=/ <<<"$CONF"
}
level() { in_node "$CTNATCTL" status -o json | jq -r .datapath; }
SECCOMP=()

@test "three nodes, whose ctnatd are containers as the DaemonSet says, are a network" {
	local name
	three_nodes
	for name in n1 n2 n3; do
		same "$(in_n $name "$CTNATCTL" status -o json | jq -r .datapath)" full
	done

	# what they asked of the API server is what they may ask
	diff <(api log | awk '{ print $1, $3 ($4 == "-" ? "" : "/" $4) }' | sort -u) tests/cluster/calls.expected
	# the plugin that they installed is the image's
	cmp "$DIR/n1/bin/ctnat" "$CTNAT"
}

# get NODE PATH: the page, with its status as the last line, if the DaemonSet's port is where it is.
get() {
	in_n "$1" /usr/bin/python3 -IS -c 'import sys, urllib.request, urllib.error
try: answer = urllib.request.urlopen(sys.argv[1], timeout=5)
except urllib.error.HTTPError as error: answer = error
print(answer.read().decode(), answer.status, sep="\n")' "http://127.0.0.1:$PROBE_PORT$2"
}

@test "ctnatd answers the DaemonSet's probes, and has the metrics that the dashboard shows" {
	local path PROBE_PORT
	cluster_up n1
	serves n1
	PROBE_PORT=$(jq '.[] | select(.kind == "DaemonSet") | .spec.template.spec.containers[].ports[].containerPort' "$BATS_FILE_TMPDIR/base.json")
	for path in $(jq -r '.[] | select(.kind == "DaemonSet") | .spec.template.spec.containers[] |
		.startupProbe, .livenessProbe, .readinessProbe | .httpGet.path' "$BATS_FILE_TMPDIR/base.json"); do
		same "$(get n1 "$path" | tail -n 1)" 200 "$path"
	done
	diff <(sort tests/deploy/metrics.expected) <(get n1 /metrics | awk '$2 == "TYPE" { print $3 }' | sort)
}

@test "ctnatd has the rights and mounts that the DaemonSet gives it" {
	cluster_up n1
	serves n1
	local pid=${AGENT[n1]}

	# in numbers of linux/capability.h: NET_ADMIN 12, SYS_ADMIN 21, PERFMON 38, BPF 39
	local wanted
	wanted=$(printf '%016x' $((1 << 12 | 1 << 21 | 1 << 38 | 1 << 39)))
	diff - <(grep -E '^Cap(Eff|Prm|Bnd|Amb|Inh)|^Seccomp:|^Uid' "/proc/$pid/status" | tr '\t' ' ') <<-EOT
		Uid: 0 0 0 0
		CapInh: 0000000000000000
		CapPrm: $wanted
		CapEff: $wanted
		CapBnd: $wanted
		CapAmb: 0000000000000000
		Seccomp: 2
	EOT
	# the node's network, and no other of its namespaces
	same "$(readlink "/proc/$pid/ns/net")" "$(readlink "/proc/${N[n1]}/ns/net")"
	[[ $(readlink "/proc/$pid/ns/pid") != "$(readlink /proc/self/ns/pid)" ]]
	[[ $(readlink "/proc/$pid/ns/mnt") != "$(readlink "/proc/${N[n1]}/ns/mnt")" ]]

	# read-only but for what it is there for
	local inside=/proc/$pid/root path
	for path in / /usr/local/sbin /etc/ctnat /etc /sys /proc/sys /var/run/secrets/kubernetes.io/serviceaccount; do
		run in_n n1 findmnt -no OPTIONS -N "$pid" -T "$path"
		[[ $output == ro,* ]] || fail "$path is: $output"
	done
	for path in opt/cni/bin etc/cni/net.d var/lib/ctnat; do
		touch "$inside/$path/it"
		[[ -e $DIR/n1/root/$path/it ]]
	done
	same "$(in_n n1 stat -c %d:%i /sys/fs/bpf)" "$(stat -c %d:%i "$inside/sys/fs/bpf")" "bpffs"
	# the node's sysctls can be set, and only there
	in_n n1 sh -c "echo 1 >$inside/host/proc/sys/net/ipv4/conf/eth0/rp_filter"
	same "$(in_n n1 sysctl -n net.ipv4.conf.eth0.rp_filter)" 1
	not in_n n1 sh -c "echo 0 >$inside/proc/sys/net/ipv4/conf/eth0/rp_filter" 2>/dev/null
}

@test "the Job removes everything, and nothing while pods live" {
	cluster_up n1
	serves n1
	cpod n1 pod
	containers_down
	local args
	mapfile -d '' args < <(tests/deploy/podman_args.py "$BATS_FILE_TMPDIR/uninstall.json" ctnatd --root "$DIR/n1/root")
	run podman_run "${N[n1]}" --rm "${args[@]}"
	echo "$output"
	[[ $status -ne 0 && $output == *'drain the pods first'* ]]
	[[ -e $DIR/n1/bin/ctnat && -e $DIR/n1/net.d/10-ctnat.conflist ]]
	ccni DEL n1 pod
	podman_run "${N[n1]}" --rm "${args[@]}"
	not in_n n1 nft list table inet ctnat 2>/dev/null
	not in_n n1 test -e $BPFFS
	same "$(our_routes n1)" ''
	same "$(ls "$DIR/n1/bin" "$DIR/n1/net.d" "$DIR/n1/lib/ctnat")" "$(printf '%s\n' "$DIR/n1/bin:" portmap '' "$DIR/n1/lib/ctnat:" '' "$DIR/n1/net.d:")"
}

@test "the DaemonSet's rights are enough for the best level" {
	one_node
	netns a
	add >/dev/null
	same "$(level)" full
}

@test "each right is needed" {
	one_node
	netns a
	not add NET_ADMIN
	in_node "$CTNATCTL" uninstall --force
	not add SYS_ADMIN
	in_node "$CTNATCTL" uninstall --force
	# The runtime's seccomp profile may want SYS_ADMIN for bpf(2): what follows is about the kernel. SYS_ADMIN is the right to
	# everything that BPF and PERFMON are, so these two show their worth without it.
	SECCOMP=(--security-opt seccomp=unconfined)
	not add SYS_ADMIN
	same "$(level)" assisted
	in_node "$CTNATCTL" uninstall --force
	not add SYS_ADMIN PERFMON
	same "$(level)" nftables
	in_node "$CTNATCTL" uninstall --force
	not add SYS_ADMIN BPF
	same "$(level)" null
}

@test "the init container mounts bpffs for the node where there is none, once" {
	one_node
	in_node umount /sys/fs/bpf
	as base mount-bpffs
	run_it
	same "$(in_node stat -f -c %T /sys/fs/bpf)" bpf_fs
	run_it
	same "$(in_node grep -c ' /sys/fs/bpf bpf ' /proc/self/mounts)" 1
}
