"""Rights held against what was really asked: none is too many, none is missing.

What the simulated Azure and the API server were asked stands in their own records. Each function
yields complaints, none where it holds; all are pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from typing_extensions import override

from tools.demo.facts import OPERATOR_USER
from tools.demo.journal import Entry
from vmbackup_operator.arm_ids import lies_within

_FORBIDDEN = 403
#: What Resource Manager and accounts answer to whoever has no right. A way that is closed, a SAS
#: that ended, a name that is taken are refused by other codes.
_NO_RIGHT = frozenset(
    {"AuthorizationFailed", "LinkedAuthorizationFailed", "AuthorizationPermissionMismatch"}
)

_PROVIDERS = "/providers/"
#: Of the id of a subscription.
_SLASHES = 2

#: A JSON object.
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AzureRole:
    """A role's definition, as Azure has it, and the scopes that it is assigned at."""

    definition: Json
    scopes: Sequence[str]

    @property
    def name(self) -> str:
        """What Azure shows of it."""
        name: str = self.definition["roleName"]
        return name

    def actions(self) -> Iterator[AzureAction]:
        """Yield each action that it gives; none has a wildcard."""
        for permission in self.definition["permissions"]:
            yield from (AzureAction(each, data=False) for each in permission["actions"])
            yield from (AzureAction(each, data=True) for each in permission["dataActions"])

    def gives(self, action: AzureAction, scope: str) -> bool:
        """Tell whether it lets *action* be done at *scope*."""
        return self.covers(scope) and any(each.same_as(action) for each in self.actions())

    def covers(self, scope: str) -> bool:
        """Tell whether *scope* is one of its scopes, or lies in one."""
        return any(lies_within(_asked_at(scope), own) for own in self.scopes)


def _asked_at(scope: str) -> str:
    """Return the subscription for what its providers say of it, as of quotas; else the scope."""
    subscription, found, _ = scope.partition(_PROVIDERS)
    return subscription if found and subscription.count("/") == _SLASHES else scope


@dataclass(frozen=True, slots=True)
class AzureAction:
    """An action of Azure's; *data* tells data actions from those of the control plane."""

    name: str
    data: bool

    def same_as(self, other: AzureAction) -> bool:
        """Compare as Azure does, without case."""
        return (self.name.lower(), self.data) == (other.name.lower(), other.data)


def unneeded_actions(roles: Sequence[AzureRole], asked: Sequence[Json]) -> Iterator[str]:
    """Complain of every action that nothing was done by, or that another role gives as well.

    *asked* are Azure's questions about the identity that has the *roles*, as its journal has them.
    """
    allowed = [
        (AzureAction(each["action"], each["data"]), each["scope"])
        for each in asked
        if each["allowed"]
    ]
    for role in roles:
        others = [each for each in roles if each is not role]
        for action in role.actions():
            scopes = {
                scope for done, scope in allowed if done.same_as(action) and role.covers(scope)
            }
            if not scopes:
                yield f"{role.name}: {action.name} was never used"
            elif all(any(each.gives(action, scope) for each in others) for scope in scopes):
                yield f"{role.name}: {action.name} was used only where another role gives it"


def refused_in_azure(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Yield every request that whoever sent it, or signed it, had no right for."""
    yield from (
        entry
        for entry in entries
        if entry.status == _FORBIDDEN and entry.detail.get("error") in _NO_RIGHT
    )


@dataclass(frozen=True, slots=True)
class KubernetesRight:
    """One verb on one resource; *resource* is as in ``backupsessions/status``.

    *name* is empty where the right is for objects of every name.
    """

    group: str
    resource: str
    verb: str
    name: str = ""

    @override
    def __str__(self) -> str:
        """Return it in words."""
        where = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{self.verb} {where}{' ' if self.name else ''}{self.name}"


@dataclass(frozen=True, slots=True)
class Grant:
    """A role of Kubernetes as it was bound: in *namespaces*; in the whole cluster where empty."""

    role: Json
    namespaces: frozenset[str] = frozenset()

    def rights(self) -> Iterator[KubernetesRight]:
        """Yield each right that the role's rules spell."""
        for rule in self.role["rules"]:
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    for verb in rule["verbs"]:
                        for name in rule.get("resourceNames", [""]):
                            yield KubernetesRight(group, resource, verb, name)


def unneeded_in_kubernetes(
    grants: Sequence[Grant], audit: Sequence[Json], served: frozenset[str]
) -> Iterator[str]:
    """Complain of every right that the operator made no use of in the scope that it was given for.

    One for the whole cluster is used by a request that no binding in a namespace of *served* could
    have let through: of all namespaces at once, or in another namespace.
    """
    used = list(_done_by_operator(audit))
    for grant in grants:
        for right in grant.rights():
            if not any(_is_use(grant, right, line, served) for line in used):
                where = (
                    f"in {', '.join(sorted(grant.namespaces))}" if grant.namespaces else "at all"
                )
                name = f"{grant.role['kind']} {grant.role['metadata']['name']}"
                yield f"{name}: {right} was never used {where}"


def _is_use(grant: Grant, right: KubernetesRight, line: Json, served: frozenset[str]) -> bool:
    about = line["objectRef"]
    part = f"/{about['subresource']}" if "subresource" in about else ""
    done = (about.get("apiGroup", ""), f"{about['resource']}{part}", line["verb"])
    if done != (right.group, right.resource, right.verb):
        return False
    if right.name and about.get("name") != right.name:
        return False
    namespace = about.get("namespace", "")
    return namespace in grant.namespaces if grant.namespaces else namespace not in served


def refused_in_kubernetes(audit: Iterable[Json]) -> Iterator[Json]:
    """Yield every request of the operator's that it had no right for."""
    for line in audit:
        if line["user"]["username"] == OPERATOR_USER and _code(line) == _FORBIDDEN:
            yield line


def _done_by_operator(audit: Iterable[Json]) -> Iterator[Json]:
    for line in audit:
        is_ours = line["user"]["username"] == OPERATOR_USER
        if is_ours and line.get("objectRef") is not None and _code(line) != _FORBIDDEN:
            yield line


def _code(line: Json) -> int:
    code: int = line.get("responseStatus", {}).get("code", 0)
    return code
