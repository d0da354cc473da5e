"""Stores for tests: one that dies at its n-th write, one whose calls are let through in turn."""

from __future__ import annotations

import builtins
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from typing_extensions import override

from vmbackup_core.stores.port import Buffer, NotDeleted, Store, StoredObject


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


@dataclass
class _Actor:
    """One who uses the store; goes one call further whenever it may."""

    work: Callable[[Store], None]
    may_go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    ended: bool = False
    failure: BaseException | None = None


class _TurnStore(Store):
    """Waits before each call until its actor's turn comes."""

    def __init__(self, inner: Store, actor: _Actor) -> None:
        self._inner = inner
        self._actor = actor

    def _wait(self) -> None:
        self._actor.arrived.release()
        self._actor.may_go.acquire()

    @override
    def put_new(self, name: str, data: Buffer) -> None:
        self._wait()
        self._inner.put_new(name, data)

    @override
    def get(self, name: str, *, most: int | None = None) -> bytes:
        self._wait()
        return self._inner.get(name, most=most)

    @override
    def get_range(self, name: str, offset: int, length: int) -> bytes:
        self._wait()
        return self._inner.get_range(name, offset, length)

    @override
    def list(self, prefix: str, *, limit: int | None = None) -> Iterator[StoredObject]:
        self._wait()
        return iter(list(self._inner.list(prefix, limit=limit)))

    @override
    def delete(self, name: str) -> None:
        self._wait()
        self._inner.delete(name)

    @override
    def get_end(self, name: str, length: int, *, size: int | None = None) -> tuple[bytes, int]:
        self._wait()
        return self._inner.get_end(name, length, size=size)

    @override
    def folders(self, prefix: str) -> Iterator[str]:
        self._wait()
        return iter(list(self._inner.folders(prefix)))

    @override
    def delete_all(self, names: Sequence[str]) -> builtins.list[NotDeleted]:
        self._wait()
        return self._inner.delete_all(names)

    @override
    def versions(self, name: str, *, most: int) -> Iterator[bytes]:
        self._wait()
        return iter(list(self._inner.versions(name, most=most)))


def interleave(
    inner: Store, works: list[Callable[[Store], None]], choose: Callable[[int], int]
) -> list[BaseException | None]:
    """Run *works* on *inner*, one call of one of them at a time; *choose* picks among n.

    Return how each ended: None, or what it raised.
    """
    actors = [_Actor(work) for work in works]
    threads = [
        threading.Thread(target=_act, args=(actor, _TurnStore(inner, actor))) for actor in actors
    ]
    for thread in threads:
        thread.start()
    for actor in actors:
        actor.arrived.acquire()
    while going := [actor for actor in actors if not actor.ended]:
        chosen = going[choose(len(going)) % len(going)]
        chosen.may_go.release()
        chosen.arrived.acquire()
    for thread in threads:
        thread.join()
    return [actor.failure for actor in actors]


def _act(actor: _Actor, store: Store) -> None:
    try:
        actor.work(store)
    except BaseException as failure:  # noqa: BLE001 - handed to the test
        actor.failure = failure
    finally:
        actor.ended = True
        actor.arrived.release()
