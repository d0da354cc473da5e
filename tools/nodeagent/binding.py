"""Which node a pod goes to: where the fewest are that it is to be spread from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tools.nodeagent.api import Api


def chosen_node(
    pod: Mapping[str, Any], nodes: Sequence[str], pods: Iterable[Mapping[str, Any]]
) -> str:
    """Return the node of *nodes* with the fewest of *pods* that *pod*'s spread constraints choose.

    Of several the first. Without constraints all pods of its namespace count. Pods that have ended,
    or are about to, do not.
    """
    constraints = pod["spec"].get("topologySpreadConstraints") or [{"labelSelector": {}}]
    selectors = [each["labelSelector"].get("matchLabels", {}) for each in constraints]
    counts: Counter[str] = Counter()
    for other in pods:
        metadata = other["metadata"]
        over = other.get("status", {}).get("phase") in {"Succeeded", "Failed"}
        near = metadata.get("namespace") == pod["metadata"].get("namespace")
        if over or not near or "deletionTimestamp" in metadata:
            continue
        # It may bear others: the API server adds its node's to a pod that is bound.
        labels = metadata.get("labels", {}).items()
        matching = sum(selector.items() <= labels for selector in selectors)
        counts[other["spec"].get("nodeName", "")] += matching
    return min(nodes, key=lambda node: counts[node])


def bind(api: Api, pod: Mapping[str, Any], node: str) -> None:
    """Have *pod* run on *node*."""
    metadata = pod["metadata"]
    about = {"namespace": metadata["namespace"], "name": metadata["name"], "uid": metadata["uid"]}
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/binding"
    target = {"apiVersion": "v1", "kind": "Node", "name": node}
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": about, "target": target}
    api.send("POST", path, binding)
