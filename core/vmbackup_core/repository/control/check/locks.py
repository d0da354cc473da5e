"""Locks against what commits promise; section 20 of the page. Each commit is one finding.

Listings tell the locks, so no object is asked for by itself. A chain whose commits promise nothing
that is still to come costs nothing.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import ChainId
from vmbackup_core.repository.control.check.chains import ChainSeen, Left, Looking
from vmbackup_core.repository.control.check.point_locks import PointLocks
from vmbackup_core.repository.control.commits.commits import ListPartRef
from vmbackup_core.repository.control.commits.list_parts import OpenList
from vmbackup_core.repository.control.commits.locking import joined, moment_of
from vmbackup_core.repository.control.commits.pack_list import Key
from vmbackup_core.repository.control.commits.prune_listing import name_of
from vmbackup_core.repository.primitives.failures import NotUnderstood
from vmbackup_core.repository.primitives.names import (
    commit_name,
    point_name,
    prefix_of_chain,
    prefix_of_commits,
    prefix_of_folder,
)
from vmbackup_core.repository.primitives.parsed_names import name_in_chain
from vmbackup_core.stores.port import UNREADABLE_NOW, LocksNotKept, ObjectLock, Store

#: What keeps a part of a list from being read; it is said of the part.
_STOPS = (CorruptRepository, NotUnderstood, *UNREADABLE_NOW)


@dataclass
class _Promise:
    """What a commit of counted points says of its objects, and which of them fall short."""

    left: Left
    commit: str
    until: datetime
    short: list[ObjectLock] = field(default_factory=list)
    count: int = 0

    def judge(self, lock: ObjectLock | None) -> None:
        """Take note of an object that is locked for too short."""
        if lock is None or (lock.until is not None and lock.until >= self.until):
            return
        self.count += 1
        if not self.short:
            self.short.append(lock)

    def found(self) -> str:
        """Return what is said of it."""
        first, others = self.short[0], self.count - 1
        ends = "not locked" if first.until is None else f"locked until {first.until:%Y-%m-%d}"
        more = f", and {others} more that it needs are not locked long enough" if others else ""
        runs = ", ".join(sorted(self.left.runs))
        return (
            f"says that its objects are locked until {self.until:%Y-%m-%d}: {first.name} is "
            f"{ends}{more}; of {runs}"
        )


def check_locks(looking: Looking, found: ChainSeen) -> None:
    """Note each commit of a counted point of which an object is not locked as long as it says."""
    promises = list(_promises(looking, found))
    if not promises:
        return
    with suppress(LocksNotKept), looking.seen.noting("data", prefix_of_chain(found.chain)):
        _judge_objects(looking, found.chain, promises)
        points = looking.locks or PointLocks(looking.control.store)
        _judge_named(looking, found.chain, promises, points)
    for promise in promises:
        if promise.short:
            looking.seen.say("control", promise.commit, "lockShort", promise.found())


def _promises(looking: Looking, found: ChainSeen) -> Iterator[_Promise]:
    """Yield what is promised of times to come, the longest first."""
    now = looking.log.clock.now()
    made = []
    for left in found.in_order():
        until = None if left.commit is None else moment_of(left.commit.locked_until)
        if left.uses and left.commit is not None and until is not None and until > now:
            name = commit_name(found.chain, left.commit.slot)
            made.append(_Promise(left, name, until))
    yield from sorted(made, key=lambda promise: promise.until, reverse=True)


def _judge_objects(looking: Looking, chain: ChainId, promises: list[_Promise]) -> None:
    """Judge packs and index objects, each by the longest promise that names it."""
    streams, streamed = [], set[str]()
    for number, promise in enumerate(promises):
        refs = () if promise.left.commit is None else promise.left.commit.pack_list
        mine = [ref for ref in refs if ref.name not in streamed]
        streamed |= {ref.name for ref in mine}
        streams.append(_listed(looking, chain, mine, number))
    owners: dict[str, _Promise] = {}
    locks = _locks_of(looking.data, [prefix_of_folder(chain, "p"), prefix_of_folder(chain, "i")])
    for name, lock in joined(_owned(heapq.merge(*streams), promises, owners), locks):
        owners.pop(name).judge(lock)


def _listed(
    looking: Looking, chain: ChainId, refs: Iterable[ListPartRef], number: int
) -> Iterator[tuple[Key, int, str]]:
    for ref in refs:
        with suppress(*_STOPS):
            for part in OpenList(looking.control, chain, (ref,)).parts():
                for entry in part:
                    yield entry.key, number, name_of(chain, entry.key)


def _owned(
    listed: Iterable[tuple[Key, int, str]], promises: list[_Promise], owners: dict[str, _Promise]
) -> Iterator[str]:
    """Yield each name once, and have its longest promise among *owners* meanwhile."""
    last: Key | None = None
    for key, number, name in listed:
        if key != last:
            owners[name] = promises[number]
            yield name
        last = key


def _locks_of(store: Store, prefixes: Iterable[str]) -> Iterator[ObjectLock]:
    for prefix in prefixes:
        yield from store.locks(prefix)


def _judge_named(
    looking: Looking, chain: ChainId, promises: list[_Promise], points: PointLocks
) -> None:
    """Judge manifests, commits, parts of lists and points, each by its own promise."""
    control = looking.control.store
    of_data = [prefix_of_folder(chain, "m")]
    of_control = [prefix_of_commits(chain), prefix_of_folder(chain, "x")]
    known = {lock.name: lock for lock in _locks_of(looking.data, of_data)}
    known |= {lock.name: lock for lock in _locks_of(control, of_control)}
    for promise in promises:
        refs = () if promise.left.commit is None else promise.left.commit.pack_list
        parts = [name_in_chain(chain, ref.name) for ref in refs]
        for name in (promise.left.name, promise.commit, *parts):
            promise.judge(known.get(name))
        for use in promise.left.uses:
            promise.judge(points.find(point_name(*use.point)))
