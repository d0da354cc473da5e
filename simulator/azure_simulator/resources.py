"""Azure Resource Manager's resources as the whole simulator sees them: JSON bodies by id.

The ARM side writes here; the gateway, the storage fronts and the machines read. Ids are compared
without case, as Azure does. Whoever must know of a change subscribes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

#: A JSON object as it stands in an ARM answer.
Body = dict[str, Any]


def parent_id(arm_id: str) -> str:
    """Return the id that *arm_id* is a child of: a zone for a record, a VNet for a subnet."""
    return arm_id.rsplit("/", 2)[0]


def name_of(arm_id: str) -> str:
    """Return the last part of *arm_id*."""
    return arm_id.rsplit("/", 1)[1]


def type_of(arm_id: str) -> str:
    """Return the resource type, ``Microsoft.Network/virtualNetworks/subnets``, lower case."""
    if "/providers/" not in arm_id.lower():
        return "microsoft.resources/resourcegroups"
    provider, *parts = arm_id.lower().rsplit("/providers/", 1)[1].split("/")
    return "/".join([provider, *parts[0::2]])


@dataclass(slots=True)
class Resource:
    """One resource: *body* is what GET answers; *hidden* holds what Azure never shows."""

    id: str
    body: Body
    hidden: Body = field(default_factory=dict)

    @property
    def type(self) -> str:
        """The resource type, lower case."""
        return type_of(self.id)

    @property
    def name(self) -> str:
        """The last part of the id."""
        return name_of(self.id)

    @property
    def properties(self) -> Body:
        """The body's ``properties``, made where missing."""
        properties: Body = self.body.setdefault("properties", {})
        return properties

    @property
    def provisioning_state(self) -> str:
        """What ARM calls Creating, Updating, Succeeded, Deleting; missing means Succeeded."""
        state: str = self.properties.get("provisioningState", "Succeeded")
        return state


class Resources:
    """Every resource of every subscription."""

    def __init__(self) -> None:
        self._by_id: dict[str, Resource] = {}
        self._subscribers: list[Callable[[], None]] = []

    def find(self, arm_id: str) -> Resource | None:
        """Return the resource called *arm_id*, or None."""
        return self._by_id.get(arm_id.lower())

    def put(self, resource: Resource) -> None:
        """Add or replace, and tell the subscribers."""
        self._by_id[resource.id.lower()] = resource
        self.changed()

    def remove(self, arm_id: str) -> None:
        """Take the resource and its children away, and tell the subscribers."""
        prefix = arm_id.lower()
        for key in [key for key in self._by_id if key == prefix or key.startswith(prefix + "/")]:
            del self._by_id[key]
        self.changed()

    def of_type(self, resource_type: str) -> Iterator[Resource]:
        """Yield every resource of *resource_type* (any case), in order of id."""
        wanted = resource_type.lower()
        yield from (r for _, r in sorted(self._by_id.items()) if r.type == wanted)

    def under(self, arm_id: str) -> Iterator[Resource]:
        """Yield every resource whose id lies below *arm_id*, in order of id."""
        prefix = arm_id.lower().rstrip("/") + "/"
        yield from (r for key, r in sorted(self._by_id.items()) if key.startswith(prefix))

    def changed(self) -> None:
        """Tell the subscribers that a body was altered in place."""
        for subscriber in self._subscribers:
            subscriber()

    def subscribe(self, subscriber: Callable[[], None]) -> None:
        """Have *subscriber* called after every change; it must be quick."""
        self._subscribers.append(subscriber)
