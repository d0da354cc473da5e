"""Locks what counts until its commit's `lockedUntil`, in generations; section 20 of the page.

What a commit needs is locked before the commit is put, and the commit right after. So a commit
that says until when its objects are locked speaks the truth, wherever a crash comes; and what the
commit before has locked for as long need not be looked at again. Nobody shortens a lock.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import chain as chained
from typing import Final, Literal

from vmbackup_core.clock import Clock
from vmbackup_core.ids import ChainId
from vmbackup_core.repository.control.commits.commits import Commit, FoundCommit, ListPartRef
from vmbackup_core.repository.control.commits.list_parts import OpenList
from vmbackup_core.repository.control.commits.pack_list import ListEntry
from vmbackup_core.repository.control.commits.prune_listing import name_of
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.repository.crew import work_through
from vmbackup_core.repository.primitives.json_payloads import Time
from vmbackup_core.repository.primitives.names import (
    HEADER,
    LOG,
    WRAPS,
    chain_header_name,
    commit_name,
    prefix_of_folder,
    prefix_of_slot,
    prefix_of_state,
)
from vmbackup_core.repository.primitives.parsed_names import (
    LogName,
    WrapName,
    name_in_chain,
    parse_control,
)
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.stores.port import NotStored, ObjectLock, Store

_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
#: A lock is never asked for a moment that may have passed when the store hears of it.
_AHEAD: Final = timedelta(hours=1)
#: Nor is one extended that ends within this time.
_ON_ITS_WAY: Final = timedelta(minutes=5)
#: Where packs and index objects lie, in the order of pack lists.
_FOLDERS: Final[tuple[Literal["p"], Literal["i"]]] = ("p", "i")
#: How many locks are asked for at once.
_THREADS: Final = 16


@dataclass(frozen=True, slots=True)
class Keep:
    """Until when a point is to be kept, as it is known at commit, and the generation in days."""

    until: datetime
    generation_days: int

    def locked_until(self, now: datetime) -> datetime:
        """Return the end of the generation in which the point's retention ends."""
        return end_of_generation(max(self.until, now + _AHEAD), self.generation_days)


