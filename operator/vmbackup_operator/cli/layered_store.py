"""A store over which something is tried: what is put stays in memory, and nothing else changes."""

from __future__ import annotations

import builtins
import heapq
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby, islice

from typing_extensions import override

from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import (
    AlreadyStored,
    Buffer,
    LocksNotKept,
    NotDeleted,
    NotStored,
    ObjectLock,
    Store,
    StoredObject,
    checked_batch,
)


class LayeredStore(Store):
    """*below* is only read; what is put or deleted here is so for this process alone."""

    def __init__(self, below: Store) -> None:
        self._below = below
        self._above = MemoryStore()
        self._deleted: set[str] = set()

    @override
    def put_new(self, name: str, data: Buffer) -> None:
        if self._is_below(name):
            raise AlreadyStored(name)
        self._above.put_new(name, data)

    @override
    def get(self, name: str, *, most: int | None = None) -> bytes:
        return self._holder(name).get(name, most=most)

    @override
    def get_range(self, name: str, offset: int, length: int) -> bytes:
        return self._holder(name).get_range(name, offset, length)

    @override
    def get_end(self, name: str, length: int, *, size: int | None = None) -> tuple[bytes, int]:
        return self._holder(name).get_end(name, length, size=size)

    @override
    def list(self, prefix: str, *, limit: int | None = None) -> Iterator[StoredObject]:
        below = (each for each in self._below.list(prefix) if each.name not in self._deleted)
        both = heapq.merge(self._above.list(prefix), below, key=lambda each: each.name)
        first = (next(same) for _, same in groupby(both, key=lambda each: each.name))
        yield from islice(first, limit)

    @override
    def folders(self, prefix: str) -> Iterator[str]:
        both = heapq.merge(self._above.folders(prefix), self._below.folders(prefix))
        yield from (name for name, _ in groupby(both))

    @override
    def delete(self, name: str) -> None:
        self._above.delete(name)
        self._deleted.add(name)

    @override
    def delete_all(self, names: Sequence[str]) -> builtins.list[NotDeleted]:
        for name in checked_batch(names):
            self.delete(name)
        return []

    @override
    def versions(self, name: str, *, most: int) -> Iterator[bytes]:
        return self._holder(name).versions(name, most=most)

    @override
    def lock_until(self, name: str, moment: datetime) -> None:
        raise LocksNotKept("what is only tried", "it stays in memory")

    @override
    def locks(self, prefix: str) -> Iterator[ObjectLock]:
        return self._below.locks(prefix)

    def _is_below(self, name: str) -> bool:
        if name in self._deleted:
            return False
        return any(each.name == name for each in self._below.list(name, limit=1))

    def _holder(self, name: str) -> Store:
        if any(each.name == name for each in self._above.list(name, limit=1)):
            return self._above
        if name in self._deleted:
            raise NotStored(name)
        return self._below
