"""The simulator's journal as the demo reads it: entries with the questions that the facts ask."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """One request that the simulated Azure answered; see docs/simulator.md."""

    sequence: int
    service: str
    caller: str
    method: str
    host: str
    path: str
    query: str
    status: int
    received_bytes: int = 0
    sent_bytes: int = 0
    request: Any = None
    detail: dict[str, Any] = field(default_factory=dict)
    identity: str = ""
    client_id: str = ""

    @property
    def succeeded(self) -> bool:
        """Whether the answer was a 2xx."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    def is_write(self, resource_type: str) -> bool:
        """Tell whether this created or changed an ARM resource of *resource_type*."""
        return (
            self.service == "arm"
            and self.method in {"PUT", "PATCH"}
            and arm_type(self.path) == resource_type.lower()
        )

    def is_action(self, resource_type: str, action: str) -> bool:
        """Tell whether this was ``POST …/action`` on an ARM resource of *resource_type*."""
        owner, _, last = self.path.rpartition("/")
        return (
            self.service == "arm"
            and self.method == "POST"
            and last.lower() == action.lower()
            and arm_type(owner) == resource_type.lower()
        )


def arm_type(path: str) -> str:
    """Return the lower-case resource type of an ARM path, or "" where it names no resource."""
    if "/providers/" not in path.lower():
        parts = path.strip("/").lower().split("/")
        is_group = len(parts) == 4 and parts[2] == "resourcegroups"  # noqa: PLR2004
        return "microsoft.resources/resourcegroups" if is_group else ""
    provider, *parts = path.lower().rsplit("/providers/", 1)[1].split("/")
    return "/".join([provider, *parts[0::2]])


def parsed(raw: Iterable[dict[str, Any]]) -> list[Entry]:
    """Return the journal's JSON as entries."""
    names = Entry.__slots__
    return [Entry(**{name: entry[name] for name in names}) for entry in raw]


def first(entries: Sequence[Entry], matches: Callable[[Entry], bool]) -> int | None:
    """Return the sequence number of the first entry that *matches*, or None."""
    return next((entry.sequence for entry in entries if matches(entry)), None)


def last(entries: Sequence[Entry], matches: Callable[[Entry], bool]) -> int | None:
    """Return the sequence number of the last entry that *matches*, or None."""
    return next((entry.sequence for entry in reversed(entries) if matches(entry)), None)


def same(left: str, right: str) -> bool:
    """Compare ids as Azure does, without case."""
    return left.lower() == right.lower()


def is_put(entry: Entry, host: str, part: str) -> bool:
    """Tell whether this stored something at *host* whose path holds *part*."""
    return entry.host == host and entry.method == "PUT" and entry.succeeded and part in entry.path


def spans(entries: Iterable[Entry], operation: str, disk: str) -> list[tuple[int, int]]:
    """Return the (offset, length) of each *operation* on an export of *disk*, from its start on."""
    return sorted(
        (entry.detail["offset"], entry.detail["length"])
        for entry in entries
        if entry.service == "export"
        and entry.succeeded
        and entry.detail.get("operation") == operation
        and same(str(entry.detail.get("disk")), disk)
    )


def done_to(resource: str, action: str) -> Callable[[Entry], bool]:
    """Return what tells whether an entry is that *action* on an ARM *resource*, which succeeded."""
    return lambda e: same(e.path, f"{resource}/{action}") and e.method == "POST" and e.succeeded
