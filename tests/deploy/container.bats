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
	local image=$BUILD/image/ctnat.oci.tar tool
	[[ -e $image ]] || { export WHY="no image: sudo make image"; return; }
	for tool in podman runc; do
		command -v $tool >/dev/null || { export WHY="no $tool: apt-get install --no-install-recommends podman runc"; return; }
	done
	export STORE=$BATS_FILE_TMPDIR/podman CGROUP=ctnat-test-$$
	podman_ load -q -i "$image" >/dev/null
	tests/deploy/render deploy/base >"$BATS_FILE_TMPDIR/base.json"
	tests/deploy/render deploy/uninstall >"$BATS_FILE_TMPDIR/uninstall.json"
}

teardown_file() {
	[[ -z ${WHY-} ]] || return 0
	find /sys/fs/cgroup -depth -type d -path "*/$CGROUP*" -exec rmdir {} +
}

setup() {
	[[ -z ${WHY-} ]] || skip "$WHY"
	load ../e2e/lib
	CTNAT=$BUILD/image/rootfs/usr/local/lib/ctnat/ctnat CTNATCTL=$BUILD/image/rootfs/usr/local/sbin/ctnatctl
	CONTAINER=
	node_up
	ROOT=$DIR/root		# where the node's directories are, of a node that is no machine
	{
		echo 'mount --make-rshared /'	# as systemd does
		cgroups
	} | in_node sh -e
}

teardown() {
	[[ -z ${WHY-} ]] || return 0
	[[ -z $CONTAINER ]] || { kill -KILL "$CONTAINER"; within 10 not kill -0 "$CONTAINER"; }
	node_down
}

# The node has a /sys of its own, in which the machine's cgroups are mounted once more: runtimes insist on them.
cgroups() {
	awk '$3 == "tmpfs" && $2 == "/sys/fs/cgroup" { print "mount -t tmpfs cgroup " $2 }
		$3 == "cgroup" {
			options = $4; sub(/^rw,(relatime,)?/, "", options)
			print "mkdir -p " $2 "; mount -t cgroup -o " options " cgroup " $2
		}
		$3 == "cgroup2" && $2 == "/sys/fs/cgroup" { print "mount -t cgroup2 cgroup2 " $2 }' /proc/self/mounts
}

# podman_ [in_node] ARGUMENT...
podman_() {
	local where=()
	[[ $1 != in_node ]] || { where=(nsenter -t "$NODE" --net --mount); shift; }
	CONTAINERS_CONF=$BATS_TEST_DIRNAME/containers.conf "${where[@]}" timeout -k 5 60 podman \
		--root "$STORE" --runroot "$STORE.run" --tmpdir "$STORE.tmp" \
		--storage-driver vfs --runtime runc --cgroup-manager cgroupfs --events-backend none "$@"
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

# run_it [OPTION...]: in the node, with these options of podman besides.
run_it() { podman_ in_node run --rm --pull never -i --cgroup-parent "/$CGROUP" "$@" "${ARGS[@]}"; }

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

@test "ctnatd has the rights and mounts that the DaemonSet gives it" {
	as base ctnatd
	podman_ in_node run --rm --detach --pull never --cgroup-parent "/$CGROUP" --pidfile "$DIR/pid" "${ARGS[@]}" >/dev/null
	CONTAINER=$(<"$DIR/pid")
	within 5 grep -qx ctnatd "/proc/$CONTAINER/comm"

	# what the process has, in numbers of linux/capability.h: NET_ADMIN 12, SYS_ADMIN 21, PERFMON 38, BPF 39
	local wanted
	wanted=$(printf '%016x' $((1 << 12 | 1 << 21 | 1 << 38 | 1 << 39)))
	diff - <(grep -E '^Cap(Eff|Prm|Bnd|Amb|Inh)|^Seccomp:|^Uid' "/proc/$CONTAINER/status" | tr '\t' ' ') <<-EOT
		Uid: 0 0 0 0
		CapInh: 0000000000000000
		CapPrm: $wanted
		CapEff: $wanted
		CapBnd: $wanted
		CapAmb: 0000000000000000
		Seccomp: 2
	EOT
	# the node's network, and no other of its namespaces
	same "$(readlink "/proc/$CONTAINER/ns/net")" "$(readlink "/proc/$NODE/ns/net")"
	[[ $(readlink "/proc/$CONTAINER/ns/pid") != "$(readlink /proc/self/ns/pid)" ]]
	[[ $(readlink "/proc/$CONTAINER/ns/mnt") != "$(readlink "/proc/$NODE/ns/mnt")" ]]

	# read-only but for what it is there for
	local inside=/proc/$CONTAINER/root path
	for path in / /usr/local/sbin /etc/ctnat /etc /sys /proc/sys; do
		run in_node findmnt -no OPTIONS -N "$CONTAINER" -T "$path"
		[[ $output == ro,* ]] || fail "$path is: $output"
	done
	for path in /opt/cni/bin /etc/cni/net.d /var/lib/ctnat; do
		touch "$inside$path/it"
		[[ -e $ROOT$path/it ]]
	done
	jq -e .overlay "$inside/etc/ctnat/ctnatd.json" >/dev/null
	same "$(in_node stat -c %d:%i /sys/fs/bpf)" "$(stat -c %d:%i "$inside/sys/fs/bpf")" "bpffs"
	# the node's sysctls, for writing there and not where they always are
	in_node sh -c "echo 1 >$inside/host/proc/sys/net/ipv4/conf/eth0/rp_filter"
	same "$(in_node sysctl -n net.ipv4.conf.eth0.rp_filter)" 1
	not in_node sh -c "echo 0 >$inside/proc/sys/net/ipv4/conf/eth0/rp_filter" 2>/dev/null
}

@test "the DaemonSet's rights are enough for the best level" {
	netns a
	add >/dev/null
	same "$(level)" full
}

@test "each right is needed" {
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
	in_node umount /sys/fs/bpf
	as base mount-bpffs
	run_it
	same "$(in_node stat -f -c %T /sys/fs/bpf)" bpf_fs
	run_it
	same "$(in_node grep -c ' /sys/fs/bpf bpf ' /proc/self/mounts)" 1
}

@test "the Job's rights are enough to remove everything" {
	pod a
	as uninstall ctnatctl
	instead ctnatctl uninstall
	run run_it
	[[ $status -ne 0 && $output == *'drain the pods first'* ]]
	cni DEL a
	run_it --security-opt unmask=/proc/sys
	not in_node nft list table inet ctnat 2>/dev/null
	not in_node test -e $BPFFS
}
