"""From records to blocks, each compared with its hash; what fails is looked for healed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.data.ports import DataSource
from vmbackup_core.repository.data.records import RecordKind, open_record
from vmbackup_core.repository.data.tables import PackRow
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.identities import PackId
from vmbackup_core.repository.primitives.names import pack_name
from vmbackup_core.stores.port import NotStored

#: How many ciphers are kept: some more than there are threads.
MOST_CIPHERS: Final = 64

#: Returns the base block of a delta.
Before = Callable[[], bytes]


class Healed(Protocol):
    """Blocks that were stored again because a record of theirs is lost."""

    def find(self, block_hash: bytes, block_bytes: int) -> bytes | None:
        """Return the block with this hash and length, compared; None where it was not healed."""


class Place(msgspec.Struct, frozen=True, gc=False):
    """A record: its pack, its number in its origin, and where it lies."""

    row: PackRow
    number: int
    offset: int
    length: int


class BaseRecord(msgspec.Struct, frozen=True, gc=False):
    """The record that a delta was made after, never a delta itself."""

    place: Place
    kind: RecordKind


class Wanted(msgspec.Struct, frozen=True, gc=False):
    """A block: what its record is, where it lies, and for a delta the record before."""

    kind: RecordKind
    place: Place
    base: BaseRecord | None = None


class BlockReader:
    """Returns blocks that are what their hashes say; several threads ask at once."""

    def __init__(self, store: DataSource, keys: ChainKeys, healed: Healed) -> None:
        self._store = store
        self._keys = keys
        self._healed = healed
        self._opening: dict[PackRow, tuple[str, AESGCM]] = {}

    def read_range(self, pack: PackId, offset: int, length: int) -> bytes | None:
        """Return a piece of a pack, less where the pack is cut; None where it is missing.

        Raise CorruptRepository where the source cannot read this piece; others may be well.
        """
        try:
            return self._store.get_range(pack_name(self._keys.chain, pack), offset, length)
        except NotStored:
            return None

    def block(
        self, wanted: Wanted, stored: bytes | memoryview | None, before: Before | None = None
    ) -> bytes:
        """Return the block of the record *stored*, or the healed one.

        *before* returns the base block of a delta, which is read where it is not given. Raise
        CorruptRepository where there is neither.
        """
        try:
            return self._from_record(wanted, stored, before)
        except CorruptRepository as error:
            return self._healed_or_raise(wanted, error)

    def read_block(self, wanted: Wanted, before: Before | None = None) -> bytes:
        """Return the block of a record that is still to be read, or the healed one."""
        place = wanted.place
        try:
            stored = self.read_range(place.row.holder, place.offset, place.length)
        except CorruptRepository as error:
            return self._healed_or_raise(wanted, error)
        return self.block(wanted, stored, before)

    def _healed_or_raise(self, wanted: Wanted, error: CorruptRepository) -> bytes:
        healed = self._healed.find(wanted.kind.block_hash, wanted.kind.block_bytes)
        if healed is None:
            raise error
        return healed

    def _from_record(
        self, wanted: Wanted, stored: bytes | memoryview | None, before: Before | None
    ) -> bytes:
        place, kind = wanted.place, wanted.kind
        name, cipher = self._opening_of(place.row)
        if stored is None:  # said alike of all its records: their holes are told as one
            raise CorruptRepository(f"{name}: is needed and missing")
        if len(stored) != place.length:
            raise CorruptRepository(
                f"{name}: record {place.number} at {place.offset} is {len(stored)} bytes"
            )
        base = None if wanted.base is None else self._base(wanted.base, before)
        block = open_record(name, cipher, place.number, kind, stored, base)
        if self._keys.block_hash(block) != kind.block_hash:
            raise CorruptRepository(f"{name}: record {place.number} holds another block")
        return block

    def _base(self, base: BaseRecord, before: Before | None) -> bytes:
        if before is not None:
            return before()
        return self.read_block(Wanted(base.kind, base.place))

    def _opening_of(self, row: PackRow) -> tuple[str, AESGCM]:
        """Return name and cipher of the records of a row: many follow each other that have one."""
        opening = self._opening.get(row)
        if opening is None:
            cipher = self._keys.pack_cipher(row.origin, row.run, row.epoch)
            opening = pack_name(self._keys.chain, row.holder), cipher
            if len(self._opening) >= MOST_CIPHERS:
                self._opening.clear()
            self._opening[row] = opening
        return opening