def end_of_generation(moment: datetime, days: int) -> datetime:
    """Return the first multiple of *days*, counted from 1970, that is not before *moment*."""
    generation = timedelta(days=days)
    return _BEGINNING + -(-(moment - _BEGINNING) // generation) * generation


@dataclass(frozen=True, slots=True)
class Locking:
    """Locks in both places of a repository; *threads* is how many are asked for at once."""

    places: Places
    clock: Clock
    threads: int = _THREADS

    def lock_needed(self, control: Control, made: Commit, newest: FoundCommit | None) -> None:
        """Lock what *made*, which is not put yet, names or needs until its `lockedUntil`.

        Where the commit before has locked as long, that is what is new: what it shares with that
        one has been locked. Else everything is looked at, and what falls short extended.
        """
        until = moment_of(made.locked_until)
        if until is None:
            return
        before = None if newest is None else newest.commit
        known = None if before is None else moment_of(before.locked_until)
        if before is None or known is None or known < until:
            self._lock_whole(control, made, newest, until)
        else:
            self._lock_new(control, made, before.pack_list, until)
        self._lock(self.places.data, [made.manifest_name or ""], until)

    def lock_commit(self, commit: Commit) -> None:
        """Lock the commit itself, which is put; twice is once."""
        until = moment_of(commit.locked_until)
        if until is not None:
            self.lock_control([commit_name(commit.chain_id, commit.slot)], until)

    def lock_control(self, names: Iterable[str], until: datetime) -> None:
        """Lock objects of control that are put."""
        self._lock(self.places.control, names, until)

    def lock_frame(self, until: datetime, state_every: int, gone: Container[str]) -> None:
        """Lock what everything is opened with and read from, as long as any of it is.

        That is headers and wraps, but those of user keys that are *gone*, and the log from its
        newest state on. What was put and not locked, and what is locked for too short, is found by
        listing.
        """
        read_from = list(_from_newest_state(self.places.control.locks(LOG), state_every))
        until = max([until, *(lock.until for _, lock in read_from if lock.until is not None)])
        short = (lock.name for _, lock in read_from if is_short(lock, until))
        self.lock_control(short, until)
        oldest = read_from[-1][0] if read_from else 0
        if oldest and oldest % state_every == 0:
            self._extend(self.places.control, prefix_of_state(oldest), until, gone)
        for store in self.places.both():
            for prefix in (HEADER, WRAPS):
                self._extend(store, prefix, until, gone)

    def _lock_whole(
        self, control: Control, made: Commit, newest: FoundCommit | None, until: datetime
    ) -> None:
        chain, data, refs = made.chain_id, self.places.data, made.pack_list
        names = (name_of(chain, entry.key) for entry in _entries(control, chain, refs))
        locks = (data.locks(prefix_of_folder(chain, folder)) for folder in _FOLDERS)
        self._lock_short(names, chained.from_iterable(locks), until)
        self.lock_control((name_in_chain(chain, ref.name) for ref in refs), until)
        above = [] if newest is None else [commit_name(chain, newest.slot)]
        self.lock_control([chain_header_name(chain), *above], until)

    def _lock_new(
        self, control: Control, made: Commit, known: Sequence[ListPartRef], until: datetime
    ) -> None:
        """Lock the slot's own objects that are needed, and the parts that came out new."""
        chain, slot, data = made.chain_id, made.slot, self.places.data
        refs = [ref for ref in made.pack_list if ref not in known]
        entries = _entries(control, chain, refs)
        names = (name_of(chain, each.key) for each in entries if each.session.slot == slot)
        locks = (data.locks(prefix_of_slot(chain, folder, slot)) for folder in _FOLDERS)
        self._lock_short(names, chained.from_iterable(locks), until)
        self.lock_control((name_in_chain(chain, ref.name) for ref in refs), until)

    def _lock_short(
        self, names: Iterable[str], locks: Iterable[ObjectLock], until: datetime
    ) -> None:
        short = (name for name, lock in joined(names, locks) if is_short(lock, until))
        self._lock(self.places.data, short, until)

    def _extend(self, store: Store, prefix: str, until: datetime, gone: Container[str]) -> None:
        """Lock what begins with *prefix*, where that falls short."""
        short = [lock.name for lock in store.locks(prefix) if is_short(lock, until)]
        self._lock(store, (name for name in short if not _is_of(name, gone)), until)

    def _lock(self, store: Store, names: Iterable[str], until: datetime) -> None:
        if until > self.clock.now() + _ON_ITS_WAY:
            work_through(names, _locker(store, until), self.threads)


def is_short(lock: ObjectLock, until: datetime) -> bool:
    """Tell whether an object is not locked until *until*."""
    return lock.until is None or lock.until < until


def joined(names: Iterable[str], locks: Iterable[ObjectLock]) -> Iterator[tuple[str, ObjectLock]]:
    """Yield those of *names* that are listed with their locks; both are in one order.

    Names in packs' folders come before those of index objects, as pack lists have them. What is
    not listed is not there: that is for others to find.
    """
    listed = iter(locks)
    lock = next(listed, None)
    for name in names:
        while lock is not None and _order(lock.name) < _order(name):
            lock = next(listed, None)
        if lock is not None and lock.name == name:
            yield name, lock


def _order(name: str) -> tuple[bool, str]:
    """Return where a pack or an index object stands in a pack list."""
    return f"/{_FOLDERS[1]}/" in name, name


def _is_of(name: str, gone: Container[str]) -> bool:
    """Tell whether *name* is a wrap of one of the user keys that are *gone*."""
    named = parse_control(name)
    return isinstance(named, WrapName) and named.fingerprint in gone


def _locker(store: Store, until: datetime) -> Callable[[str], None]:
    def lock(name: str) -> None:
        try:
            store.lock_until(name, until)
        except NotStored:  # it went, or was lost: nothing of it is left to keep
            return

    return lock


def _from_newest_state(
    locks: Iterable[ObjectLock], state_every: int
) -> Iterator[tuple[int, ObjectLock]]:
    """Yield the log's objects with their numbers, from the newest to the newest with a state."""
    for lock in locks:
        named = parse_control(lock.name)
        if not isinstance(named, LogName):
            continue
        yield named.number, lock
        if named.number % state_every == 0:
            return


def _entries(control: Control, chain: ChainId, refs: Sequence[ListPartRef]) -> Iterator[ListEntry]:
    for part in OpenList(control, chain, tuple(refs)).parts():
        yield from part


def moment_of(time: Time | None) -> datetime | None:
    """Return a commit's time as a plain one."""
    return None if time is None else datetime.combine(time.date(), time.time(), timezone.utc)
