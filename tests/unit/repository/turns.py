"""Several at work over the same stores, one call of one of them at a time, in any order.

Each acts in a thread of its own that waits before every call of a store until its turn comes.
"""

from __future__ import annotations

import builtins
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from typing_extensions import override

from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.stores.port import Buffer, NotDeleted, ObjectLock, Store, StoredObject

#: What one of them does; the places it gets are the shared ones, seen through its turns.
Work = Callable[[Places], object]


class Stopped(BaseException):
    """The process is gone: nothing in the code under test may catch this."""


@dataclass
class _Actor:
    may_go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    ended: bool = False
    stopped: bool = False
    outcome: object = None

    def wait(self) -> None:
        self.arrived.release()
        self.may_go.acquire()
        if self.stopped:
            raise Stopped

    def act(self, work: Work, places: Places) -> None:
        try:
            self.outcome = work(places)
        except BaseException as failure:  # noqa: BLE001 - handed to the test
            self.outcome = failure
        finally:
            self.ended = True
            self.arrived.release()


class TurnStore(Store):
    """Passes each call on when its actor's turn has come."""

    def __init__(self, inner: Store, wait: Callable[[], None]) -> None:
        self._inner = inner
        self._wait = wait

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
    def get_end(self, name: str, length: int, *, size: int | None = None) -> tuple[bytes, int]:
        self._wait()
        return self._inner.get_end(name, length, size=size)

    @override
    def list(self, prefix: str, *, limit: int | None = None) -> Iterator[StoredObject]:
        self._wait()
        return iter(list(self._inner.list(prefix, limit=limit)))

    @override
    def folders(self, prefix: str) -> Iterator[str]:
        self._wait()
        return iter(list(self._inner.folders(prefix)))

    @override
    def delete(self, name: str) -> None:
        self._wait()
        self._inner.delete(name)

    @override
    def delete_all(self, names: Sequence[str]) -> builtins.list[NotDeleted]:
        self._wait()
        return self._inner.delete_all(names)

    @override
    def versions(self, name: str, *, most: int) -> Iterator[bytes]:
        self._wait()
        return iter(list(self._inner.versions(name, most=most)))

    @override
    def lock_until(self, name: str, moment: datetime) -> None:
        self._wait()
        self._inner.lock_until(name, moment)

    @override
    def locks(self, prefix: str) -> Iterator[ObjectLock]:
        self._wait()
        return iter(list(self._inner.locks(prefix)))


def interleave(
    places: Places, works: Sequence[Work], choose: Callable[[int], int]
) -> builtins.list[object]:
    """Run *works*, one call at a time; *choose* picks among n who are not done.

    Return what each returned, or raised. Where *choose* gives less than 0, all are stopped.
    """
    actors = [_Actor() for _ in works]
    threads = [
        threading.Thread(target=actor.act, args=(work, _seen(places, actor)))
        for actor, work in zip(actors, works, strict=True)
    ]
    for thread in threads:
        thread.start()
    for actor in actors:
        actor.arrived.acquire()
    while going := [actor for actor in actors if not actor.ended]:
        chosen = choose(len(going))
        for actor in going if chosen < 0 else [going[chosen % len(going)]]:
            actor.stopped = chosen < 0
            actor.may_go.release()
            actor.arrived.acquire()
    for thread in threads:
        thread.join()
    return [actor.outcome for actor in actors]


def calls_of(places: Places, work: Work) -> int:
    """Return how many calls to the stores *work* makes where nobody is beside it."""
    calls = 0

    def choose(_going: int) -> int:
        nonlocal calls
        calls += 1
        return 0

    (outcome,) = interleave(places, [work], choose)
    assert not isinstance(outcome, BaseException), outcome
    return calls


def _seen(places: Places, actor: _Actor) -> Places:
    return Places(TurnStore(places.data, actor.wait), TurnStore(places.control, actor.wait))
