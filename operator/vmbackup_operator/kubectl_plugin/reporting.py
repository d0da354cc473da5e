"""``report``: gathers a support bundle as far as the user's rights reach."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from vmbackup_core.errors import VmbackupError
from vmbackup_operator.cli.versions import product
from vmbackup_operator.kubectl_plugin.cluster_access import Cluster
from vmbackup_operator.kubectl_plugin.complaints import reason_of
from vmbackup_operator.kubectl_plugin.support_bundle import Bundle
from vmbackup_operator.model.kinds import KINDS
from vmbackup_operator.model.metadata import API_VERSION, GROUP, VERSION

#: So many objects of a kind, the newest: a year of sessions helps nobody.
MOST_OBJECTS = 500
MOST_LINES = 20_000
_LABELS = "app.kubernetes.io/name=vmbackup"
_PAGE = "500"


async def gather(cluster: Cluster, operator_namespace: str, now: datetime) -> Bundle:
    """Return the bundle of the place, and of the operator where that may be read."""
    bundle = Bundle()
    bundle.leave_out("Secrets", "never read")
    bundle.leave_out("spec.overrides of RestoreSessions", "their values may be secrets")
    await _add_about(cluster, bundle, now)
    for kind in KINDS:
        path = f"/apis/{GROUP}/{VERSION}{_within(cluster.place.listed)}/{kind.plural}"
        items = await _items(cluster, bundle, path, kind.plural)
        items.sort(key=_created)
        if len(items) > MOST_OBJECTS:
            bundle.leave_out(kind.plural, f"{len(items) - MOST_OBJECTS} older ones")
        for item in items[-MOST_OBJECTS:]:
            bundle.add_object(kind.plural, {"apiVersion": API_VERSION, "kind": kind.kind, **item})
    await _add_events(cluster, bundle)
    await _add_operator(cluster, bundle, operator_namespace)
    return bundle


async def _add_about(cluster: Cluster, bundle: Bundle, now: datetime) -> None:
    about: dict[str, object] = {"made": now.isoformat(), "vmbackup": product()}
    about["namespace"] = cluster.place.listed or "all"
    server = await _answer(cluster, bundle, "/version", "the API server's version")
    if server is not None:
        about["kubernetes"] = server.get("gitVersion", "")
    bundle.add_document("about.yaml", about)


async def _add_events(cluster: Cluster, bundle: Bundle) -> None:
    query = {"fieldSelector": f"involvedObject.apiVersion={API_VERSION}"}
    path = f"/api/v1{_within(cluster.place.listed)}/events"
    items = await _items(cluster, bundle, path, "events", query)
    keys = ("type", "reason", "message", "count", "firstTimestamp", "lastTimestamp", "eventTime")
    told = [
        {**{key: each.get(key) for key in keys}, "about": each.get("involvedObject")}
        for each in items
    ]
    bundle.add_document("events.yaml", told)


async def _add_operator(cluster: Cluster, bundle: Bundle, namespace: str) -> None:
    """Take the operator's pods and what they have logged."""
    path = f"/api/v1/namespaces/{namespace}/pods"
    what = f"pods of {namespace}"
    pods = await _items(cluster, bundle, path, what, {"labelSelector": _LABELS})
    for pod in pods:
        name = str(pod.get("metadata", {}).get("name", ""))
        bundle.add_document(
            f"operator/{name}.yaml", {"metadata": pod.get("metadata"), "status": pod.get("status")}
        )
        query = {"tailLines": str(MOST_LINES), "timestamps": "true"}
        try:
            log = await cluster.connection.send("GET", f"{path}/{name}/log", query=query)
        except VmbackupError as error:
            bundle.leave_out(f"the log of {name}", _why(error))
            continue
        bundle.add_text(f"operator/{name}.log", log.decode(errors="replace"))
    if not pods and not any(each.startswith(what) for each in bundle.left_out):
        bundle.leave_out("the operator's log", f"no pod of {namespace} has the label {_LABELS}")


async def _items(
    cluster: Cluster, bundle: Bundle, path: str, what: str, query: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """Return all of a list; what of it may not be read is said in the bundle."""
    found: list[dict[str, Any]] = []
    go_on = ""
    while True:
        asked = {**(query or {}), "limit": _PAGE, **({"continue": go_on} if go_on else {})}
        answer = await _answer(cluster, bundle, path, what, asked)
        if answer is None:
            return found
        found += answer.get("items") or []
        go_on = (answer.get("metadata") or {}).get("continue") or ""
        if not go_on:
            return found


async def _answer(
    cluster: Cluster, bundle: Bundle, path: str, what: str, query: Mapping[str, str] | None = None
) -> dict[str, Any] | None:
    try:
        answer = await cluster.connection.send("GET", path, query=query)
    except VmbackupError as error:
        bundle.leave_out(what, _why(error))
        return None
    return msgspec.json.decode(answer, type=dict[str, Any])


def _why(error: VmbackupError) -> str:
    reason = reason_of(error)
    return "you may not read them" if reason == "NotAuthorized" else f"{reason}: {error}"


def _within(namespace: str | None) -> str:
    return "" if namespace is None else f"/namespaces/{namespace}"


def _created(item: Mapping[str, Any]) -> str:
    return str(item.get("metadata", {}).get("creationTimestamp", ""))
