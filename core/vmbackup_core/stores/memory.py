"""Objects in memory, for tests and for trying things out."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from typing_extensions import override

from vmbackup_core.stores.port import (
    AlreadyStored,
    Buffer,
    NotStored,
    Store,
    StoredObject,
    checked_name,
)


class MemoryStore(Store):
    """A store that is gone with the process."""

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}
        self._lock = threading.Lock()

    @override
    def put_new(self, name: str, data: Buffer) -> None:
        checked_name(name)
        content = bytes(data)
        with self._lock:
            if name in self._objects:
                raise AlreadyStored(name)
            self._objects[name] = content

    @override
    def get(self, name: str) -> bytes:
        with self._lock:
            if name not in self._objects:
                raise NotStored(name)
            return self._objects[name]

    @override
    def get_range(self, name: str, offset: int, length: int) -> bytes:
        return self.get(name)[offset : offset + length]

    @override
    def list(self, prefix: str) -> Iterator[StoredObject]:
        with self._lock:
            found = sorted(item for item in self._objects.items() if item[0].startswith(prefix))
        for name, content in found:
            yield StoredObject(name, len(content))

    @override
    def delete(self, name: str) -> None:
        with self._lock:
            self._objects.pop(name, None)
