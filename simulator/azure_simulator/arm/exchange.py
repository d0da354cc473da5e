"""One request as its handler sees it, the answer it gives, and the table that joins them."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from azure_simulator.arm.answers import Answer
from azure_simulator.arm.errors import ArmError, authorization_failed, linked_authorization_failed
from azure_simulator.arm.operations import Asked, Operations, Style, Work
from azure_simulator.arm.paths import Target
from azure_simulator.backing import Backing
from azure_simulator.identities.directory import Identities
from azure_simulator.identities.tokens import Identity
from azure_simulator.pace import Pace
from azure_simulator.resources import Body, Resource, Resources


@dataclass(frozen=True, slots=True)
class Cloud:
    """What every handler works on."""

    resources: Resources
    identities: Identities
    backing: Backing
    pace: Pace
    operations: Operations
    clock: Callable[[], float] = time.time

    def now(self) -> str:
        """Return the time as Azure's JSON has it."""
        moment = datetime.fromtimestamp(self.clock(), UTC)
        return moment.isoformat(timespec="microseconds")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One authorized request. *action* is what was checked for it already."""

    cloud: Cloud
    method: str
    target: Target
    url: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Body
    identity: Identity
    action: str

    @property
    def api_version(self) -> str:
        """The ``api-version`` of the request."""
        return self.query.get("api-version", "")

    @property
    def properties(self) -> Body:
        """The request's ``properties``, empty where it has none."""
        properties = self.body.get("properties") or {}
        if not isinstance(properties, dict):
            raise ArmError(400, "InvalidRequestContent", "'properties' is no object.", gateway=True)
        return properties

    @property
    def existing(self) -> Resource | None:
        """The resource that the path names, or whose action it names, where it is there."""
        target = self.target
        is_action = self.method == "POST" and not target.is_item
        return self.cloud.resources.find(target.parent_path if is_action else target.path)

    def may(self, action: str, scope: str) -> bool:
        """Tell whether the caller may also do *action* at *scope*."""
        return self.cloud.identities.allowed(self.identity.object_id, action, scope)

    def require(self, action: str, scope: str) -> None:
        """Refuse a caller who may not do *action*."""
        if not self.may(action, scope):
            who = self.identity
            raise authorization_failed(who.client_id, who.object_id, action, scope)

    def require_linked(self, action: str, scope: str) -> None:
        """Refuse a caller who may not do *action* to what the request refers to."""
        if not self.may(action, scope):
            who, done = self.identity, (self.action, self.target.path)
            raise linked_authorization_failed(who.client_id, who.object_id, done, (action, scope))

    def start(
        self,
        style: Style,
        work: Work,
        *,
        region: str,
        seconds: float,
        makes: Resource | None = None,
    ) -> dict[str, str]:
        """Begin a long-running operation; return the answer's headers for it.

        What it *makes* or changes is left ``Failed`` where the work fails.
        """

        async def guarded() -> Body | None:
            try:
                return await work()
            except Exception:
                if makes is not None:
                    makes.properties["provisioningState"] = "Failed"
                    self.cloud.resources.changed()
                raise

        asked = Asked(self.target, self.api_version)
        return self.cloud.operations.start(asked, style, guarded, region=region, seconds=seconds)


_VERBS = {"GET": "read", "HEAD": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete"}

Handler = Callable[[Exchange], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Route:
    """Which handler answers *method* for resource type *kind*.

    *shape* is empty for one resource, ``*`` for a collection, else the name of an action. The right
    that it needs follows from these, unless *right* names another one; ``-`` means none.
    """

    method: str
    kind: str
    handler: Handler
    shape: str = ""
    right: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """How the table finds it."""
        return self.method, self.kind.lower(), self.shape.lower()

    @property
    def action(self) -> str:
        """The action that a role must allow, ``Microsoft.Compute/disks/write``."""
        if self.right:
            return self.right
        if self.shape not in ("", "*"):
            return f"{self.kind}/{self.shape}/action"
        verbs = {
            "GET": "read",
            "HEAD": "read",
            "PUT": "write",
            "PATCH": "write",
            "DELETE": "delete",
        }
        return f"{self.kind}/{verbs[self.method]}"
