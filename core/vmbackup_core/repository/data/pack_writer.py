"""Packs being filled by several threads; the thread that completes one stores it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vmbackup_core.repository.data.footer import (
    MOST_RECORDS,
    Purpose,
    Records,
    encode_foot,
    pack_start,
)
from vmbackup_core.repository.data.ports import DataTarget
from vmbackup_core.repository.data.records import TAG_BYTES, RecordKind, nonce_of
from vmbackup_core.repository.data.sections import FIRST_RECORD_AT
from vmbackup_core.repository.data.tables import PackRow, SessionRow
from vmbackup_core.repository.data.writing_ids import WritingIds
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.identities import PackId
from vmbackup_core.repository.primitives.names import pack_name
from vmbackup_core.stores.port import AlreadyStored


@dataclass(slots=True)
class OwnPack:
    """A pack of this attempt; its *row* is there once it is stored."""

    row: PackRow | None = None


@dataclass(frozen=True, slots=True)
class RecordAt:
    """Where a record will lie once its pack is stored."""

    pack: OwnPack
    number: int
    offset: int
    length: int


@dataclass(slots=True)
class _Filling:
    """A pack in memory; *writing* counts the records whose bytes are not there yet."""

    own: OwnPack
    session: SessionRow
    number: int
    cipher: AESGCM
    buffer: bytearray
    end: int = FIRST_RECORD_AT
    writing: int = 0
    full: bool = False
    records: Records = field(default_factory=Records)

    @property
    def pack(self) -> PackId:
        return PackId(self.session.slot, self.session.session, self.number)

    def has_room(self, length: int) -> bool:
        return len(self.records) < MOST_RECORDS and self.end + length <= len(self.buffer)

    def reserve(self, kind: RecordKind, block: int, length: int) -> RecordAt:
        place = RecordAt(self.own, len(self.records), self.end, length)
        self.records.append(block, kind, length)
        self.end += length
        self.writing += 1
        return place


class PackWriter:
    """Writes the packs of one attempt.

    A thread that stores a pack fills none meanwhile, so there are never more packs in memory than
    threads, and one.
    """

    def __init__(
        self,
        store: DataTarget,
        keys: ChainKeys,
        ids: WritingIds,
        *,
        pack_bytes: int,
        purpose: Purpose,
        on_stored: Callable[[int], None],
    ) -> None:
        self._store = store
        self._keys = keys
        self._ids = ids
        self._pack_bytes = pack_bytes
        self._purpose: Purpose = purpose
        self._on_stored = on_stored
        self._lock = threading.Lock()
        self._filling: _Filling | None = None
        self._spare: list[bytearray] = []

    def add(self, block: int, kind: RecordKind, encoded: bytes) -> RecordAt:
        """Encrypt *encoded* into a pack; return where it will lie once that pack is stored."""
        length = len(encoded) + TAG_BYTES
        with self._lock:
            left = self._leave_if_full(length)
            filling = self._filling or self._begin()
            place = filling.reserve(kind, block, length)
        with memoryview(filling.buffer) as whole:
            target = whole[place.offset : place.offset + length]
            nonce = nonce_of(place.number)
            filling.cipher.encrypt_into(nonce, encoded, kind.associated(), target)
        with self._lock:
            filling.writing -= 1
            mine = filling.full and filling.writing == 0
        if left is not None:
            self._put(left)
        if mine:
            self._put(filling)
        return place

    def flush(self) -> None:
        """Store what is being filled; nobody may be adding."""
        left, self._filling = self._filling, None
        if left is not None:
            self._put(left)

    def _leave_if_full(self, length: int) -> _Filling | None:
        """Close the current pack where *length* has no room; return it where it is complete."""
        filling = self._filling
        if filling is None or filling.has_room(length):
            return None
        self._filling = None
        filling.full = True
        # Else whoever writes its last record stores it.
        return filling if filling.writing == 0 else None

    def _begin(self) -> _Filling:
        buffer = self._spare.pop() if self._spare else bytearray(self._pack_bytes)
        session, number = self._ids.next_pack()
        self._filling = _Filling(OwnPack(), session, number, self._cipher(session, number), buffer)
        return self._filling

    def _cipher(self, session: SessionRow, number: int) -> AESGCM:
        pack = PackId(session.slot, session.session, number)
        return self._keys.pack_cipher(pack, session.run, session.epoch)

    def _put(self, filling: _Filling) -> None:
        while True:
            content = self._content(filling)
            try:
                self._store.put_new(pack_name(self._keys.chain, filling.pack), content)
                break
            except AlreadyStored as taken:
                self._ids.give_up(filling.session, taken)
                self._seal_again(filling)
        row = PackRow.own(filling.session, filling.number, len(content))
        with self._lock:
            filling.own.row = row
            self._spare.append(filling.buffer)
        self._on_stored(len(content))

    def _content(self, filling: _Filling) -> bytes:
        start = pack_start(self._keys.repository, filling.session, self._purpose)
        filling.buffer[:FIRST_RECORD_AT] = start
        foot = encode_foot(filling.pack, start, filling.records, self._keys)
        with memoryview(filling.buffer) as whole:
            return b"".join((whole[: filling.end], foot))

    def _seal_again(self, filling: _Filling) -> None:
        """Give the pack another id: its records are encrypted for that one, where they are."""
        old = filling.cipher
        filling.session, filling.number = self._ids.next_pack()
        filling.cipher = self._cipher(filling.session, filling.number)
        records = filling.records
        with memoryview(filling.buffer) as whole:
            for number, (offset, length, kind) in enumerate(
                zip(records.offsets(), records.lengths, records.kinds(), strict=False)
            ):
                target = whole[offset : offset + length]
                encoded = old.decrypt(nonce_of(number), bytes(target), kind.associated())
                filling.cipher.encrypt_into(nonce_of(number), encoded, kind.associated(), target)
