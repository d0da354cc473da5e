"""Opening a repository with a user key; see section 25 of the format's page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from vmbackup_core.ids import RepositoryId
from vmbackup_core.repository.primitives.copies import (
    OpenedWrap,
    PutBack,
    epochs_with_headers,
    has_a_log,
    header_in,
    opens_an_object,
    proven,
    wrap_in,
    wraps_there,
)
from vmbackup_core.repository.primitives.failures import KeyMismatch, NewerFormat, NoRepository
from vmbackup_core.repository.primitives.header import Header, HeaderSeen, read_header
from vmbackup_core.repository.primitives.identities import Fingerprint
from vmbackup_core.repository.primitives.masters import KeyRing, Master
from vmbackup_core.repository.primitives.names import FIRST_EPOCH, header_name
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.repository.primitives.user_key import UserKey
from vmbackup_core.stores.port import ObjectUnreadable, Store

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OpenedKeys:
    """What a user key opens of a repository.

    *headers* are those of the epochs whose masters are there; one that is lost in both places is
    in *lost* instead, and is made again by who knows the log. *missing* are copies to put back. A
    copy that can't be read now is not lost: the other one serves, and it is left as it is.
    """

    key: Fingerprint
    ring: KeyRing
    headers: dict[int, Header]
    lost: frozenset[int]
    missing: tuple[PutBack, ...]

    @property
    def repository(self) -> RepositoryId:
        """The repository that was opened."""
        return self.ring.repository


@dataclass(slots=True)
class _Found:
    """What has been found so far, epoch by epoch."""

    masters: dict[int, Master] = field(default_factory=dict)
    headers: dict[int, Header] = field(default_factory=dict)
    lost: set[int] = field(default_factory=set)
    missing: list[PutBack] = field(default_factory=list)


@dataclass(slots=True)
class _Copies(Generic[T]):
    """The copies of one object in both places: what opens of them, and which can't be read."""

    opened: dict[Store, T | None]
    unreadable: set[Store]

    def lost(self, counts: Callable[[T], bool]) -> Iterator[Store]:
        """Yield the places whose copy is missing, damaged or none that *counts*."""
        for store, copy in self.opened.items():
            if store not in self.unreadable and (copy is None or not counts(copy)):
                yield store


def open_keys(places: Places, key: UserKey) -> OpenedKeys:
    """Return what *key* opens; nothing is written.

    Raise NoRepository, KeyMismatch, NewerFormat, or what a store raises that cannot be read.
    """
    epochs, wraps = epochs_with_headers(places), wraps_there(places)
    if not epochs and not (wraps and has_a_log(places)):
        raise NoRepository
    found, unknown = _Found(), _Unknown()
    for epoch in sorted(wraps):
        if key.fingerprint in wraps[epoch]:
            _open_epoch(places, key, epoch, found, unknown)
    if not found.masters:
        unknown.tell()
        there = {fingerprint for each in wraps.values() for fingerprint in each}
        raise KeyMismatch(key.fingerprint, there - {key.fingerprint})
    repository = found.masters[min(found.masters)].repository
    ring = KeyRing(repository, found.masters, epochs | found.masters.keys())
    return OpenedKeys(
        key.fingerprint, ring, found.headers, frozenset(found.lost), tuple(found.missing)
    )


class _Unknown:
    """Keeps what was not understood or read, which matters only where nothing else opens."""

    def __init__(self) -> None:
        self._first: NewerFormat | ObjectUnreadable | None = None

    def keep(self, error: NewerFormat | ObjectUnreadable) -> None:
        self._first = self._first or error

    def tell(self) -> None:
        if self._first is not None:
            raise self._first


def _open_epoch(places: Places, key: UserKey, epoch: int, found: _Found, unknown: _Unknown) -> None:
    """Find the wrap that counts, and the header that proves it."""
    wraps = _look(places, lambda store: _wrap_in(store, epoch, key, unknown), unknown)
    headers = _look(places, lambda store: header_in(store, epoch), unknown)
    for opened in filter(None, wraps.opened.values()):
        if found.masters and opened.master.repository != _any(found.masters).repository:
            continue
        seen = (each for each in headers.opened.values() if proven(each, opened.master))
        header = next(seen, None)
        if header is None and not _counts_without(places, epoch, headers.opened, opened, key):
            continue
        found.masters[epoch] = opened.master
        if header is not None:
            found.headers[epoch] = read_header(header)
            found.missing += _not_as(header, headers, header_name(epoch))
        elif not headers.unreadable:
            found.lost.add(epoch)
        found.missing += _without(opened, wraps)
        return


def _look(places: Places, read: Callable[[Store], T | None], unknown: _Unknown) -> _Copies[T]:
    """Read the copy in each place; one that is there and can't be read now is left out."""
    found: _Copies[T] = _Copies({}, set())
    for store in places.both():
        try:
            found.opened[store] = read(store)
        except ObjectUnreadable as error:  # noqa: PERF203 - of two
            found.opened[store] = None
            found.unreadable.add(store)
            unknown.keep(error)
    return found


def _counts_without(
    places: Places,
    epoch: int,
    headers: dict[Store, HeaderSeen | None],
    opened: OpenedWrap,
    key: UserKey,
) -> bool:
    """Tell whether a wrap counts although no header proves it: where that is lost in both places.

    Its master has to open an object of the epoch. Where there is none yet, since whoever began
    the repository was stopped as the header was written, it counts where no other key has a wrap.
    """
    if opens_an_object(places, opened.master):
        return True
    if epoch != FIRST_EPOCH or any(headers.values()) or has_a_log(places):
        return False
    return wraps_there(places) == {FIRST_EPOCH: {key.fingerprint}}


def _without(opened: OpenedWrap, wraps: _Copies[OpenedWrap]) -> Iterator[PutBack]:
    for store in wraps.lost(lambda other: other.master == opened.master):
        yield PutBack(store, opened.wrap.name, opened.wrap.stored)


def _not_as(header: HeaderSeen, headers: _Copies[HeaderSeen], name: str) -> Iterator[PutBack]:
    for store in headers.lost(lambda seen: seen.stored == header.stored):
        yield PutBack(store, name, header.stored)


def _wrap_in(store: Store, epoch: int, key: UserKey, unknown: _Unknown) -> OpenedWrap | None:
    try:
        return wrap_in(store, epoch, key)
    except NewerFormat as error:
        unknown.keep(error)
        return None


def _any(masters: dict[int, Master]) -> Master:
    return next(iter(masters.values()))
