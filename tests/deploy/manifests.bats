#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The manifests as `kubectl kustomize` renders them, field by field, against what ctnatd needs: no more, no fewer. The
# kubectl is Debian 13's, unpacked (tests/deploy/trixie); kustomizations become arrays of objects for jq.

cd "$BATS_TEST_DIRNAME/../.." || exit
COMPONENTS='k3s microk8s rke2 talos podmonitor'

setup_file() {
	if ! KUBECTL=$(tests/deploy/trixie kubectl usr/bin/kubectl 2>"$BATS_FILE_TMPDIR/why"); then
		WHY="no kubectl of Debian 13: $(tail -n 1 "$BATS_FILE_TMPDIR/why")"
	elif ! /usr/bin/python3 -c 'import yaml' 2>/dev/null; then
		WHY="no python3-yaml"
	fi
	export KUBECTL WHY
}

setup() {
	[[ -z ${WHY-} ]] || skip "$WHY"
}

render() {
	local kept=$BATS_FILE_TMPDIR/${1//\//_}
	[[ -e $kept ]] || { tests/deploy/render "$1" >"$kept.new" && mv "$kept.new" "$kept"; } || return
	cat "$kept"
}

# component NAME: base and uninstall with that component on top.
component() {
	local dir=$BATS_FILE_TMPDIR/with-$1 up
	mkdir -p "$dir"
	up=$(realpath --relative-to="$dir" deploy)
	printf '%s\n' "resources: [$up/base, $up/uninstall]" "components: [$up/components/$1]" >"$dir/kustomization.yaml"
	render "$dir"
}

# one KIND: the object of that kind in $RENDERED.
one() { jq -e --arg kind "$1" '[.[] | select(.kind == $kind)] | if length == 1 then .[0] else error("not one \($kind)") end' <<<"$RENDERED"; }

# equal WANTED GOT: the same JSON.
equal() { diff <(jq -S . <<<"$1") <(jq -S . <<<"$2"); }

@test "every kustomization renders, and has no field that Kubernetes does not know" {
	local dir name typed
	for dir in base kind overlay-network uninstall $COMPONENTS; do
		if [[ -d deploy/$dir ]]; then RENDERED=$(render "deploy/$dir"); else RENDERED=$(component "$dir"); fi
		[[ $(jq length <<<"$RENDERED") -gt 0 ]]
		# `set image` reads into the types of the API and writes those: what they do not have is lost.
		for name in DaemonSet Job; do
			jq -c --arg kind $name '.[] | select(.kind == $kind)' <<<"$RENDERED" >"$BATS_TEST_TMPDIR/object"
			[[ -s $BATS_TEST_TMPDIR/object ]] || continue
			typed=$("$KUBECTL" set image --local -f "$BATS_TEST_TMPDIR/object" '*=other' -o json)
			equal '[]' "$(jq --argjson typed "$typed" -c '[paths(scalars) | map(tostring)] -
				[$typed | paths(scalars) | map(tostring)]' "$BATS_TEST_TMPDIR/object")" || { echo "in $dir"; return 1; }
		done
	done
}

@test "deploy/kustomizations are all tested here" {
	equal "$(printf '%s\n' base kind overlay-network uninstall $COMPONENTS | sort | jq -R . | jq -s .)" \
		"$(find deploy -name kustomization.yaml -printf '%h\n' | sed 's#.*/##' | sort | jq -R . | jq -s .)"
}

@test "RBAC: the calls that ctnatd makes, no more and no fewer" {
	RENDERED=$(render deploy/base)
	diff <(sort tests/cluster/calls.expected) \
		<(one ClusterRole | jq -r '.rules[] | .verbs[] as $v | .resources[] as $r | "\($v) \($r)"' | sort)
	# of the right groups, and of nothing by a wildcard, a name or a URL
	equal '["/nodes", "/nodes/status", "/services", "networking.k8s.io/servicecidrs"]' \
		"$(one ClusterRole | jq '[.rules[] | .apiGroups[] as $g | .resources[] | "\($g)/\(.)"] | sort')"
	equal '["apiGroups", "resources", "verbs"]' "$(one ClusterRole | jq '[.rules[] | keys[]] | unique')"
	one ClusterRoleBinding | jq -e '.roleRef.name == "ctnat" and .roleRef.kind == "ClusterRole" and
		.subjects == [{kind: "ServiceAccount", name: "ctnat", namespace: "kube-system"}]'
	one DaemonSet | jq -e '.spec.template.spec.serviceAccountName == "ctnat"'
	one ServiceAccount | jq -e '.metadata.name == "ctnat"'
}

@test "DaemonSet: on every node, first of all, without the network that it makes" {
	RENDERED=$(render deploy/base)
	one DaemonSet | jq -e '.metadata.namespace == "kube-system" and .metadata.name == "ctnat"'
	one DaemonSet | jq -e '.spec.template.metadata.labels as $l | .spec.selector.matchLabels | length > 0 and
		all(to_entries[]; $l[.key] == .value)'
	one DaemonSet | jq -e '.spec.updateStrategy.rollingUpdate.maxUnavailable == "10%"'
	one DaemonSet | jq -e '.spec.template.spec |
		.hostNetwork and .dnsPolicy == "Default" and .priorityClassName == "system-node-critical" and
		.tolerations == [{operator: "Exists"}] and .nodeSelector == {"kubernetes.io/os": "linux"} and
		.terminationGracePeriodSeconds <= 10 and (.hostPID or .hostIPC or .shareProcessNamespace | not)'
	# killed by nobody for what it takes, and with a share that is asked for
	one DaemonSet | jq -e '[.spec.template.spec | .containers[], .initContainers[] |
		.resources | has("limits") == false and .requests.cpu != null and .requests.memory != null] | all'
	# one image, of the version in this tree
	equal "[\"ctnat:$(<VERSION)\"]" "$(one DaemonSet | jq '[.spec.template.spec | .containers[], .initContainers[] | .image] | unique')"
}

