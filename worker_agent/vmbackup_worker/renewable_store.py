"""The repository's store as a running job sees it: its credential may be renewed under it."""

from __future__ import annotations

import builtins
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from typing_extensions import override

from vmbackup_core.stores.port import (
    AlreadyStored,
    Buffer,
    CredentialsRefused,
    NotDeleted,
    Store,
    StoredObject,
)
from vmbackup_worker.access import AccessRefused, Renewable, Stopped

T = TypeVar("T")


class RenewableStore(Store):
    """Hands each call to the store that is current; a refused one waits for its successor."""

    def __init__(
        self, current: Renewable[Store], stop: threading.Event, *, renewal_s: float
    ) -> None:
        self._current = current
        self._stop = stop
        self._renewal_s = renewal_s

    @override
    def put_new(self, name: str, data: Buffer) -> None:
        attempts = 0

        def put(store: Store) -> None:
            nonlocal attempts
            attempts += 1
            try:
                store.put_new(name, data)
            except AlreadyStored:
                # Before its credential was refused, a put may have been stored and its answer lost.
                if attempts == 1 or store.get(name) != bytes(data):
                    raise

        self._asked(put)

    @override
    def get(self, name: str, *, most: int | None = None) -> bytes:
        return self._asked(lambda store: store.get(name, most=most))

    @override
    def get_range(self, name: str, offset: int, length: int) -> bytes:
        return self._asked(lambda store: store.get_range(name, offset, length))

    @override
    def get_end(self, name: str, length: int, *, size: int | None = None) -> tuple[bytes, int]:
        return self._asked(lambda store: store.get_end(name, length, size=size))

    @override
    def list(self, prefix: str, *, limit: int | None = None) -> Iterator[StoredObject]:
        # Whole, since a listing that was refused midway has to begin again.
        yield from self._asked(lambda store: tuple(store.list(prefix, limit=limit)))

    @override
    def folders(self, prefix: str) -> Iterator[str]:
        yield from self._asked(lambda store: tuple(store.folders(prefix)))

    @override
    def delete(self, name: str) -> None:
        self._asked(lambda store: store.delete(name))

    @override
    def delete_all(self, names: Sequence[str]) -> builtins.list[NotDeleted]:
        return self._asked(lambda store: store.delete_all(names))

    @override
    def versions(self, name: str, *, most: int) -> Iterator[bytes]:
        yield from self._asked(lambda store: tuple(store.versions(name, most=most)))

    def _asked(self, ask: Callable[[Store], T]) -> T:
        while True:
            if self._stop.is_set():
                raise Stopped("told to stop")
            generation, store = self._current.current()
            try:
                return ask(store)
            except CredentialsRefused as error:
                if not self._current.wait_for_newer(generation, self._renewal_s, self._stop):
                    detail = f"repository refused the worker: {error}, no fresh SAS came"
                    raise AccessRefused(detail) from None
