"""Objects in memory, for tests and for trying things out."""

from __future__ import annotations

import builtins
import threading
from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from typing import Final

from typing_extensions import override

from vmbackup_core.errors import PermanentError
from vmbackup_core.stores.port import (
    AlreadyStored,
    Buffer,
    NotDeleted,
    NotStored,
    Store,
    StoredObject,
    TooLarge,
    checked_batch,
    checked_name,
)

#: Comes behind every character that names have.
_BEHIND: Final = "\x7f"


class MemoryStore(Store):
    """A store that is gone with the process; *keeps_versions* as an account may be told to."""

    def __init__(self, *, keeps_versions: bool = False) -> None:
        self._objects: dict[str, bytes] = {}
        self._names: builtins.list[
            str
        ] = []  # in order: most lists are short, of a store that isn't
        self._earlier: dict[str, builtins.list[bytes]] | None = {} if keeps_versions else None
        self._locked: set[str] = set()
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
            kept = [name for name in checked_batch(names) if name in self._locked]
            for name in set(names) - set(kept):
                self._forget(name)
        return [NotDeleted(name, "BlobImmutableDueToPolicy") for name in kept]

    @override
    def versions(self, name: str, *, most: int) -> Iterator[bytes]:
        with self._lock:
            there = name in self._objects and self._earlier is not None
            earlier = tuple((self._earlier or {}).get(name, ())) if there else ()
        yield from (content for content in earlier if len(content) <= most)

    def lock(self, name: str) -> None:
        """Have the store keep the object called *name* against every deletion."""
        with self._lock:
            self._locked.add(name)

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

    def _forget(self, name: str) -> None:
        content = self._objects.pop(name, None)
        if content is not None:
            del self._names[bisect_left(self._names, name)]
        if content is not None and self._earlier is not None:
            self._earlier.setdefault(name, []).append(content)