@test "DaemonSet: ctnatd's privileges, each with its reason" {
	RENDERED=$(render deploy/base)
	equal '{"readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN", "BPF", "PERFMON", "SYS_ADMIN"]}}' \
		"$(one DaemonSet | jq '.spec.template.spec.containers[] | .securityContext')"
	equal '{"runAsUser": 0, "seccompProfile": {"type": "RuntimeDefault"}, "appArmorProfile": {"type": "Unconfined"}, "seLinuxOptions": {"type": "spc_t"}}' \
		"$(one DaemonSet | jq '.spec.template.spec.securityContext')"
	local capability
	for capability in NET_ADMIN BPF PERFMON SYS_ADMIN; do
		grep -B 1 -E "^ +- $capability\$" deploy/base/daemonset.yaml | head -n 1 | grep -E '^ +# ..'
	done
}

@test "DaemonSet: ctnatd's mounts, and nothing else of the node" {
	RENDERED=$(render deploy/base)
	equal '[
		{"at": "/etc/cni/net.d", "from": "/etc/cni/net.d", "type": "DirectoryOrCreate"},
		{"at": "/etc/ctnat", "configMap": "ctnat", "readOnly": true},
		{"at": "/host/proc/sys/net", "from": "/proc/sys/net", "type": "Directory"},
		{"at": "/opt/cni/bin", "from": "/opt/cni/bin", "type": "DirectoryOrCreate"},
		{"at": "/sys/fs/bpf", "from": "/sys/fs/bpf", "type": "Directory", "propagation": "HostToContainer"},
		{"at": "/var/lib/ctnat", "from": "/var/lib/ctnat", "type": "DirectoryOrCreate"}
	]' "$(one DaemonSet | jq '.spec.template.spec | (.volumes | map({key: .name, value: .}) | from_entries) as $volumes |
		[.containers[].volumeMounts[] | $volumes[.name] as $v | {
			at: .mountPath, from: $v.hostPath.path, type: $v.hostPath.type, configMap: $v.configMap.name,
			readOnly, propagation: .mountPropagation
		} | with_entries(select(.value != null))] | sort_by(.at)')"
	# every volume is used
	one DaemonSet | jq -e '.spec.template.spec | ([.volumes[].name] | sort) == ([.containers[].volumeMounts[].name] | sort)'
	# where ctnatd is told to find /proc/sys is where it is
	one DaemonSet | jq -e '.spec.template.spec.containers[0].args | index("--proc-sys=/host/proc/sys")'
}

@test "DaemonSet: the only privileged container mounts bpffs, and has nothing else" {
	RENDERED=$(render deploy/base)
	equal '[{"name": "mount-bpffs", "command": ["ctnatd", "mount-bpffs"],
		"securityContext": {"privileged": true, "readOnlyRootFilesystem": true},
		"volumeMounts": [{"name": "bpffs", "mountPath": "/sys/fs/bpf", "mountPropagation": "Bidirectional"}]}]' \
		"$(one DaemonSet | jq '[.spec.template.spec.initContainers[] | {name, command, securityContext, volumeMounts}]')"
}

