"""Nodes that the agent speaks for: registered, ready, and heard of by their Leases."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tools.nodeagent.api import MERGE, STRATEGIC, Api
from tools.nodeagent.status import stamp

#: The kubelet's.
LEASE_S = 40
RENEW_S = 10.0
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"

_ROOM = {"cpu": "2", "memory": "4Gi", "pods": "20"}


def register(api: Api, name: str) -> None:
    """Make the node *name* ready, in a zone of its own, and begin its Lease; again is no fault."""
    labels = {"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": f"zone-of-{name}"}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}
    path = f"/api/v1/nodes/{name}"
    found = api.find(path) or api.send("POST", "/api/v1/nodes", node)
    now = stamp(datetime.now(UTC))
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "AgentReady",
        "message": "pods are run as processes",
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
    }
    status = {
        "capacity": _ROOM,
        "allocatable": _ROOM,
        "conditions": [ready],
        "addresses": [
            {"type": "Hostname", "address": name},
            {"type": "InternalIP", "address": "127.0.0.1"},
        ],
    }
    api.send("PATCH", f"{path}/status", {"status": status}, STRATEGIC)
    # A node begins with a taint that the node controller takes off once it is ready.
    api.send("PATCH", path, {"spec": {"taints": None}}, MERGE)
    _begin_lease(api, name, found["metadata"]["uid"])


def renew(api: Api, name: str) -> None:
    """Say that the node *name* is there."""
    api.send("PATCH", f"{_LEASES}/{name}", {"spec": {"renewTime": _precise_now()}}, MERGE)


def _begin_lease(api: Api, name: str, uid: str) -> None:
    if api.find(f"{_LEASES}/{name}") is not None:
        renew(api, name)
        return
    owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": uid}
    spec: dict[str, Any] = {"holderIdentity": name, "leaseDurationSeconds": LEASE_S}
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "ownerReferences": [owner]},
        "spec": {**spec, "renewTime": _precise_now()},
    }
    api.send("POST", _LEASES, lease)


def _precise_now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
