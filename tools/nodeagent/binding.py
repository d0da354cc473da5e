"""Which node a pod goes to: where the fewest like it are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tools.nodeagent.api import Api


def chosen_node(
    labels: Mapping[str, str], nodes: Sequence[str], pods: Iterable[Mapping[str, Any]]
) -> str:
    """Return the node of *nodes* with the fewest *pods* that bear the same *labels*.

    Of several the first. Pods that have ended, or are about to, do not count.
    """
    counts: Counter[str] = Counter()
    for pod in pods:
        over = pod.get("status", {}).get("phase") in {"Succeeded", "Failed"}
        leaving = "deletionTimestamp" in pod["metadata"]
        if not over and not leaving and pod["metadata"].get("labels", {}) == labels:
            counts[pod["spec"].get("nodeName", "")] += 1
    return min(nodes, key=lambda node: counts[node])


def bind(api: Api, pod: Mapping[str, Any], node: str) -> None:
    """Have *pod* run on *node*."""
    metadata = pod["metadata"]
    about = {"namespace": metadata["namespace"], "name": metadata["name"], "uid": metadata["uid"]}
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/binding"
    target = {"apiVersion": "v1", "kind": "Node", "name": node}
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": about, "target": target}
    api.send("POST", path, binding)
