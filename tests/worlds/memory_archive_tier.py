"""A store in memory of which some objects are in the Archive tier, and the ways into and out."""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from typing_extensions import override

from vmbackup_core.clock import Clock
from vmbackup_core.stores.archive_tier import ArchiveTier, Priority
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import NotDeleted, NotStored, ObjectUnreadable, StoredObject

#: How long a copy takes, at the most.
TAKES: Final[Mapping[Priority, timedelta]] = {
    "Standard": timedelta(hours=15),
    "High": timedelta(hours=1),
}


class ArchivedStore(MemoryStore):
    """What is in the tier is listed and deleted, and not read; who tries is *refused* that name."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(now=clock.now)
        self._clock = clock
        self._archived: set[str] = set()
        self._back_at: dict[str, datetime] = {}
        self.refused: list[str] = []
        #: How many times as fast as in Azure copies are made.
        self.speed = 1.0
        #: The objects of which copies were asked for, each time that one was.
        self.copied: list[str] = []
        #: The prefixes that were listed, each time that one was.
        self.listed: list[str] = []

    def archive(self, name: str) -> None:
        """Put the object called *name* into the tier."""
        self._archived.add(name)

    def put_away(self, name: str) -> None:
        """Put an object into the tier that is there, as Azure does by Set Blob Tier."""
        if name not in self._objects:
            raise NotStored(name)
        if self._is_under_way(name):
            raise _unreadable(name, "BlobBeingRehydrated")
        self.archive(name)

    def copy(self, name: str, copy: str, takes: timedelta) -> None:
        """Copy an object, so that the copy can be read when that time is over."""
        if name not in self._objects:
            raise NotStored(name)
        self.copied.append(name)
        if copy not in self._objects:
            self.put_new(copy, self._objects[name])
            self._back_at[copy] = self._clock.now() + takes / self.speed

    @override
    def get(self, name: str, *, most: int | None = None) -> bytes:
        if name in self._archived:  # by range, too: that is a part of this
            self.refused.append(name)
            raise _unreadable(name, "BlobArchived")
        if self._is_under_way(name):
            raise _unreadable(name, "BlobBeingRehydrated")
        return super().get(name, most=most)

    @override
    def list(self, prefix: str, *, limit: int | None = None) -> Iterator[StoredObject]:
        self.listed.append(prefix)
        for each in super().list(prefix, limit=limit):
            archived = each.name in self._archived or self._is_under_way(each.name)
            yield StoredObject(each.name, each.size_bytes, archived=archived)

    @override
    def delete_all(self, names: Sequence[str]) -> builtins.list[NotDeleted]:
        self._archived -= set(names)
        for name in names:
            self._back_at.pop(name, None)
        return super().delete_all(names)

    def _is_under_way(self, name: str) -> bool:
        return name in self._back_at and self._back_at[name] > self._clock.now()


class MemoryArchiveTier(ArchiveTier):
    """The tier of such a store; remembers what was *asked* of it."""

    def __init__(self, store: ArchivedStore) -> None:
        self._store = store
        self.asked: list[tuple[str, Priority]] = []

    @override
    def put_away(self, name: str) -> None:
        self._store.put_away(name)

    @override
    def bring_back(self, name: str, copy: str, priority: Priority) -> None:
        self.asked.append((name, priority))
        self._store.copy(name, copy, TAKES[priority])


def _unreadable(name: str, reason: str) -> ObjectUnreadable:
    return ObjectUnreadable(f"reading {name}: {reason}", reason=reason)