@test "DaemonSet: probes ask where the configuration makes ctnatd answer" {
	RENDERED=$(render deploy/base)
	local address
	address=$(one ConfigMap | jq -r '.data["ctnatd.json"] | fromjson | .metricsAddress')
	equal "[{\"name\": \"metrics\", \"containerPort\": ${address##*:}}]" \
		"$(one DaemonSet | jq '.spec.template.spec.containers[].ports')"
	one DaemonSet | jq -e --arg host "${address%:*}" '.spec.template.spec.containers[] |
		def at(path): .httpGet == {host: $host, port: "metrics", path: path};
		(.startupProbe | at("/healthz")) and (.livenessProbe | at("/healthz")) and (.readinessProbe | at("/readyz"))'
	one DaemonSet | jq -e '.spec.template.spec.containers[].env ==
		[{name: "NODE_NAME", valueFrom: {fieldRef: {fieldPath: "spec.nodeName"}}}]'
}

@test "ConfigMap: plain JSON under the names that ctnatd reads, and a name without a hash" {
	RENDERED=$(render deploy/base)
	one ConfigMap | jq -e '.metadata.name == "ctnat" and .metadata.namespace == "kube-system" and
		(.data | keys) == ["10-ctnat.conflist", "ctnatd.json"]'
	one ConfigMap | jq -e '.data["ctnatd.json"] | fromjson | .overlay == "auto" and (keys -
		["nonMasqueradeCIDRs", "masqueradeCIDRs", "uplinks", "mtu", "overlay", "portRange", "datapath", "logLevel", "metricsAddress"]) == []'
	one ConfigMap | jq -e '.data["10-ctnat.conflist"] | fromjson | .name == "pods" and [.plugins[].type] == ["ctnat", "portmap"]'
	# what ctnatd fills in is not there to contradict it
	one ConfigMap | jq -e '.data["10-ctnat.conflist"] | fromjson | .plugins[0] | keys == ["capabilities", "ipam", "type"] and
		(.ipam | has("ranges") | not)'
	cmp conf/ctnatd.json deploy/base/ctnatd.json
}

# changed DIRECTORY|COMPONENT: what it changes in base (and uninstall), as [kind, path, value]; what it takes away, as [kind, path].
changed() {
	local base
	if [[ -d deploy/$1 ]]; then
		base=$(render deploy/base) RENDERED=$(render "deploy/$1")
	else
		base=$(jq -s add <(render deploy/base) <(render deploy/uninstall)) RENDERED=$(component "$1")
	fi
	jq -n --argjson a "$base" --argjson b "$RENDERED" '
		def leaf: (type | . != "object" and . != "array") or length == 0;
		def flat: [.[] | .kind as $kind | . as $o | paths(leaf) as $p | [$kind, ($p | map(tostring) | join("/")), ($o | getpath($p))]];
		def names: flat | map(.[:2]);
		($b | flat) - ($a | flat) + (($a | names) - ($b | names))'
}

@test "kind: the image that was loaded, and nothing else" {
	equal '[["DaemonSet", "spec/template/spec/containers/0/imagePullPolicy", "Never"],
		["DaemonSet", "spec/template/spec/initContainers/0/imagePullPolicy", "Never"]]' "$(changed kind)"
	/usr/bin/python3 -c 'import sys, yaml; c = yaml.safe_load(open(sys.argv[1])); assert c["networking"]["disableDefaultCNI"]' deploy/kind/cluster.yaml
}

@test "overlay-network: overlay is always, and nothing else" {
	local changed
	changed=$(changed overlay-network)
	equal '["ConfigMap", "data/ctnatd.json"]' "$(jq '.[0][:2]' <<<"$changed")"
	[[ $(jq length <<<"$changed") -eq 1 ]]
	equal "$(jq '.overlay = "always"' deploy/base/ctnatd.json)" "$(jq '.[0][2] | fromjson' <<<"$changed")"
}

