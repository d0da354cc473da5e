"""Stores for tests: one that dies at its n-th write, one whose calls are let through in turn."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial

from typing_extensions import override

from tests.unit.repository import turns
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.stores.port import (
    Buffer,
    CredentialsRefused,
    NotDeleted,
    ObjectLock,
    Store,
    StoredObject,
)


class Killed(BaseException):
    """The process is gone: nothing in the code under test may catch this."""


class DyingStore(Store):
    """Passes calls on until its *last*-th write, which is applied or not, and then nothing more."""

    def __init__(self, inner: Store, last: int, *, applied: bool) -> None:
        self._inner = inner
        self._left = last
        self._applied = applied

    @override
    def put_new(self, name: str, data: Buffer) -> None:
        self._left -= 1
        if self._left > 0:
            self._inner.put_new(name, data)
            return
        if self._left == 0 and self._applied:
            self._inner.put_new(name, data)
        raise Killed

    @override
    def get(self, name: str, *, most: int | None = None) -> bytes:
        return self._inner.get(name, most=most)

    @override
    def get_range(self, name: str, offset: int, length: int) -> bytes:
        return self._inner.get_range(name, offset, length)

    @override
    def list(self, prefix: str, *, limit: int | None = None) -> Iterator[StoredObject]:
        return self._inner.list(prefix, limit=limit)

    @override
    def delete(self, name: str) -> None:
        self._inner.delete(name)

    @override
    def get_end(self, name: str, length: int, *, size: int | None = None) -> tuple[bytes, int]:
        return self._inner.get_end(name, length, size=size)

    @override
    def folders(self, prefix: str) -> Iterator[str]:
        return iter(list(self._inner.folders(prefix)))

    @override
    def delete_all(self, names: Sequence[str]) -> builtins.list[NotDeleted]:
        return self._inner.delete_all(names)

    @override
    def versions(self, name: str, *, most: int) -> Iterator[bytes]:
        return iter(list(self._inner.versions(name, most=most)))

    @override
    def lock_until(self, name: str, moment: datetime) -> None:
        self._inner.lock_until(name, moment)

    @override
    def locks(self, prefix: str) -> Iterator[ObjectLock]:
        return iter(list(self._inner.locks(prefix)))


def interleave(
    inner: Store, works: list[Callable[[Store], None]], choose: Callable[[int], int]
) -> list[BaseException | None]:
    """Run *works* on *inner*, one call of one of them at a time; *choose* picks among n.

    Return how each ended: None, or what it raised.
    """
    outcomes = turns.interleave(
        Places(inner, inner),
        [partial(_work_on_data, work) for work in works],
        lambda count: choose(count) % count,
    )
    return [each if isinstance(each, BaseException) else None for each in outcomes]


def _work_on_data(work: Callable[[Store], None], places: Places) -> None:
    work(places.data)


class ReadOnlyStore(turns.TurnStore):
    """Lets its caller read and list, and nothing else."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner, lambda: None)

    @override
    def put_new(self, name: str, data: Buffer) -> None:
        raise CredentialsRefused(f"storing {name}: status 403", reason="AuthorizationFailure")

    @override
    def delete(self, name: str) -> None:
        raise CredentialsRefused(f"deleting {name}: status 403", reason="AuthorizationFailure")
