"""Adding, removing and rotating keys; see section 26 of the format's page."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from vmbackup_core.errors import CorruptRepository, TransientError
from vmbackup_core.repository.primitives.copies import (
    copy_wrap,
    epochs_with_headers,
    header_in,
    proven,
    put_back,
    put_wrap,
    replace,
    wrap_in,
    wraps_there,
)
from vmbackup_core.repository.primitives.derivation import KEY_BYTES
from vmbackup_core.repository.primitives.failures import (
    KeyRingIncomplete,
    LastKey,
)
from vmbackup_core.repository.primitives.header import Header, encode_header
from vmbackup_core.repository.primitives.identities import Fingerprint
from vmbackup_core.repository.primitives.json_payloads import Time
from vmbackup_core.repository.primitives.masters import KeyRing, Master
from vmbackup_core.repository.primitives.names import header_name, wrap_name
from vmbackup_core.repository.primitives.opening import OpenedKeys, open_keys
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.repository.primitives.user_key import UserKey
from vmbackup_core.repository.primitives.wraps import Wrap, make_wrap, open_wrap
from vmbackup_core.stores.port import AlreadyStored


class EpochOvertaken(TransientError):
    """Another rotation has begun the newer epoch *epoch* meanwhile: ours is not used."""

    def __init__(self, epoch: int) -> None:
        super().__init__(f"another rotation has begun epoch {epoch} meanwhile")
        self.epoch = epoch


class AppendsToLog(Protocol):
    """Tells the log which keys and epochs there are; each reads it to its end first."""

    def key_added(self, fingerprint: Fingerprint, label: str | None) -> None:
        """Append that a key was added, for people to see."""

    def key_removed(self, fingerprint: Fingerprint) -> None:
        """Append that a key is being removed, for people to see."""

    def epoch_begun(self, epoch: int, master_id: str) -> None:
        """Append that *epoch* is the newest; raise EpochOvertaken where a newer one is."""


@dataclass(frozen=True, slots=True)
class Removed:
    """What is left of a key that was removed: copies that the store keeps, locked."""

    fingerprint: Fingerprint
    kept: tuple[str, ...]


def add_key(
    places: Places, opened: OpenedKeys, key: UserKey, log: AppendsToLog, label: str | None = None
) -> None:
    """Have *key* open every epoch that the key does with which the repository was *opened*."""
    put_back(opened.missing)
    for master in opened.ring.masters.values():
        _ensure_wrap(places, key, master)
    log.key_added(key.fingerprint, label)


def remove_key(
    places: Places, opened: OpenedKeys, newest: int, removed: Fingerprint, log: AppendsToLog
) -> Removed:
    """Delete the wraps of the key *removed*; *opened* with another that opens the epoch *newest*.

    Whoever has kept a copy of a wrap, and the key, opens those epochs for ever.
    """
    if removed == opened.key or newest not in opened.ring.masters:
        raise LastKey(removed)
    log.key_removed(removed)
    names = [
        wrap_name(epoch, removed)
        for epoch, fingerprints in wraps_there(places).items()
        if removed in fingerprints
    ]
    kept = tuple(
        each.name
        for store in places.both()
        for at in range(0, len(names), _AT_ONCE)
        for each in store.delete_all(names[at : at + _AT_ONCE])
    )
    return Removed(removed, kept)


def rotate(
    places: Places, opened: OpenedKeys, keys: Sequence[UserKey], at: Time, log: AppendsToLog
) -> int:
    """Begin a new epoch that each of *keys* opens, and no other key; return its number.

    An epoch at which somebody else's attempt has left wraps that do not fit is passed over. Raise
    EpochOvertaken where another rotation was faster, and its epoch is the newer one: then it is for
    the caller to open that, and to rotate again.
    """
    if not keys:
        raise LastKey(opened.key)
    epoch = 1 + max(epochs_with_headers(places) | opened.ring.masters.keys())
    while True:
        master = _wrapped(places, keys, epoch, opened.ring)
        if master is not None and _put_header(places, master, opened, at):
            log.epoch_begun(epoch, master.master_id)
            return epoch
        epoch += 1


def export_wrap(places: Places, key: UserKey, epoch: int) -> Wrap:
    """Return *key*'s wrap of *epoch* that counts, to be printed."""
    master = open_keys(places, key).ring.of(epoch)
    for store in places.both():
        there = wrap_in(store, epoch, key)
        if there is not None and there.master == master:
            return there.wrap
    raise KeyRingIncomplete(epoch)


def import_wrap(places: Places, wrap: Wrap, key: UserKey) -> None:
    """Put a printed *wrap* that *key* opens in both places.

    One that lies there is replaced where it is damaged, or where the epoch's header says that the
    printed one counts.
    """
    master = open_wrap("the printed wrap", wrap, key)
    counts = any(proven(header_in(store, master.epoch), master) for store in places.both())
    for store in places.both():
        there = wrap_in(store, master.epoch, key)
        if there is None or (counts and there.master != master):
            replace(store, wrap.name, wrap.stored)


#: No more wraps of one key go at once.
_AT_ONCE = 256


def _ensure_wrap(places: Places, key: UserKey, master: Master) -> None:
    """Have *master* wrapped for *key* in both places; what does not count there is replaced."""
    there = put_wrap(places, key, master)
    stored = there.wrap.stored if there and there.master == master else make_wrap(key, master)
    for store in places.both():
        copy = wrap_in(store, master.epoch, key)
        if copy is None or copy.master != master:
            replace(store, wrap_name(master.epoch, key.fingerprint), stored)


def _wrapped(places: Places, keys: Iterable[UserKey], epoch: int, ring: KeyRing) -> Master | None:
    """Return the master that all *keys* have a wrap of in control, some of which were put here.

    None where they have wraps of several masters, or damaged ones. Nothing is replaced: another's
    attempt may be about to put its header.
    """
    master = Master(ring.repository, epoch, secrets.token_bytes(KEY_BYTES))
    wraps: list[Wrap] = []
    for key in sorted(keys, key=lambda each: each.fingerprint):
        there = put_wrap(places, key, master)
        if there is None or there.master.repository != ring.repository:
            return None
        if wraps and there.master != master:
            return None
        master = there.master
        wraps.append(there.wrap)
    for wrap in wraps:
        copy_wrap(places, wrap)
    return master


def _put_header(places: Places, master: Master, opened: OpenedKeys, at: Time) -> bool:
    """Put the header of *master*'s epoch; tell whether that is now this master's."""
    if not opened.headers:
        raise CorruptRepository("every header is lost: have them made again first")
    first = opened.headers[min(opened.headers)]
    header = Header(
        repository_id=master.repository,
        epoch=master.epoch,
        master_id=master.master_id,
        appliance_id=first.appliance_id,
        created_at=at,
        put_if_absent=first.put_if_absent,
    )
    stored = encode_header(header, master)
    try:
        places.control.put_new(header_name(master.epoch), stored)
    except AlreadyStored:
        return False
    with suppress(AlreadyStored):
        places.data.put_new(header_name(master.epoch), stored)
    return True