@test "k3s, MicroK8s: the runtime's directories, of both workloads, and nothing else" {
	directories() {
		jq -n --arg bin "$1" --arg conf "$2" '[("DaemonSet", "Job") as $kind |
			[$kind, "spec/template/spec/volumes/0/hostPath/path", $bin],
			[$kind, "spec/template/spec/volumes/1/hostPath/path", $conf]]'
	}
	# k3s: and where its plugins, which are links, lead to
	equal "$(directories /var/lib/rancher/k3s/data/cni /var/lib/rancher/k3s/agent/etc/cni/net.d | jq '. + ([
			["containers/0/volumeMounts/6/mountPath", "/var/lib/rancher/k3s/data"],
			["containers/0/volumeMounts/6/name", "k3s-data"],
			["containers/0/volumeMounts/6/readOnly", true],
			["volumes/6/hostPath/path", "/var/lib/rancher/k3s/data"],
			["volumes/6/hostPath/type", "Directory"],
			["volumes/6/name", "k3s-data"]
		] | map(["DaemonSet", "spec/template/spec/" + .[0], .[1]])) | sort')" "$(changed k3s | jq sort)"
	equal "$(directories /var/snap/microk8s/current/opt/cni/bin /var/snap/microk8s/current/args/cni-network)" "$(changed microk8s)"
}

@test "RKE2, Talos: where the API server is, and nothing else" {
	server() {
		jq -n --arg port "$1" '[
			["DaemonSet", "spec/template/spec/containers/0/env/1/name", "KUBERNETES_SERVICE_HOST"],
			["DaemonSet", "spec/template/spec/containers/0/env/1/value", "localhost"],
			["DaemonSet", "spec/template/spec/containers/0/env/2/name", "KUBERNETES_SERVICE_PORT"],
			["DaemonSet", "spec/template/spec/containers/0/env/2/value", $port]]'
	}
	equal "$(server 6443)" "$(changed rke2)"
	equal "$(server 7445)" "$(changed talos)"
}

@test "PodMonitor: scrapes the pods of the DaemonSet, at their port" {
	RENDERED=$(component podmonitor)
	equal "$(one DaemonSet | jq .spec.selector)" "$(one PodMonitor | jq .spec.selector)"
	equal "$(one DaemonSet | jq '[.spec.template.spec.containers[].ports[].name]')" \
		"$(one PodMonitor | jq '[.spec.podMetricsEndpoints[].port]')"
}

@test "uninstall: a Job that waits for its node, with no right that ctnatd has not" {
	local base
	base=$(RENDERED=$(render deploy/base) one DaemonSet)
	RENDERED=$(render deploy/uninstall)
	[[ $(jq length <<<"$RENDERED") -eq 1 ]]
	one Job | jq -e '.spec.suspend and .spec.backoffLimit == 0 and .metadata.namespace == "kube-system"'
	one Job | jq -e '.spec.template.spec | .hostNetwork and .restartPolicy == "Never" and
		.automountServiceAccountToken == false and .tolerations == [{operator: "Exists"}] and (has("nodeName") | not)'
	one Job | jq -e --argjson base "$base" '.spec.template.spec as $job | $base.spec.template.spec as $agent |
		$job.securityContext == $agent.securityContext and
		$job.containers[0].securityContext == $agent.containers[0].securityContext and
		$job.containers[0].image == $agent.containers[0].image and
		$job.volumes == ($agent.volumes | map(select(.hostPath))) and
		($job.containers[0].volumeMounts | map([.name, .mountPath])) - ($agent.containers[0].volumeMounts | map([.name, .mountPath])) == []'
	# its arguments name what is mounted
	one Job | jq -e '.spec.template.spec.containers[0] | [.volumeMounts[].mountPath] as $at |
		[.args[1:][] | sub("^--[a-z-]+="; "")] - $at == ["/host/proc/sys"]'
}

# A kubectl that has no cluster: writes down what it is asked, renders for real, and answers as the files in $CLUSTER say.
fake_kubectl() {
	CLUSTER=$BATS_TEST_TMPDIR/cluster
	mkdir -p "$BATS_TEST_TMPDIR/bin" "$CLUSTER"
	cat >"$BATS_TEST_TMPDIR/bin/kubectl" <<-EOT
		#!/bin/bash
		case \$* in
		kustomize* | 'patch --local'*) exec $KUBECTL "\$@" ;;
		create*) cat >$CLUSTER/created; echo "create \$(grep -oP 'nodeName: \\K.*' $CLUSTER/created)" >>$CLUSTER/log; exit ;;
		*'get daemonset'*) cat $CLUSTER/daemonset 2>/dev/null; exit 0 ;;
		*'get pods'*) cat $CLUSTER/pods 2>/dev/null; exit 0 ;;
		*'get job'*--output\ name) exit ;;
		*'get job'*) cat $CLUSTER/state; exit ;;
		'get node'*) [[ -e $CLUSTER/node.\$3 ]] || { echo "no node \$3" >&2; exit 1; } ; exit ;;
		esac
		echo "\$*" | sed 's/--namespace kube-system //; s/ --.*//' >>$CLUSTER/log
	EOT
	chmod +x "$BATS_TEST_TMPDIR/bin/kubectl"
	PATH=$BATS_TEST_TMPDIR/bin:$PATH
	touch "$CLUSTER"/{log,node.one,node.two}
}

