"""A company's policies over its resources: tags that it demands, and how it spells their names.

As Azure Policy's `deny` and `modify`: judged after the caller's rights and before the provider, on
what the resource would have.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from azure_simulator.arm.errors import ArmError
from azure_simulator.resources import Body, Resource, Resources

#: What carries tags and lies in a region: what a policy looks at that asks for no type by name.
WITH_TAGS = (
    "Microsoft.Compute/diskAccesses",
    "Microsoft.Compute/disks",
    "Microsoft.Compute/snapshots",
    "Microsoft.Compute/virtualMachines",
    "Microsoft.Compute/virtualMachines/runCommands",
    "Microsoft.Network/networkInterfaces",
    "Microsoft.Network/networkSecurityGroups",
    "Microsoft.Network/privateDnsZones",
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks",
    "Microsoft.Network/privateEndpoints",
    "Microsoft.Network/virtualNetworks",
    "Microsoft.Storage/storageAccounts",
)
_GROUP = "Microsoft.Resources/resourceGroups"
_KNOWN = {kind.lower(): kind for kind in (*WITH_TAGS, _GROUP)}

_SPELLINGS: Mapping[str, Callable[[str], str]] = {
    "lower": str.lower,
    "upper": str.upper,
    "title": str.title,
}


@dataclass(frozen=True, slots=True)
class Policy:
    """One assignment: *demanded* names of tags, and a way to spell every name, or None."""

    types: re.Pattern[str] | None = None
    demanded: tuple[str, ...] = ()
    spelling: Callable[[str], str] | None = None

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Policy:
        """Read the administration interface's JSON; what it can't mean raises ValueError."""
        unknown = set(body) - {"types", "demandTags", "spellTags", "remediate"}
        if unknown:
            raise ValueError(f"a policy has no {', '.join(sorted(unknown))}")
        demanded, spelling = tuple(body.get("demandTags", ())), body.get("spellTags")
        if not demanded and spelling is None:
            raise ValueError("a policy has demandTags or spellTags")
        if spelling is not None and spelling not in _SPELLINGS:
            raise ValueError(f"'spellTags' is one of {', '.join(_SPELLINGS)}")
        types = re.compile(body["types"], re.IGNORECASE) if "types" in body else None
        return cls(types, demanded, _SPELLINGS[spelling] if spelling else None)

    def covers(self, kind: str) -> bool:
        """Tell whether it looks at resources of *kind*."""
        known = _KNOWN.get(kind.lower())
        if known is None:
            return False
        return known != _GROUP if self.types is None else self.types.search(known) is not None

    def spelled(self, tags: Mapping[str, str]) -> dict[str, str]:
        """Return *tags* with their names as the policy has them."""
        spelling = self.spelling or str
        return {spelling(name): value for name, value in tags.items()}

    def missing(self, tags: Mapping[str, str]) -> list[str]:
        """Return the demanded tags that *tags* lack."""
        held = {name.lower() for name in tags}
        return [name for name in self.demanded if name.lower() not in held]


class Policies:
    """The policies that are assigned."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._assigned: dict[str, Policy] = {}
        self._ids = itertools.count(1)

    def assign(self, policy: Policy, *, remediate: bool = False) -> str:
        """Have *policy* judge every write, what exists too where told to; return its id."""
        policy_id = f"policy-{next(self._ids)}"
        self._assigned[policy_id] = policy
        if remediate:
            self._remediate(policy)
        return policy_id

    def forget(self, policy_id: str) -> None:
        """End an assignment; KeyError for an unknown one."""
        del self._assigned[policy_id]

    def judged(self, method: str, kind: str, name: str, body: Body, existing: Body | None) -> Body:
        """Return the request's *body* as the policies make it, or raise what one of them denies.

        *existing* is the resource's body before it, None for a new one.
        """
        if method not in ("PUT", "PATCH"):
            return body
        for policy_id, policy in self._assigned.items():
            if policy.covers(kind):
                body = _judged(policy_id, policy, method, name, body, existing)
        return body

    def _remediate(self, policy: Policy) -> None:
        for kind in filter(policy.covers, _KNOWN.values()):
            for resource in self._resources.of_type(kind):
                _respell(policy, resource)
        self._resources.changed()


def _respell(policy: Policy, resource: Resource) -> None:
    if resource.body.get("tags"):
        resource.body["tags"] = policy.spelled(resource.body["tags"])


def _judged(
    policy_id: str, policy: Policy, method: str, name: str, body: Body, existing: Body | None
) -> Body:
    tags = body.get("tags")
    if tags is None and method == "PATCH":
        tags = (existing or {}).get("tags")
    tags = tags if isinstance(tags, dict) else {}
    missing = policy.missing(tags)
    if missing:
        raise _disallowed(policy_id, name, missing)
    if not isinstance(body.get("tags"), dict):
        return body
    return {**body, "tags": policy.spelled(tags)}


def _disallowed(policy_id: str, name: str, missing: list[str]) -> ArmError:
    kind = "/providers/Microsoft.Authorization"
    title = f"Require tags on resources: {', '.join(missing)}"
    identifiers = [
        {
            "policyAssignment": {"name": title, "id": f"{kind}/policyAssignments/{policy_id}"},
            "policyDefinition": {"name": title, "id": f"{kind}/policyDefinitions/{policy_id}"},
        }
    ]
    message = (
        f"Resource '{name}' was disallowed by policy. Policy identifiers: "
        f"'{json.dumps(identifiers, separators=(',', ':'))}'."
    )
    info = {
        "policyAssignmentDisplayName": title,
        "policyAssignmentId": identifiers[0]["policyAssignment"]["id"],
        "policyDefinitionDisplayName": title,
        "policyDefinitionId": identifiers[0]["policyDefinition"]["id"],
        "policyDefinitionEffect": "deny",
    }
    additional = [{"type": "PolicyViolation", "info": info}]
    return ArmError(
        403, "RequestDisallowedByPolicy", message, gateway=True, target=name, additional=additional
    )
