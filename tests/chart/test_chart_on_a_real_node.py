"""The chart and the image on a node as clusters have them: kubelet, containerd and runc.

What is tried here and nowhere else: that the image unpacks and starts as a container runtime does
it, and that what the pods' template asks for is what the kernel does. There is no kube-proxy and no
DNS, so no Service is reached; nothing of Azure is there, and the operator starts all the same.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.chart.charted import HOME, TEAM, Document
from tests.chart.release import Release
from tests.chart.running_release import RunningRelease, is_ready
from tests.contract.clients.programs import built
from tests.packaging.built_image import built_layout
from tools.image.build import own_architecture
from tools.image.layout import manifests
from tools.image.unpacked import USER_ID
from tools.kubelet.node import Node, real_node, traces, why_not
from tools.kubelet.packages import CONTAINERD
from tools.local_cloud.control_plane import (
    NODES,
    SERVICE_ADDRESS,
    WORKLOADS,
    control_plane,
)
from tools.local_cloud.go_programs import HELM, KUBELET, SCHEDULER
from tools.local_cloud.helm import Helm

pytestmark = pytest.mark.control_plane

REPOSITORY, TAG = "registry.example.com/vmbackup", "on-a-real-node"
LIMIT_S = 150
CHANGES: Document = {
    "image": {"tag": TAG},
    "azureIdentity": {"secretName": "azure"},
    # Nobody listens there: requests to Azure fail as if the network were down.
    "extraEnv": [
        {"name": "HTTPS_PROXY", "value": "http://127.0.0.1:9"},
        {"name": "NO_PROXY", "value": SERVICE_ADDRESS},
    ],
    "logging": {"format": "JSON"},
}
#: Modes of seccomp, as /proc says them.
FILTERED = "2"


@dataclass(frozen=True, slots=True)
class Installed(RunningRelease):
    """The release, and the node that runs its pods."""

    node: Node

    def operators(self) -> dict[str, int]:
        """Return the operator's processes on this machine, by the names of their pods."""
        found = {}
        for pid in self.node.processes():
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            for word in words:
                if word.startswith(b"--instance="):
                    found[word.removeprefix(b"--instance=").decode()] = pid
        return found


def said_of(pid: int) -> dict[str, str]:
    """Return what the kernel says of a process, by the words of /proc."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """The chart installed by helm, which waited until all of it was ready."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    for program in (HELM, SCHEDULER, KUBELET, CONTAINERD):
        built(program)
    layout, before = built_layout(), traces()
    name = f"vmbackup-node-{os.getpid()}"
    folder = tmp_path_factory.mktemp("node") / name
    with control_plane(None, (*WORKLOADS, *NODES)) as plane:
        user = plane.administrator
        for namespace in (HOME, TEAM):
            user.kubectl("create", "namespace", namespace)
        restricted = "pod-security.kubernetes.io/enforce=restricted"
        user.kubectl("label", "namespace", HOME, restricted)
        own = (f"--from-literal=AZURE_CLIENT_ID={USER_ID}", "--from-literal=AZURE_CLIENT_SECRET=x")
        user.kubectl("create", "secret", "generic", "azure", "-n", HOME, *own)
        with real_node(plane, name, {f"{REPOSITORY}:{TAG}": layout}, folder) as node:
            release = Release(Helm(built(HELM), user))
            release.install(CHANGES, "--wait", f"--timeout={LIMIT_S}s")
            yield Installed(plane, release, LIMIT_S, node)
    assert traces() - before == set()


def test_both_replicas_run_the_image_and_one_leads(installed: Installed) -> None:
    pods = installed.pods()

    assert [is_ready(pod) for pod in pods] == [True, True]
    assert [pod["spec"]["nodeName"] for pod in pods] == [installed.node.name] * 2
    started = {each["imageID"] for pod in pods for each in pod["status"]["containerStatuses"]}
    assert started == {manifests(built_layout())[own_architecture()]["config"]["digest"]}
    assert installed.leader() in {pod["metadata"]["name"] for pod in pods}


def test_the_kernel_confines_the_operator_as_the_template_asks(installed: Installed) -> None:
    for pid in installed.operators().values():
        said = said_of(pid)
        mounts = [line.split() for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines()]
        root = next(fields for fields in mounts if fields[4] == "/")

        assert said["Uid"].split() == [str(USER_ID)] * 4
        assert (int(said["CapEff"], 16), int(said["CapBnd"], 16)) == (0, 0)
        assert (said["NoNewPrivs"], said["Seccomp"]) == ("1", FILTERED)
        assert "ro" in root[5].split(",")
        assert said["NSpid"].split()[-1] == "1"
    assert len(installed.operators()) == 2


def test_a_container_that_is_killed_is_started_again_and_leads_on(installed: Installed) -> None:
    name = installed.leader()

    os.kill(installed.operators()[name], signal.SIGKILL)
    again = installed.eventually(
        lambda: installed.release.get("pod", name),
        lambda pod: pod["status"]["containerStatuses"][0]["restartCount"] == 1 and is_ready(pod),
    )

    (container,) = again["status"]["containerStatuses"]
    assert container["lastState"]["terminated"]["exitCode"] == 128 + signal.SIGKILL
    assert installed.eventually(installed.leader, bool) in {
        pod["metadata"]["name"] for pod in installed.pods()
    }


def test_a_pod_that_is_deleted_ends_as_it_is_asked_to_and_another_leads(
    installed: Installed,
) -> None:
    name = installed.leader()
    installed.plane.administrator.kubectl("delete", "pod", name, "-n", HOME, "--wait=false")
    other = installed.eventually(installed.leader, lambda leads: leads not in {"", name})
    installed.eventually(lambda: installed.release.is_there("pod", name), lambda there: not there)
    pods = installed.eventually(
        installed.pods, lambda found: [is_ready(pod) for pod in found] == [True] * 2
    )

    names = {pod["metadata"]["name"] for pod in pods}
    assert other in names
    assert name not in names
    assert set(installed.operators()) == names


def test_what_is_uninstalled_runs_no_more(installed: Installed) -> None:
    installed.release.helm("uninstall", "vmbackup", f"--namespace={HOME}", "--wait")

    assert installed.eventually(installed.node.processes, lambda running: not running) == []
    assert installed.pods() == []
