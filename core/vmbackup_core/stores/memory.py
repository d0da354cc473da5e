"""Objects in memory, for tests and for trying things out."""

from __future__ import annotations

import builtins
import threading
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Final

from typing_extensions import override

from vmbackup_core.errors import PermanentError
from vmbackup_core.stores.port import (
    AlreadyStored,
    Buffer,
    LocksNotKept,
    NotDeleted,
    NotStored,
    ObjectLock,
    Store,
    StoredObject,
    TooLarge,
    checked_batch,
    checked_name,
)

#: Comes behind every character that names have.
_BEHIND: Final = "\x7f"
_LOCKED: Final = "BlobImmutableDueToPolicy"
_FOR_EVER: Final = datetime.max.replace(tzinfo=timezone.utc)


def _now() -> datetime:
    return datetime.now(timezone.utc)


@dataclass(frozen=True, slots=True)
class _Version:
    """What an object was before it was replaced or deleted, and until when that is locked."""

    content: bytes
    until: datetime | None


class MemoryStore(Store):
    """A store that is gone with the process, and as strict with what is locked as Azure is.

    *keeps_versions* and *keeps_locks* as an account may be told to: a locked version stays whatever
    is done to its name. *now* says which locks have ended.
    """

    def __init__(
        self,
        *,
        keeps_versions: bool = False,
        keeps_locks: bool = True,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._objects: dict[str, bytes] = {}
        # In order: most lists are short, of a store that isn't.
        self._names: builtins.list[str] = []
        self._earlier: dict[str, builtins.list[_Version]] = {}
        self._until: dict[str, datetime] = {}
        self._keeps_versions = keeps_versions
        self._keeps_locks = keeps_locks
        self._now = now
        self._lock = threading.Lock()

    @override
    def put_new(self, name: str, data: Buffer) -> None:
        checked_name(name)
        content = bytes(data)
        with self._lock:
            if name in self._objects:
                raise AlreadyStored(name)
            self._keep(name, content)

    @override
    def get(self, name: str, *, most: int | None = None) -> bytes:
        with self._lock:
            if name not in self._objects:
                raise NotStored(name)
            content = self._objects[name]
        if most is not None and len(content) > most:
            raise TooLarge(name, most)
        return content

    @override
    def get_range(self, name: str, offset: int, length: int) -> bytes:
        return self.get(name)[offset : offset + length]

    @override
    def get_end(self, name: str, length: int, *, size: int | None = None) -> tuple[bytes, int]:
        content = self.get(name)
        return content[max(0, len(content) - length) :], len(content)

    @override
    def list(self, prefix: str, *, limit: int | None = None) -> Iterator[StoredObject]:
        with self._lock:
            names = self._beginning_with(prefix)[:limit]
            found = [StoredObject(name, len(self._objects[name])) for name in names]
        yield from found

    @override
    def folders(self, prefix: str) -> Iterator[str]:
        with self._lock:
            behind = [name[len(prefix) :] for name in self._beginning_with(prefix)]
        yield from sorted({f"{prefix}{rest.split('/')[0]}/" for rest in behind if "/" in rest})

    @override
    def delete(self, name: str) -> None:
        for kept in self.delete_all([name]):
            raise PermanentError(f"deleting {name}: {kept.why}", reason=kept.why)

    @override
    def delete_all(self, names: Sequence[str]) -> builtins.list[NotDeleted]:
        with self._lock:
            kept = [name for name in checked_batch(names) if self._is_locked(name)]
            for name in set(names) - set(kept):
                self._forget(name)
        return [NotDeleted(name, _LOCKED) for name in kept]

    @override
    def versions(self, name: str, *, most: int) -> Iterator[bytes]:
        with self._lock:
            earlier = tuple(self._earlier.get(name, ()))
        yield from (each.content for each in earlier if len(each.content) <= most)

    @override
    def lock_until(self, name: str, moment: datetime) -> None:
        if not self._keeps_locks:
            raise LocksNotKept("the store in memory", "it was told to keep none")
        with self._lock:
            if name not in self._objects:
                raise NotStored(name)
            if moment <= self._now():
                raise ValueError(f"{name} is to be locked until {moment}, which has passed")
            self._until[name] = max(moment, self._until.get(name, moment))

    @override
    def locks(self, prefix: str) -> Iterator[ObjectLock]:
        with self._lock:
            names = sorted(name for name in self._objects if name.startswith(prefix))
            found = [ObjectLock(name, self._until.get(name)) for name in names]
        yield from found

    def lock(self, name: str) -> None:
        """Have the store keep the object called *name* against every deletion."""
        with self._lock:
            self._until[name] = _FOR_EVER

    def free(self, name: str) -> None:
        """Have the object called *name* be as if nobody had locked it."""
        with self._lock:
            self._until.pop(name, None)

    def overwrite(self, name: str, data: Buffer) -> None:
        """Do what none of our adapters does, and others who may write can: replace an object."""
        with self._lock:
            self._forget(name)
            self._keep(name, bytes(data))

    def _beginning_with(self, prefix: str) -> builtins.list[str]:
        start = bisect_left(self._names, prefix)
        return self._names[start : bisect_left(self._names, f"{prefix}{_BEHIND}", start)]

    def _keep(self, name: str, content: bytes) -> None:
        self._objects[name] = content
        insort(self._names, name)

    def _is_locked(self, name: str) -> bool:
        until = self._until.get(name)
        return name in self._objects and until is not None and until > self._now()

    def _forget(self, name: str) -> None:
        """Make what is there an earlier version where that is kept, and nothing else."""
        is_kept = self._keeps_versions or self._is_locked(name)
        content, until = self._objects.pop(name, None), self._until.pop(name, None)
        if content is not None:
            del self._names[bisect_left(self._names, name)]
        if content is not None and is_kept:
            self._earlier.setdefault(name, []).append(_Version(content, until))
