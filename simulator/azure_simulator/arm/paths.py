"""What an ARM path names: a subscription, a resource group, a resource, a collection, an action."""

from __future__ import annotations

from dataclasses import dataclass

GROUP = "Microsoft.Resources/resourceGroups"
SUBSCRIPTION = "Microsoft.Resources/subscriptions"


@dataclass(frozen=True, slots=True)
class Target:
    """A parsed path.

    *types* and *names* alternate; where there is one type more than names, the last one is a
    collection or, for POST, an action. *scope* is all before the provider's part.
    """

    path: str
    scope: str
    subscription: str
    group: str
    namespace: str
    types: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def is_item(self) -> bool:
        """Whether the path ends in a name."""
        return len(self.types) == len(self.names)

    @property
    def kind(self) -> str:
        """The resource type as written in the path, ``Microsoft.Compute/disks``."""
        return "/".join((self.namespace, *self.types))

    @property
    def name(self) -> str:
        """The last name."""
        return self.names[-1] if self.names else ""

    @property
    def parent_path(self) -> str:
        """The path without its last part, for an item without its last two."""
        return self.path.rsplit("/", 2 if self.is_item else 1)[0]


def parse(path: str) -> Target:
    """Parse a decoded path that starts with a slash."""
    path = "/" + path.strip("/")
    parts = path.split("/")[1:]
    lowered = [part.lower() for part in parts]
    subscription = parts[1] if lowered[0] == "subscriptions" and len(parts) > 1 else ""
    group = parts[3] if lowered[2:3] == ["resourcegroups"] and len(parts) > 3 else ""  # noqa: PLR2004
    if "providers" in lowered[:-2]:
        at = len(lowered) - 1 - lowered[::-1].index("providers")
        rest = parts[at + 2 :]
        scope = "/" + "/".join(parts[:at])
        return Target(
            path,
            "" if scope == "/" else scope,
            subscription,
            group,
            parts[at + 1],
            tuple(rest[0::2]),
            tuple(rest[1::2]),
        )
    return _above_providers(path, parts, subscription, group)


def _above_providers(path: str, parts: list[str], subscription: str, group: str) -> Target:
    # `/subscriptions/S/resourceGroups/G/x`: the subscription is a resource, the group its child.
    types, names = tuple(parts[0::2]), tuple(parts[1::2])
    if group and len(types) > 1:
        types, names = ("resourceGroups", *types[2:]), names[1:]
    return Target(path, "", subscription, group, "Microsoft.Resources", types, names)
