"""Rights held against what was really asked: none is too many, none is missing.

What the simulated Azure and the API server were asked stands in their own records. Each function
yields complaints, none where it holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tools.demo.facts import OPERATOR_USER
from tools.demo.journal import Entry
from vmbackup_operator.arm_ids import lies_within

_FORBIDDEN = 403
#: What an account answers where a right only to create met a name that is taken: no lack of rights.
_TAKEN = "UnauthorizedBlobOverwrite"

#: A JSON object.
Json = Mapping[str, Any]

#: API group, resource (with its part, as ``backupsessions/status``), verb.
KubernetesRight = tuple[str, str, str]


def unused_actions(definition: Json, scopes: Sequence[str], asked: Iterable[Json]) -> Iterator[str]:
    """Complain of every action of an Azure role that nobody needed at its *scopes*.

    *asked* are the simulator's questions about the identity that has the role.
    """
    used = {
        (right["data"], right["action"].lower())
        for right in asked
        if right["allowed"] and any(lies_within(right["scope"], scope) for scope in scopes)
    }
    for permission in definition["permissions"]:
        for data, kind in ((False, "actions"), (True, "dataActions")):
            for action in permission[kind]:
                if (data, action.lower()) not in used:
                    yield f"{definition['roleName']}: {action} was never used"


def refused_in_azure(entries: Iterable[Entry], object_id: str) -> Iterator[str]:
    """Complain of every request of *object_id*, or under its signature, that was not allowed."""
    for entry in entries:
        if entry.status != _FORBIDDEN or entry.identity.lower() != object_id.lower():
            continue
        if _TAKEN not in str(entry.detail):
            yield f"{entry.method} {entry.host}{entry.path}: {entry.status} {entry.detail}"


def unused_in_kubernetes(roles: Iterable[Json], audit: Iterable[Json]) -> Iterator[str]:
    """Complain of every right in *roles* that the operator never made use of."""
    used = set(_used(audit))
    for role in roles:
        for right in _granted(role):
            if right not in used:
                group, resource, verb = right
                where = f"{resource}.{group}" if group else resource
                yield f"{role['kind']} {role['metadata']['name']}: {verb} {where} was never used"


def _granted(role: Json) -> Iterator[KubernetesRight]:
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for verb in rule["verbs"]:
                    yield group, resource, verb


def _used(audit: Iterable[Json]) -> Iterator[KubernetesRight]:
    for line in audit:
        about = line.get("objectRef")
        if line["user"]["username"] != OPERATOR_USER or about is None:
            continue
        if line["responseStatus"]["code"] == _FORBIDDEN:
            continue
        part = f"/{about['subresource']}" if "subresource" in about else ""
        yield about.get("apiGroup", ""), f"{about['resource']}{part}", line["verb"]
