# SPDX-License-Identifier: Apache-2.0
#
# podman and runc on nodes that are namespaces (tests/e2e/lib.bash). All of podman's storage belongs to the test file.

cd "$BATS_TEST_DIRNAME/../.." || exit

# image_up: the image, and what the manifests say, for setup_file. WHY: not to be had here.
image_up() {
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

image_down() {
	local end=$((SECONDS + 20))
	[[ -z ${WHY-} ]] || return 0
	# what podman runs behind a container that has ended
	until find /sys/fs/cgroup -depth -type d -path "*/$CGROUP*" -exec rmdir {} + 2>/dev/null; do
		[[ $SECONDS -lt $end ]] || { echo "cgroups $CGROUP are still in use"; return 1; }
		sleep 0.1
	done
}

# as_machine PROCESS: the node of that process gets what a machine has: mounts that propagate, as systemd makes them, and in its
# own /sys the cgroups, on which runtimes insist.
as_machine() {
	awk 'BEGIN { print "mount --make-rshared /" }
		$3 == "tmpfs" && $2 == "/sys/fs/cgroup" { print "mount -t tmpfs cgroup " $2 }
		$3 == "cgroup" {
			options = $4; sub(/^rw,(relatime,)?/, "", options)
			print "mkdir -p " $2 "; mount -t cgroup -o " options " cgroup " $2
		}
		$3 == "cgroup2" && $2 == "/sys/fs/cgroup" { print "mount -t cgroup2 cgroup2 " $2 }' /proc/self/mounts |
		nsenter -t "$1" --net --mount sh -e
}

# podman_ [PROCESS] ARGUMENT...: in the node of that process, if one is given.
podman_() {
	local where=()
	[[ $1 != [0-9]* ]] || { where=(nsenter -t "$1" --net --mount); shift; }
	CONTAINERS_CONF=$PWD/tests/deploy/containers.conf timeout -k 5 60 "${where[@]}" podman \
		--root "$STORE" --runroot "$STORE.run" --tmpdir "$STORE.tmp" \
		--storage-driver vfs --runtime runc --cgroup-manager cgroupfs --events-backend none "$@"
}
# podman_run PROCESS ARGUMENT...: a container that ends by itself if its test does not live to end it.
podman_run() { podman_ "$1" run --timeout 240 --pull never --cgroup-parent "/$CGROUP" "${@:2}"; }

# ---- in the cluster of tests/cluster/lab.bash, which is loaded before ---------------------------------

# agent NODE: of lab.bash, but as a container, with the configuration of the manifest. What the kubelet adds: the service account
# (podman_args.py), and where the API server is.
agent() {
	local args root=$DIR/$1/root
	if [[ ! -e $root ]]; then
		as_machine "${N[$1]}"
		mkdir -p "$root/opt/cni" "$root/etc/cni" "$root/var/lib" "$DIR/$1/lib/ctnat"
		ln -s "$DIR/$1/bin" "$root/opt/cni/bin"
		ln -s "$DIR/$1/net.d" "$root/etc/cni/net.d"
		ln -s "$DIR/$1/lib/ctnat" "$root/var/lib/ctnat"
		cp "$CNI_PATH/portmap" "$DIR/$1/bin/"
	fi
	mapfile -d '' args < <(tests/deploy/podman_args.py "$BATS_FILE_TMPDIR/base.json" ctnatd --root "$root" --node "$1" --service-account "$DIR/api")
	rm -f "$DIR/$1/pid"
	podman_run "${N[$1]}" --rm --detach --log-driver k8s-file --log-opt path="$DIR/$1/log" --pidfile "$DIR/$1/pid" \
		-e KUBERNETES_SERVICE_HOST=$API -e KUBERNETES_SERVICE_PORT=6443 "${args[@]}" >/dev/null
	AGENT[$1]=$(<"$DIR/$1/pid")
}

# containers_down: ctnatd ends, then what podman left running beside it.
containers_down() {
	local name
	for name in "${!AGENT[@]}"; do
		kill -KILL "${AGENT[$name]}"
		within 10 not kill -0 "${AGENT[$name]}"
	done 2>/dev/null
	AGENT=()
}
