#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How podman runs a container as a manifest says: the arguments of `podman run`, each with a NUL behind it.

    podman_args.py MANIFEST.json CONTAINER --root DIR [--node NAME] [--service-account DIR]

MANIFEST.json is what tests/deploy/render prints. A hostPath is taken below --root, so that the machine's own directories are
not touched, except below /sys and /proc, which belong to the namespaces that podman is called in. What kubelet and runtime do
with a field is done with it here; a field of a security context or a volume that is not known here is an error, so that
nothing is left out in silence. What podman cannot enforce on this machine (AppArmor, SELinux) is passed on all the same.
"""
import argparse
import json
import os

PROPAGATION = {None: "rprivate", "HostToContainer": "rslave", "Bidirectional": "rshared"}


def known(what, fields, *names):
    unknown = set(fields) - set(names)
    if unknown:
        raise SystemExit(f"podman_args: {what} has {', '.join(sorted(unknown))}, which is not known here")


def security(pod, own):
    known("securityContext of the pod", pod, "runAsUser", "seccompProfile", "appArmorProfile", "seLinuxOptions")
    known("securityContext", own, "privileged", "readOnlyRootFilesystem", "capabilities")
    yield f"--user={pod['runAsUser']}"
    if own.get("readOnlyRootFilesystem"):
        yield from ("--read-only", "--read-only-tmpfs=false")
    if own.get("privileged"):
        yield "--privileged"
        return
    for capability in own["capabilities"].get("drop", []):
        yield f"--cap-drop={capability}"
    for capability in own["capabilities"].get("add", []):
        yield f"--cap-add={capability}"
    if pod["seccompProfile"] != {"type": "RuntimeDefault"}:  # which is podman's default, too
        raise SystemExit("podman_args: only RuntimeDefault is known here")
    if pod["appArmorProfile"]["type"] == "Unconfined":
        yield "--security-opt=apparmor=unconfined"
    for key, value in pod["seLinuxOptions"].items():
        yield f"--security-opt=label={key}:{value}"


def source(volume, objects, root):
    """The directory of a volume, made as kubelet makes it."""
    known("a volume", volume, "name", "hostPath", "configMap")
    if "configMap" in volume:
        data = next(o["data"] for o in objects if o["kind"] == "ConfigMap" and o["metadata"]["name"] == volume["configMap"]["name"])
        path = os.path.join(root, "configmaps", volume["configMap"]["name"])
        os.makedirs(path, exist_ok=True)
        for name, text in data.items():
            with open(os.path.join(path, name), "w") as file:
                file.write(text)
        return path
    known("a hostPath", volume["hostPath"], "path", "type")
    path = volume["hostPath"]["path"]
    if not path.startswith(("/sys/", "/proc/")):
        path = root + path
        if volume["hostPath"].get("type") == "DirectoryOrCreate":
            os.makedirs(path, exist_ok=True)
    return path


def mounts(pod, container, objects, root):
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    for mount in container["volumeMounts"]:
        known("a volumeMount", mount, "name", "mountPath", "readOnly", "mountPropagation")
        options = "ro" if mount.get("readOnly") else "rw"
        options += "," + PROPAGATION[mount.get("mountPropagation")]
        yield f"--volume={source(volumes[mount['name']], objects, root)}:{mount['mountPath']}:{options}"


def environment(container, node):
    for variable in container.get("env", []):
        if "value" in variable:
            yield f"--env={variable['name']}={variable['value']}"
        elif variable["valueFrom"] == {"fieldRef": {"fieldPath": "spec.nodeName"}}:
            yield f"--env={variable['name']}={node}"
        else:
            raise SystemExit(f"podman_args: env {variable['name']} is not known here")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("manifest")
    parser.add_argument("container")
    parser.add_argument("--root", required=True)
    parser.add_argument("--node", default="node")
    parser.add_argument("--service-account")
    options = parser.parse_args()

    with open(options.manifest) as file:
        objects = json.load(file)
    pod = next(o for o in objects if o["kind"] in ("DaemonSet", "Job"))["spec"]["template"]["spec"]
    container = next(c for c in pod["containers"] + pod.get("initContainers", []) if c["name"] == options.container)
    args = ["--network=host" if pod.get("hostNetwork") else "--network=none"]
    args += security(pod["securityContext"], container["securityContext"])
    args += mounts(pod, container, objects, options.root)
    args += environment(container, options.node)
    if options.service_account:
        args.append(f"--volume={options.service_account}:/var/run/secrets/kubernetes.io/serviceaccount:ro,rprivate")
    args += [f"--entrypoint={json.dumps(container['command'])}", container["image"], *container.get("args", [])]
    print("\0".join(args), end="\0")


main()