@test "uninstall: node after node" {
	fake_kubectl
	echo Complete >"$CLUSTER/state"
	deploy/uninstall/uninstall one two
	diff - "$CLUSTER/log" <<-EOT
		create one
		logs job/ctnat-uninstall
		delete job ctnat-uninstall
		create two
		logs job/ctnat-uninstall
		delete job ctnat-uninstall
	EOT
	grep -x '  suspend: false' "$CLUSTER/created"
	run grep -e --force "$CLUSTER/created"
	[[ $status -ne 0 ]]
	deploy/uninstall/uninstall --force one
	grep -xe '        - --force' "$CLUSTER/created"
}

@test "uninstall: stops at the first node that refuses" {
	fake_kubectl
	echo Failed >"$CLUSTER/state"
	run deploy/uninstall/uninstall one two
	[[ $status -ne 0 && $output == *'one: failed'* ]]
	[[ $(grep -c create "$CLUSTER/log") -eq 1 ]]
}

@test "uninstall: touches nothing while the DaemonSet is there, or if a node is not" {
	fake_kubectl
	echo daemonset.apps/ctnat >"$CLUSTER/daemonset"
	run deploy/uninstall/uninstall one
	[[ $status -ne 0 && $output == *'kubectl delete -k deploy/base'* ]]
	rm "$CLUSTER/daemonset"
	echo pod/ctnat-x >"$CLUSTER/pods"
	run deploy/uninstall/uninstall one
	[[ $status -ne 0 && $output == *'still running'* ]]
	rm "$CLUSTER/pods"
	run deploy/uninstall/uninstall one three
	[[ $status -ne 0 && $output == *'no node three'* ]]
	[[ ! -s $CLUSTER/log ]]
}

@test "the dashboard shows every metric, and none that is not" {
	local dashboard=deploy/grafana/ctnat.json
	diff <(sort tests/deploy/metrics.expected) <(jq -r '.. | strings' $dashboard | grep -oE '\<ctnat_[a-z_]+' | sort -u)
	# what it calls dropped is what the programs drop
	diff <(sed -nE 's/.*X\(DROP_[A-Z_]+, "([a-z_]+)".*/\1/p' bpf/reasons.h | sort) \
		<(jq -r '.. | .expr? // empty' $dashboard | grep -oP 'reason=~"\K[^"]+' | tr '|' '\n' | sort -u)
	jq -e '([.panels[].id] | unique | length) == (.panels | length)' $dashboard
	jq -e '[.panels[].gridPos | range(.x; .x + .w) as $x | range(.y; .y + .h) as $y | [$x, $y]] | length == (unique | length)' $dashboard
}

@test "the Dockerfile: what it copies is there, its shell is sound, and its programs are those of the manifests" {
	local path
	for path in $(sed -n 's/^!//p' .dockerignore); do [[ -e $path ]] || { echo "no $path"; return 1; }; done
	# every file that it names and that is not made there
	for path in $(grep -oE '\<(deploy|bpf)/[a-zA-Z/]+' Dockerfile); do [[ -e $path ]] || { echo "no $path"; return 1; }; done
	/usr/bin/python3 - Dockerfile >"$BATS_TEST_TMPDIR/run.sh" <<-'EOT'
		import re, sys
		text = re.sub(r"^#.*\n", "", open(sys.argv[1]).read(), flags=re.M).replace("\\\n", "")
		print("\n".join(line[4:] for line in text.splitlines() if line.startswith("RUN ")))
	EOT
	[[ $(wc -l <"$BATS_TEST_TMPDIR/run.sh") -ge 3 ]]
	sh -n "$BATS_TEST_TMPDIR/run.sh"
	RENDERED=$(jq -s add <(render deploy/base) <(render deploy/uninstall))
	for path in $(jq -r '.. | .command? // empty | .[0]' <<<"$RENDERED" | sort -u); do
		grep -E "install .*/usr/local/sbin .*\<$path\>" Dockerfile
	done
}
