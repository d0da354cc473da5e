"""The tenant's service principals, and which role assignments allow whom to do what."""

from __future__ import annotations

import hmac
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from azure_simulator.identities.conditions import Wish, holds
from azure_simulator.identities.federation import FederatedCredential
from azure_simulator.identities.roles import BUILT_IN_ROLES, Permission
from azure_simulator.identities.spreading import Spreading
from azure_simulator.identities.tokens import Identity, TokenIssuer, bearer
from azure_simulator.resources import Resources, name_of

ROLE_DEFINITIONS = "microsoft.authorization/roledefinitions"


@dataclass(frozen=True, slots=True)
class RightAsked:
    """A question that a service asked about a principal, and its answer; *scope* is an ARM id."""

    action: str
    data: bool
    scope: str
    allowed: bool


@dataclass(frozen=True, slots=True)
class ServicePrincipal:
    """An application that may ask for tokens; *client_secret* is empty where it can't (a VM's)."""

    client_id: str
    object_id: str
    client_secret: str
    display_name: str
    kind: Literal["Application", "ManagedIdentity"] = "Application"


def scope_of(assignment_id: str) -> str:
    """Return what a role assignment or definition stands at: all before its own provider part."""
    return assignment_id.rpartition("/providers/")[0]


def permission_of(entry: dict[str, Any]) -> Permission:
    """Read one entry of a role definition's ``permissions``."""
    return Permission(
        tuple(entry.get("actions") or ()),
        tuple(entry.get("notActions") or ()),
        tuple(entry.get("dataActions") or ()),
        tuple(entry.get("notDataActions") or ()),
    )


class Identities:
    """Who exists and who may do what; assignments and definitions lie among the resources."""

    def __init__(
        self,
        resources: Resources,
        tenant_id: str,
        clock: Callable[[], float] = time.time,
        issuer: TokenIssuer | None = None,
    ) -> None:
        self.tenant_id = tenant_id
        self.issuer = issuer or TokenIssuer(tenant_id, clock)
        self.spreading = Spreading(resources, clock)
        self._resources = resources
        self._principals: dict[str, ServicePrincipal] = {}
        self._owners: set[str] = set()
        self._asked: dict[str, dict[RightAsked, None]] = {}
        self._directory_readers: set[str] = set()
        self._federated: dict[str, list[FederatedCredential]] = {}
        self._built_in = {role.guid: (role.permission,) for role in BUILT_IN_ROLES}

    def add(
        self, client_id: str, object_id: str, client_secret: str, display_name: str = ""
    ) -> None:
        """Add or replace a service principal."""
        self._principals[client_id.lower()] = ServicePrincipal(
            client_id, object_id, client_secret, display_name or f"application-{client_id[:8]}"
        )

    def add_managed(self, object_id: str, display_name: str) -> None:
        """Add the managed identity of a resource, where it is not there yet."""
        if not self.knows(object_id):
            client_id = str(uuid.uuid4())
            self._principals[client_id] = ServicePrincipal(
                client_id, object_id, "", display_name, "ManagedIdentity"
            )

    def federate(self, client_id: str, credential: FederatedCredential) -> None:
        """Accept *credential*'s tokens in place of *client_id*'s secret."""
        self._federated.setdefault(client_id.lower(), []).append(credential)

    def assertion_matches(self, principal: ServicePrincipal, assertion: str) -> bool:
        """Tell whether one of *principal*'s federated credentials accepts *assertion*."""
        credentials = self._federated.get(principal.client_id.lower(), [])
        return any(credential.accepts(assertion) for credential in credentials)

    def make_owner(self, object_id: str) -> None:
        """Let *object_id* do everything in the control plane of every subscription."""
        self._owners.add(object_id.lower())

    def let_read_directory(self, object_id: str) -> None:
        """Let *object_id* look others up in Microsoft Graph."""
        self._directory_readers.add(object_id.lower())

    def reads_directory(self, object_id: str) -> bool:
        """Tell whether *object_id* may look others up in Microsoft Graph."""
        return object_id.lower() in self._directory_readers

    def everybody(self) -> list[ServicePrincipal]:
        """Return every service principal of the tenant."""
        return list(self._principals.values())

    def find(self, client_id: str) -> ServicePrincipal | None:
        """Return the service principal with *client_id*, or None."""
        return self._principals.get(client_id.lower())

    def knows(self, object_id: str) -> bool:
        """Tell whether a principal has *object_id*."""
        return any(p.object_id.lower() == object_id.lower() for p in self._principals.values())

    def authenticate(self, authorization: str | None, audiences: Collection[str]) -> Identity:
        """Return who an `Authorization` header speaks for, or raise `TokenRefused`."""
        return self.issuer.verify(bearer(authorization), audiences)

    def secret_matches(self, principal: ServicePrincipal, secret: str) -> bool:
        """Compare in constant time; a principal without a secret matches nothing."""
        expected = principal.client_secret
        return bool(expected) and hmac.compare_digest(expected.encode(), secret.encode())

    def allowed(self, object_id: str, action: str, scope: str, *, data: bool = False) -> bool:
        """Tell whether *object_id* may do *action* at *scope*: an ARM id, or one below it.

        A container is ``…/storageAccounts/a/blobServices/default/containers/c``. Assignments at a
        scope hold for everything below it; *data* asks about data actions. Each question is kept:
        what was never asked about is a right that nobody needs.
        """
        if not data and object_id.lower() in self._owners:
            return True
        allowed = any(
            permission.allows(action, data=data)
            for permission in self._permissions(object_id, Wish(action, scope))
        )
        asked = self._asked.setdefault(object_id.lower(), {})
        asked[RightAsked(action, data, scope, allowed)] = None
        return allowed

    def asked(self, object_id: str) -> list[RightAsked]:
        """Return what services asked about *object_id*, each question once, in order."""
        return list(self._asked.get(object_id.lower(), {}))

    def holds_any_right(self, object_id: str, scope: str) -> bool:
        """Tell whether *object_id* may do anything in the control plane at *scope* or below it."""
        if object_id.lower() in self._owners:
            return True
        here = scope.lower().rstrip("/") + "/"
        for assignment in self.spreading.counting():
            if assignment.properties["principalId"].lower() != object_id.lower():
                continue
            theirs = scope_of(assignment.id).lower().rstrip("/") + "/"
            related = here.startswith(theirs) or theirs.startswith(here)
            role = assignment.properties["roleDefinitionId"]
            if related and any(p.actions for p in self._permissions_of(role)):
                return True
        return False

    def _permissions(self, object_id: str, wish: Wish) -> Iterator[Permission]:
        below = wish.scope.lower().rstrip("/") + "/"
        for assignment in self.spreading.counting():
            properties = assignment.properties
            if properties["principalId"].lower() != object_id.lower():
                continue
            at = scope_of(assignment.id).lower().rstrip("/") + "/"
            if below.startswith(at) and holds(properties.get("condition"), wish):
                yield from self._permissions_of(properties["roleDefinitionId"])

    def _permissions_of(self, role_definition_id: str) -> tuple[Permission, ...]:
        built_in = self._built_in.get(name_of(role_definition_id).lower())
        if built_in is not None:
            return built_in
        custom = self.custom_role(name_of(role_definition_id))
        if custom is None:
            return ()
        return tuple(permission_of(entry) for entry in custom["permissions"])

    def custom_role(self, guid: str) -> dict[str, Any] | None:
        """Return the properties of the custom role definition called *guid*, or None."""
        for definition in self._resources.of_type(ROLE_DEFINITIONS):
            if definition.name.lower() == guid.lower():
                return definition.properties
        return None
