"""A container's environment and words: values, references, and ``$(NAME)`` in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol

from tools.nodeagent.fields import FIELD_PATHS
from tools.nodeagent.pods import NotKnown, Pod

#: As the kubelet reads it: ``$$`` is a dollar, and what names no variable stays.
_REFERENCE = re.compile(r"\$(?:(\$)|\(([^)]*)\))")


class NotThere(Exception):
    """A pod names a ConfigMap or Secret, or a key of one, that is not there yet."""


class Sources(Protocol):
    """Where values of a pod come from."""

    def config_map(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        """Return what is in a ConfigMap, or None where there is none."""

    def secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        """Return what is in a Secret, or None where there is none."""


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """Return *text* with each ``$(NAME)`` of *variables* replaced."""

    def value(found: re.Match[str]) -> str:
        return "$" if found[1] else variables.get(found[2], found[0])

    return _REFERENCE.sub(value, text)


def field(pod: Pod, address: str, path: str) -> str:
    """Return the field of *pod* that a fieldRef names by *path*; *address* is the pod's."""
    values = (pod.name, pod.namespace, pod.uid, pod.node, pod.account, address)
    return dict(zip(FIELD_PATHS, values, strict=True))[path]


def environment(
    pod: Pod, address: str, below: Mapping[str, str], sources: Sources
) -> dict[str, str]:
    """Return the container's variables: its own over those of its image and its node in *below*.

    Raise NotThere where one is to come from what is not there.
    """
    variables: dict[str, str] = dict(below)
    for variable in pod.container.variables:
        if "valueFrom" not in variable:
            variables[variable["name"]] = expanded(variable.get("value", ""), variables)
        elif (value := _referred(pod, address, variable["valueFrom"], sources)) is not None:
            variables[variable["name"]] = value
    return variables


def _referred(pod: Pod, address: str, source: Mapping[str, Any], sources: Sources) -> str | None:
    """Return the value that *source* leads to, or None where it is optional and not there."""
    match source:
        case {"fieldRef": {"fieldPath": path}}:
            return field(pod, address, path)
        case {"secretKeyRef": reference}:
            entries = sources.secret(pod.namespace, reference["name"])
        case {"configMapKeyRef": reference}:
            entries = sources.config_map(pod.namespace, reference["name"])
        case _:
            raise NotKnown(f"pod {pod.name}: valueFrom {sorted(source)} is not known")
    value = None if entries is None else entries.get(reference["key"])
    if value is None and not reference.get("optional", False):
        raise NotThere(f"{reference['name']} has no key {reference['key']}, or is not there")
    return None if value is None else value.decode()
