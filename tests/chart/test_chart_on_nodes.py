"""The chart on nodes: what Kubernetes' own scheduler and controllers make of it.

The nodes are kwok's, so what runs in the pods is not tried here, and nor is the network's policy.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.chart.charted import FORMER_TEAM, HOME, OTHER_TEAM, TEAM
from tests.chart.release import Release
from tests.contract.clients.programs import built
from tools.local_cloud.control_plane import NODES, WORKLOADS, ControlPlane, control_plane
from tools.local_cloud.fake_nodes import fake_nodes
from tools.local_cloud.go_programs import HELM, KWOK, SCHEDULER
from tools.local_cloud.helm import Helm
from tools.local_cloud.kubernetes_user import KubectlRefused

pytestmark = pytest.mark.control_plane

ZONES = {"node-1": "westeurope-1", "node-2": "westeurope-2"}
WHERE = f"--namespace={HOME}"
OPERATORS = "app.kubernetes.io/name=vmbackup,app.kubernetes.io/component!=test"
WAITED = ("--wait", "--timeout=120s")


@pytest.fixture(scope="module")
def nodes() -> Iterator[ControlPlane]:
    """A control plane with two nodes in two zones, and what makes pods and puts them there."""
    for program in (HELM, KWOK, SCHEDULER):
        built(program)
    with control_plane(more_controllers=(*WORKLOADS, *NODES)) as running:
        for namespace in (HOME, TEAM, OTHER_TEAM, FORMER_TEAM):
            running.administrator.kubectl("create", "namespace", namespace)
        restricted = "pod-security.kubernetes.io/enforce=restricted"
        running.administrator.kubectl("label", "namespace", HOME, restricted)
        with fake_nodes(running, ZONES):
            yield running


@pytest.fixture
def release(nodes: ControlPlane) -> Iterator[Release]:
    """The chart's release, not installed yet; afterwards it is gone, and every node takes pods."""
    made = Release(Helm(built(HELM), nodes.administrator))
    yield made
    nodes.administrator.kubectl("uncordon", *ZONES)
    made.helm("uninstall", "vmbackup", WHERE, "--ignore-not-found", *WAITED)


def pods(plane: ControlPlane) -> list[dict[str, Any]]:
    """Return the operator's pods that are not on their way out."""
    found = plane.administrator.get("pods", WHERE, f"--selector={OPERATORS}")["items"]
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def are_ready(plane: ControlPlane) -> list[bool]:
    conditions = [pod["status"].get("conditions", []) for pod in pods(plane)]
    return [
        any((each["type"], each["status"]) == ("Ready", "True") for each in of_pod)
        for of_pod in conditions
    ]


def evict(plane: ControlPlane, pod: str) -> None:
    """Ask for the eviction of a pod, as `kubectl drain` does."""
    asked = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": HOME},
    }
    path = f"/api/v1/namespaces/{HOME}/pods/{pod}/eviction"
    plane.administrator.kubectl("create", f"--raw={path}", "-f", "-", given=json.dumps(asked))


def test_replicas_are_spread_over_nodes_and_zones(nodes: ControlPlane, release: Release) -> None:
    release.install(None, *WAITED)

    placed = pods(nodes)
    assert sorted(pod["spec"]["nodeName"] for pod in placed) == sorted(ZONES)
    assert are_ready(nodes) == [True, True]
    assert [pod["spec"]["priority"] for pod in placed] == [1_000_000, 1_000_000]


def test_a_cluster_of_one_node_runs_both(nodes: ControlPlane, release: Release) -> None:
    nodes.administrator.kubectl("cordon", "node-2")

    release.install(None, *WAITED)

    assert [pod["spec"]["nodeName"] for pod in pods(nodes)] == ["node-1", "node-1"]


def test_other_settings_roll_out_and_back(nodes: ControlPlane, release: Release) -> None:
    release.install(None, *WAITED)
    first = {pod["metadata"]["name"] for pod in pods(nodes)}

    release.upgrade({"workers": {"idleTtlSeconds": 600}}, *WAITED)
    second = {pod["metadata"]["name"] for pod in pods(nodes)}
    release.roll_back(1, *WAITED)
    third = {pod["metadata"]["name"] for pod in pods(nodes)}

    assert [len(each) for each in (first, second, third)] == [2, 2, 2]
    assert not first & second
    assert not second & third


def test_an_image_that_never_gets_ready_leaves_one_replica_and_is_taken_back(
    nodes: ControlPlane, release: Release
) -> None:
    """Pods of a node selector that no node has: nothing of the rollout comes up."""
    release.install(None, *WAITED)
    nowhere = {"nodeSelector": {"kubernetes.io/arch": "none"}}

    with pytest.raises(RuntimeError, match=r"context deadline exceeded|not ready|timed out"):
        release.upgrade(nowhere, "--wait", "--timeout=10s")
    left = are_ready(nodes)
    release.roll_back(1, *WAITED)

    assert left.count(True) == 1
    assert are_ready(nodes) == [True, True]


def test_one_replica_is_evicted_and_the_other_one_only_when_it_is_back(
    nodes: ControlPlane, release: Release
) -> None:
    release.install(None, *WAITED)
    first, second = (pod["metadata"]["name"] for pod in pods(nodes))
    nodes.administrator.kubectl("cordon", *ZONES)

    evict(nodes, first)
    with pytest.raises(KubectlRefused, match="disruption budget"):
        evict(nodes, second)
    nodes.administrator.kubectl("uncordon", *ZONES)
    rolled = ("rollout", "status", "deployment/vmbackup-operator", WHERE, "--timeout=120s")
    nodes.administrator.kubectl(*rolled)

    assert are_ready(nodes) == [True, True]
    evict(nodes, second)


def test_where_nodes_are_full_of_ordinary_pods_the_operator_gets_in(
    nodes: ControlPlane, release: Release
) -> None:
    """Each node has 4 processors, of which ordinary pods have asked for all."""
    full = ("create", "deployment", "ordinary", "--namespace=default", "--image=x", "--replicas=2")
    nodes.administrator.kubectl(*full)
    nodes.administrator.kubectl(
        "set", "resources", "deployment/ordinary", "--namespace=default", "--requests=cpu=4"
    )
    try:
        wait = ("rollout", "status", "deployment/ordinary", "--namespace=default")
        nodes.administrator.kubectl(*wait, "--timeout=120s")

        release.install(None, *WAITED)

        assert are_ready(nodes) == [True, True]
    finally:
        nodes.administrator.kubectl("delete", "deployment/ordinary", "--namespace=default")
