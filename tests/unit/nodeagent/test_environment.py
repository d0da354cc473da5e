"""A container's variables and words, as a node makes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.unit.nodeagent.manifests import manifest
from tools.nodeagent.environment import NotThere, environment, expanded
from tools.nodeagent.pods import parse_pod

ADDRESS = "10.244.0.3"


class Stored:
    """A namespace with one ConfigMap and one Secret."""

    def config_map(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        return {"region": b"westeurope"} if (namespace, name) == ("backups", "plain") else None

    def secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        return {"secret": b"x"} if (namespace, name) == ("backups", "azure") else None


def variables(*said: dict[str, Any]) -> dict[str, str]:
    pod = parse_pod(manifest(env=list(said)))
    return environment(pod, ADDRESS, {"PATH": "/bin"}, Stored())


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("--instance=$(NAME)", "--instance=a"),
        ("$(NAME)$(NAME)", "aa"),
        ("$(OTHER)", "$(OTHER)"),
        ("$$(NAME)", "$(NAME)"),
        ("$NAME and $(", "$NAME and $("),
        ("100 $", "100 $"),
    ],
)
def test_references_are_replaced_as_the_kubelet_does(text: str, meant: str) -> None:
    assert expanded(text, {"NAME": "a"}) == meant


def test_a_value_may_refer_to_those_before_it_and_to_no_later_one() -> None:
    found = variables(
        {"name": "A", "value": "1$(B)"},
        {"name": "B", "value": "2$(A)"},
        {"name": "C", "value": "$(PATH)"},
        {"name": "D"},
    )

    assert found == {"PATH": "/bin", "A": "1$(B)", "B": "21$(B)", "C": "/bin", "D": ""}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "operator-0"),
        ("metadata.namespace", "backups"),
        ("metadata.uid", "5f6c"),
        ("spec.nodeName", "node-1"),
        ("spec.serviceAccountName", "operator"),
        ("status.podIP", ADDRESS),
    ],
)
def test_a_field_of_the_pod_is_told(path: str, value: str) -> None:
    found = variables({"name": "X", "valueFrom": {"fieldRef": {"fieldPath": path}}})

    assert found["X"] == value


def test_keys_of_secrets_and_config_maps_are_values() -> None:
    found = variables(
        {"name": "S", "valueFrom": {"secretKeyRef": {"name": "azure", "key": "secret"}}},
        {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "plain", "key": "region"}}},
    )

    assert (found["S"], found["C"]) == ("x", "westeurope")


@pytest.mark.parametrize("reference", [{"name": "azure", "key": "no"}, {"name": "no", "key": "x"}])
def test_what_is_not_there_is_waited_for_unless_it_is_optional(reference: dict[str, str]) -> None:
    with pytest.raises(NotThere, match=reference["name"]):
        variables({"name": "S", "valueFrom": {"secretKeyRef": reference}})

    optional = {"secretKeyRef": {**reference, "optional": True}}
    assert variables({"name": "S", "valueFrom": optional}) == {"PATH": "/bin"}
