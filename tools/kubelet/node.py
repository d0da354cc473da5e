"""A node that runs pods as a cluster's do, in namespaces of its own on this machine.

The node has a network in which the API server is at the address that pods know it by, and nothing
else is: no address of the machine's, no internet. Pods are connected to it by CNI's ptp. Mounts and
processes are its own, too: they end with its first process. What the kernel keeps beside them, its
containers' groups of processes (cgroups), is removed.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from tools.kubelet.images import PAUSE, pack, pack_pause
from tools.kubelet.packages import CONTAINERD
from tools.local_cloud.control_plane import SERVICE_ADDRESS, ControlPlane
from tools.local_cloud.go_programs import KUBELET, SCHEDULER
from tools.local_cloud.processes import Program, start_program
from tools.nodeagent.network import Network, open_network
from tools.nodeagent.relays import Relays

CGROUPS = Path("/sys/fs/cgroup")
#: What the kubelet's containers are called by in containerd, which names their groups after it, and
#: where containerd keeps those that run.
_NAMESPACE = "k8s.io"
_TASKS = f"io.containerd.runtime.v2.task/{_NAMESPACE}"
_READY_S, _GONE_S = 180, 10
#: Where pods have their addresses: beside the loopback, which has all of 10.0.0.0/8.
_PODS = "172.30.0.0/24"
_START = Path(__file__).with_name("start.sh")
#: Snapshotters of file systems that this machine may not have, and what needs a collector.
_DISABLED = (
    *(f"io.containerd.snapshotter.v1.{name}" for name in ("aufs", "btrfs", "devmapper", "zfs")),
    "io.containerd.internal.v1.tracing",
)


@dataclass(frozen=True, slots=True)
class Node:
    """A running node, by its name."""

    name: str
    folder: Path
    program: Program = field(repr=False)

    def processes(self) -> list[int]:
        """Return the processes that run in its pods, by this machine's numbers."""
        found = {
            int(line)
            for group in self.groups()
            for line in (group / "cgroup.procs").read_text().split()
        }
        return sorted(found)

    def groups(self) -> list[Path]:
        """Return the groups of its containers, in each hierarchy."""
        tasks = Path(f"/proc/{self.program.process.pid}/root/run/containerd") / _TASKS
        names = [path.name for path in tasks.iterdir()] if tasks.exists() else []
        made = (root / _NAMESPACE / name for name in names for root in _hierarchies())
        return [path for path in made if path.exists()]

    def wait_until_ready(self, plane: ControlPlane) -> None:
        """Return once the API server has it as ready; raise with its last words where it ends."""
        deadline = time.monotonic() + _READY_S
        words = ("get", "nodes", "--selector", f"kubernetes.io/hostname={self.name}")
        while " Ready" not in plane.administrator.kubectl(*words, "--no-headers"):
            if self.program.has_ended or time.monotonic() > deadline:
                raise RuntimeError(f"node {self.name} is not ready: {self._last_words()}")
            time.sleep(0.5)

    def _last_words(self) -> str:
        said = [self.program.last_words()]
        for name in ("containerd.log", "kubelet.log"):
            log = self.folder / name
            said.append(log.read_text(errors="replace")[-2000:] if log.exists() else "")
        return "\n".join(said)


@contextmanager
def real_node(
    plane: ControlPlane, name: str, images: Mapping[str, Path], folder: Path
) -> Iterator[Node]:
    """Give *plane* a ready node that has *images*, OCI layouts by the names that pods call them.

    Kubernetes' scheduler puts pods on it. For root alone; raises RuntimeError where it gets not
    ready.
    """
    (folder / "made").mkdir(parents=True)
    _write_configuration(folder)
    _write_images(images, folder)
    with ExitStack() as stack:
        network = open_network(folder, of_root=True)
        stack.callback(network.close)
        relays = Relays()
        stack.callback(relays.close)
        _lead_to_api_server(plane, network, relays, folder)
        inside = ["unshare", "--mount", "--propagation=private"]
        inside += ["--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc", "--"]
        words: list[str | Path] = [folder, CONTAINERD.path().parents[2], KUBELET.path(), name]
        command: list[str | Path] = [*network.joined_by, *inside, "sh", _START, *words]
        node = Node(name, folder, start_program(command, folder / "node.log"))
        stack.callback(_end, node)
        options = (f"--kubeconfig={plane.administrator.kubeconfig}", "--leader-elect=false")
        scheduler: list[str | Path] = [SCHEDULER.path(), *options, "--secure-port=0"]
        stack.callback(start_program(scheduler, folder / "kube-scheduler.log").stop)
        node.wait_until_ready(plane)
        yield node


def why_not() -> str:
    """Return why this machine can have no node, empty where it can: who is root may not do all."""
    if os.geteuid() != 0:
        return "who is not root can run no kubelet"
    if (CGROUPS / "cgroup.procs").exists():
        return "this machine's groups of processes are of version 2, with which no node was tried"
    name = f"vmbackup-try-{os.getpid()}"
    try:
        for root in _hierarchies():
            (root / name).mkdir()
            (root / name).rmdir()
    except OSError as error:
        return f"this machine's root may make no groups of processes: {error}"
    namespaces = ["unshare", "--mount", "--propagation=private", "--net", "--pid", "--fork"]
    tried = subprocess.run(
        [*namespaces, "--mount-proc", "--", "mount", "-t", "tmpfs", "none", "/run"],
        check=False,
        capture_output=True,
        text=True,
    )
    if tried.returncode:
        return f"this machine's root may mount nothing: {tried.stderr.strip()}"
    return ""


