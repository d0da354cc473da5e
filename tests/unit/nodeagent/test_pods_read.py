"""Pods read by the node agent: what the chart ships, and what is refused by its path."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from tests.unit.nodeagent.manifests import manifest
from tools.nodeagent.fields import SPEC, WITHOUT_EFFECT, Each, Shape
from tools.nodeagent.pods import NotKnown, parse_pod

Change: TypeAlias = Callable[[dict[str, Any]], object]


def test_a_pod_is_read_as_its_manifest_says() -> None:
    pod = parse_pod(manifest())

    assert pod.path == "/api/v1/namespaces/backups/pods/operator-0"
    assert (pod.user, pod.group, pod.grace_s, pod.restart_policy) == (65532, 65532, 60, "Always")
    assert pod.container.arguments == ("--instance=$(POD_NAME)",)
    assert pod.container.probes["startupProbe"].port == 8080
    assert pod.container.probes["readinessProbe"].failure_threshold == 3
    assert pod.container.ports == {8080}
    assert set(pod.volumes) == {"settings", "temporary", "token"}


@pytest.mark.parametrize(
    ("change", "path"),
    [
        pytest.param(lambda s: s.update(hostNetwork=True), "spec.hostNetwork", id="of the pod"),
        pytest.param(
            lambda s: s.update(initContainers=[]), "spec.initContainers", id="a second kind"
        ),
        pytest.param(
            lambda s: s["containers"].append(s["containers"][0]), "there are 2", id="two containers"
        ),
        pytest.param(
            lambda s: s["containers"][0].update(lifecycle={}),
            "spec.containers.lifecycle",
            id="of a container",
        ),
        pytest.param(
            lambda s: s["containers"][0]["livenessProbe"].update(exec={"command": ["true"]}),
            "spec.containers.livenessProbe.exec",
            id="of a probe",
        ),
        pytest.param(
            lambda s: s["containers"][0]["env"][0].update(
                valueFrom={"resourceFieldRef": {"resource": "limits.memory"}}
            ),
            "spec.containers.env.valueFrom.resourceFieldRef",
            id="of a variable",
        ),
        pytest.param(
            lambda s: s["containers"][0]["env"][0].update(
                valueFrom={"fieldRef": {"fieldPath": "status.hostIP"}}
            ),
            "fieldPath: status.hostIP is not known",
            id="a field that a variable names",
        ),
        pytest.param(
            lambda s: s["containers"][0]["volumeMounts"][0].update(subPath="a"),
            "spec.containers.volumeMounts.subPath",
            id="of a mount",
        ),
        pytest.param(
            lambda s: s["volumes"].append({"name": "x", "hostPath": {"path": "/"}}),
            "spec.volumes.hostPath",
            id="of a volume",
        ),
        pytest.param(
            lambda s: s["containers"][0]["securityContext"].pop("readOnlyRootFilesystem"),
            "readOnlyRootFilesystem",
            id="a root that could be written to",
        ),
        pytest.param(
            lambda s: s["securityContext"].pop("runAsUser"), "runAsUser", id="the image's user"
        ),
        pytest.param(
            lambda s: s.update(topologySpreadConstraints=[{"maxSkew": 2}]),
            "topologySpreadConstraints.maxSkew: 2 is not known",
            id="a value",
        ),
    ],
)
def test_what_is_not_honoured_is_named_by_its_path(change: Change, path: str) -> None:
    changed = copy.deepcopy(manifest())
    change(changed["spec"])

    with pytest.raises(NotKnown, match="operator-0") as refused:
        parse_pod(changed)

    assert path in str(refused.value)


def test_what_is_let_be_has_a_reason_and_is_known() -> None:
    assert WITHOUT_EFFECT.keys() <= set(names(SPEC))
    assert all(WITHOUT_EFFECT.values())


def names(shape: Shape) -> list[str]:
    if isinstance(shape, Each):
        return names(shape.item)
    if not isinstance(shape, dict):
        return []
    return [*shape, *(name for inner in shape.values() for name in names(inner))]
