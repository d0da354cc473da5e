"""Objects of the control place: read within their bound, opened, and put under their name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

import msgspec

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.primitives.bounds import OF_SEALED
from vmbackup_core.repository.primitives.envelope import seal, unseal
from vmbackup_core.repository.primitives.failures import (
    KeyRingIncomplete,
    NoSuchEpoch,
    NotUnderstood,
)
from vmbackup_core.repository.primitives.json_payloads import parsed, written
from vmbackup_core.repository.primitives.masters import KeyRing, Master
from vmbackup_core.repository.primitives.names import FIRST_EPOCH, header_name
from vmbackup_core.repository.primitives.outer import SealedKind
from vmbackup_core.repository.primitives.parsed_names import parse_control
from vmbackup_core.repository.primitives.reading import VERSIONS_MOST
from vmbackup_core.stores.port import AlreadyStored, NotStored, Store

T = TypeVar("T", bound=msgspec.Struct)
N = TypeVar("N")


@dataclass(frozen=True, slots=True)
class StoredBytes:
    """The bytes of an object as they lie there, and their SHA-256 in hexadecimal."""

    name: str
    stored: bytes = field(repr=False)
    sha256: str


@dataclass(frozen=True, slots=True)
class Control:
    """The control place with the masters that open what lies in it."""

    store: Store
    ring: KeyRing

    def get(self, kind: SealedKind, name: str, sha256: str | None = None) -> StoredBytes:
        """Return the object called *name*, at most one byte more than its bound; or NotStored.

        Where it does not open, or has not the digest *sha256* that is expected, the oldest version
        of it that opens and has it is the object; where there is none, it is what lies there. What
        was deleted is looked for so where its digest is expected.
        """
        try:
            stored = self.store.get_range(name, 0, OF_SEALED[kind].stored + 1)
        except NotStored:
            kept = None if sha256 is None else self._oldest_sound(kind, name, sha256)
            if kept is None:
                raise
            return kept
        found = StoredBytes(name, stored, hashlib.sha256(stored).hexdigest())
        if self._is_sound(kind, found, sha256):
            return found
        return self._oldest_sound(kind, name, sha256) or found

    def _oldest_sound(self, kind: SealedKind, name: str, sha256: str | None) -> StoredBytes | None:
        versions = self.store.versions(name, most=OF_SEALED[kind].stored)
        for stored in islice(versions, VERSIONS_MOST):
            found = StoredBytes(name, stored, hashlib.sha256(stored).hexdigest())
            if self._is_sound(kind, found, sha256):
                return found
        return None

    def _is_sound(self, kind: SealedKind, found: StoredBytes, sha256: str | None) -> bool:
        """Tell whether it opens, or would with another key, and has the digest."""
        if sha256 is not None and found.sha256 != sha256:
            return False
        try:
            self.payload(kind, found)
        except CorruptRepository:
            return False
        except NotUnderstood:  # authentic, or of an epoch whose master is not here
            return True
        return True

    def payload(self, kind: SealedKind, found: StoredBytes) -> bytes:
        """Return what *found* holds; raise CorruptRepository or NotUnderstood."""
        return unseal(kind, found.name, found.stored, self._secret_of, self.ring.repository).payload

    def open(self, kind: SealedKind, found: StoredBytes, struct: type[T]) -> T:
        """Return the JSON that *found* holds."""
        return parsed(found.name, self.payload(kind, found), struct)

    def open_known(self, kind: SealedKind, name: str, sha256: str, struct: type[T]) -> T:
        """Return the JSON of the object called *name*, which must have this digest."""
        found = self.get(kind, name, sha256)
        if found.sha256 != sha256:
            raise CorruptRepository(f"{name}: its digest is {found.sha256}, not {sha256}")
        return self.open(kind, found, struct)

    def seal(self, kind: SealedKind, name: str, value: msgspec.Struct, epoch: int) -> StoredBytes:
        """Return the object that holds *value* as JSON, sealed under *epoch*; it is not put.

        Raise ObjectMalformed where no reader would take it.
        """
        return self.seal_bytes(kind, name, written(name, value), epoch)

    def seal_bytes(self, kind: SealedKind, name: str, payload: bytes, epoch: int) -> StoredBytes:
        """Return the object that holds *payload*, sealed under *epoch*; it is not put."""
        stored = seal(kind, name, payload, self.master_of(epoch).control())
        return StoredBytes(name, stored, hashlib.sha256(stored).hexdigest())

    def master_of(self, epoch: int) -> Master:
        """Return the master of *epoch*; raise KeyRingIncomplete or NoSuchEpoch.

        An epoch that was begun since the ring was opened is none that never was.
        """
        try:
            return self.ring.of(epoch)
        except NoSuchEpoch:
            if epoch >= FIRST_EPOCH and is_there(self.store, header_name(epoch)):
                raise KeyRingIncomplete(epoch) from None
            raise

    def _secret_of(self, epoch: int) -> bytes:
        return self.master_of(epoch).control_secret()

    def put(self, made: StoredBytes) -> bool:
        """Put *made* where its name is free; tell whether its bytes are what is there (S35)."""
        try:
            self.store.put_new(made.name, made.stored)
        except AlreadyStored:
            return self.store.get_range(made.name, 0, len(made.stored) + 1) == made.stored
        return True

    def names(self, prefix: str, *, limit: int | None = None) -> Iterator[str]:
        """Yield the names that begin with *prefix*, in order, and at most *limit*."""
        return (each.name for each in self.store.list(prefix, limit=limit))

    def first(self, prefix: str, kind: type[N]) -> N | None:
        """Return the first name of *kind* that begins with *prefix*; foreign ones are passed by."""
        for limit in (1, None):
            for name in self.names(prefix, limit=limit):
                parsed = parse_control(name)
                if isinstance(parsed, kind):
                    return parsed
        return None


def is_there(store: Store, name: str) -> bool:
    """Tell whether the object called *name* is there, without reading it."""
    return any(each.name == name for each in store.list(name, limit=1))