def traces() -> set[str]:
    """Return what nodes leave on this machine where they do not clean up: mounts, groups, files."""
    mounted = Path("/proc/mounts").read_text().splitlines()
    made = ("/var/lib/kubelet", "/run/containerd", "/etc/cni", "/opt/containerd", "/var/log/pods")
    return {
        *(line for line in mounted if "containerd" in line or "kubelet" in line),
        *(str(root / _NAMESPACE) for root in _hierarchies() if (root / _NAMESPACE).exists()),
        *(path for path in made if Path(path).exists()),
    }


def _end(node: Node) -> None:
    """End all that runs on it, and remove the groups, once the last of each one's processes went.

    containerd's own group goes where nobody else has any in it.
    """
    groups = node.groups()
    node.program.kill()  # the first process of its namespaces heeds nothing less
    deadline = time.monotonic() + _GONE_S
    while (left := [group for group in groups if not _is_removed(group)]) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.05)
    for group in left:
        print(f"{group} stays: a process of it is left", file=sys.stderr)
    for root in _hierarchies():
        _is_removed(root / _NAMESPACE)


def _is_removed(group: Path) -> bool:
    with suppress(OSError):
        group.rmdir()
    return not group.exists()


def _lead_to_api_server(
    plane: ControlPlane, network: Network, relays: Relays, folder: Path
) -> None:
    """Have the API server answer in the network at its Service's address, and write how to ask."""
    at = urlsplit(plane.url)
    listener = network.listen(SERVICE_ADDRESS, 443)
    relays.serve(listener, lambda: socket.create_connection((str(at.hostname), int(at.port or 0))))
    kubeconfig = yaml.safe_load(plane.administrator.kubeconfig.read_text())
    for cluster in kubeconfig["clusters"]:
        cluster["cluster"]["server"] = f"https://{SERVICE_ADDRESS}:443"
    path = folder / "kubeconfig"
    path.touch(mode=0o600)
    path.write_text(json.dumps(kubeconfig))


def _write_images(images: Mapping[str, Path], folder: Path) -> None:
    (folder / "images").mkdir()
    busybox = CONTAINERD.path().parents[2] / "bin" / "busybox"
    pack_pause(busybox, folder / "pause", folder / "images" / "0.tar")
    for number, (name, layout) in enumerate(images.items(), 1):
        pack(layout, name, folder / "images" / f"{number}.tar")


def _write_configuration(folder: Path) -> None:
    made = folder / "made"
    networks = folder / "networks"
    networks.mkdir()
    (networks / "pods.conflist").write_text(json.dumps(_pods_network(made)))
    cri = {
        "sandbox_image": PAUSE,
        "restrict_oom_score_adj": True,  # who is root in a container may not lower it
        "cni": {
            "bin_dir": str(CONTAINERD.path().parents[1] / "lib" / "cni"),
            "conf_dir": str(networks),
        },
    }
    plugins = {
        "io.containerd.grpc.v1.cri": cri,
        "io.containerd.internal.v1.opt": {"path": str(made / "opt")},
    }
    said = {
        "version": 2,
        "root": str(made / "containerd"),
        "state": "/run/containerd",
        "disabled_plugins": list(_DISABLED),
        "plugins": plugins,
    }
    (folder / "containerd.toml").write_text("\n".join(_toml(said)))
    (folder / "kubelet.yaml").write_text(json.dumps(_kubelet(made)))


def _pods_network(made: Path) -> dict[str, object]:
    addresses = {
        "type": "host-local",
        "dataDir": str(made / "addresses"),
        "ranges": [[{"subnet": _PODS}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    plugin = {"type": "ptp", "ipam": addresses}
    return {"cniVersion": "1.0.0", "name": "pods", "plugins": [plugin]}


def _kubelet(made: Path) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},  # of its own port, which only its network has
        "cgroupDriver": "cgroupfs",
        "cgroupsPerQOS": False,
        "enforceNodeAllocatable": [],
        "failCgroupV1": False,
        "failSwapOn": False,
        "address": "127.0.0.1",
        "readOnlyPort": 0,
        "healthzPort": 0,
        "localStorageCapacityIsolation": False,
        "imageGCHighThresholdPercent": 100,
        "evictionHard": dict.fromkeys(
            ("nodefs.available", "nodefs.inodesFree", "imagefs.available"), "0%"
        )
        | {"memory.available": "1Mi"},
        "podLogsDir": str(made / "logs"),
        "volumePluginDir": str(made / "plugins"),
        "resolvConf": "",
    }


def _toml(said: Mapping[str, object], path: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the lines of *said* as TOML: strings, lists, numbers and tables of those."""
    tables = {key: value for key, value in said.items() if isinstance(value, Mapping)}
    if path:
        yield f"[{'.'.join(json.dumps(part) for part in path)}]"
    yield from (f"{key} = {json.dumps(value)}" for key, value in said.items() if key not in tables)
    for key, value in tables.items():
        yield from _toml(value, (*path, key))


def _hierarchies() -> list[Path]:
    """Return the roots of the machine's groups: one for each kind of limit."""
    folders = (path for path in CGROUPS.iterdir() if not path.is_symlink())
    return [path for path in folders if (path / "cgroup.procs").exists()]
