"""Packs being filled by several threads; the thread that completes one stores it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vmbackup_core.repository.data.footer import (
    MOST_RECORDS,
    Purpose,
    Records,
    encode_foot,
    pack_start,
)
from vmbackup_core.repository.data.pack_buffer import PackBuffer
from vmbackup_core.repository.data.ports import DataTarget
from vmbackup_core.repository.data.records import TAG_BYTES, RecordKind, nonce_of
from vmbackup_core.repository.data.sections import FIRST_RECORD_AT
from vmbackup_core.repository.data.tables import PackRow, SessionRow
from vmbackup_core.repository.data.writing_ids import WritingIds
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.identities import PackId
from vmbackup_core.repository.primitives.names import pack_name
from vmbackup_core.stores.port import AlreadyStored, Buffer


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


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A block of the disk that is to be stored, encoded."""

    block: int
    kind: RecordKind
    encoded: Buffer


@dataclass(slots=True)
class _Filling:
    """A pack in memory; *writing* counts the threads whose records are not all there yet.

    One that is *broken* lacks a record that somebody failed to write, and is never stored.
    """

    own: OwnPack
    session: SessionRow
    number: int
    cipher: AESGCM
    buffer: PackBuffer
    most_bytes: int
    end: int = FIRST_RECORD_AT
    writing: int = 0
    full: bool = False
    broken: bool = False
    records: Records = field(default_factory=Records)

    @property
    def pack(self) -> PackId:
        return PackId(self.session.slot, self.session.session, self.number)

    def reserve(self, records: Sequence[NewRecord]) -> list[RecordAt]:
        """Return the places of as many of *records* as have room, side by side."""
        places: list[RecordAt] = []
        for each in records:
            length = len(each.encoded) + TAG_BYTES
            if len(self.records) >= MOST_RECORDS or self.end + length > self.most_bytes:
                self.full = True
                break
            places.append(RecordAt(self.own, len(self.records), self.end, length))
            self.records.append(each.block, each.kind, length)
            self.end += length
        return places

    def encrypt(self, records: Sequence[NewRecord], places: Sequence[RecordAt]) -> None:
        """Write *records* at their *places*."""
        with self.buffer.view() as whole:
            for each, at in zip(records, places, strict=False):
                with whole[at.offset : at.offset + at.length] as target:
                    self.cipher.encrypt_into(
                        nonce_of(at.number), each.encoded, each.kind.associated(), target
                    )

    def encrypt_again(self, cipher: AESGCM) -> None:
        """Have the records encrypted by *cipher* instead, where they are."""
        old, self.cipher, records = self.cipher, cipher, self.records
        places = zip(records.offsets(), records.lengths, records.kinds(), strict=False)
        self.buffer.reopen()
        with self.buffer.view() as whole:
            for number, (offset, length, kind) in enumerate(places):
                nonce, said = nonce_of(number), kind.associated()
                with whole[offset : offset + length] as target:
                    cipher.encrypt_into(nonce, old.decrypt(nonce, target, said), said, target)


class PackWriter:
    """Writes the packs of one attempt, of which *most* are in memory at once.

    A thread that needs another pack waits until one of those has been stored; it owes nobody a
    record meanwhile, so the others go on.
    """

    def __init__(  # noqa: PLR0913 - what one attempt is made of, put together in one place
        self,
        store: DataTarget,
        keys: ChainKeys,
        ids: WritingIds,
        *,
        pack_bytes: int,
        most: int,
        purpose: Purpose,
        on_stored: Callable[[int], None],
    ) -> None:
        self._store = store
        self._keys = keys
        self._ids = ids
        self._pack_bytes = pack_bytes
        self._most = most
        self._purpose: Purpose = purpose
        self._on_stored = on_stored
        self._changed = threading.Condition()
        self._filling: _Filling | None = None
        self._spare: list[PackBuffer] = []
        self._made = 0

    def add(self, records: Sequence[NewRecord]) -> list[RecordAt]:
        """Encrypt *records* into packs; return where they will lie once these are stored.

        They lie side by side, so that whoever reads these blocks reads them at once; what has no
        room in a pack goes on in the next one.
        """
        places: list[RecordAt] = []
        while len(places) < len(records):
            places += self._add_some(records[len(places) :])
        return places

    def flush(self) -> None:
        """Store what is being filled; nobody may be adding."""
        left, self._filling = self._filling, None
        if left is not None:
            self._finish(left)

    def _add_some(self, records: Sequence[NewRecord]) -> list[RecordAt]:
        """Add the first of *records*, as many as one pack has room for."""
        with self._changed:
            filling = self._current()
            places = filling.reserve(records)
            if filling.full:
                self._filling = None
            filling.writing += 1
        try:
            filling.encrypt(records, places)
        except BaseException:
            filling.broken = True
            raise
        finally:
            self._leave(filling)
        return places

    def _leave(self, filling: _Filling) -> None:
        """Be done with a pack; whoever writes the last record of a full one stores it."""
        with self._changed:
            filling.writing -= 1
            mine = filling.full and filling.writing == 0
        if mine:
            self._finish(filling)

    def _current(self) -> _Filling:
        while self._filling is None:
            if not self._spare and self._made < self._most:
                self._spare.append(PackBuffer(self._pack_bytes))
                self._made += 1
            if self._spare:
                # Taken once the pack is begun: whoever waits would have to wait for ever, else.
                self._filling = self._begun(self._spare[-1])
                self._spare.pop()
            else:
                self._changed.wait()
        return self._filling

    def _begun(self, buffer: PackBuffer) -> _Filling:
        session, number = self._ids.next_pack()
        cipher = self._cipher(session, number)
        buffer.reopen()  # not before: the last pack's is not filled again
        return _Filling(OwnPack(), session, number, cipher, buffer, self._pack_bytes)

    def _cipher(self, session: SessionRow, number: int) -> AESGCM:
        pack = PackId(session.slot, session.session, number)
        return self._keys.pack_cipher(pack, session.run, session.epoch)

    def _finish(self, filling: _Filling) -> None:
        """Store a pack, and have its memory used for another, also where that fails."""
        try:
            if not filling.broken:
                filling.own.row = self._put(filling)
        finally:
            with self._changed:
                self._spare.append(filling.buffer)
                self._changed.notify_all()
        if filling.own.row is not None:
            self._on_stored(filling.own.row.size_bytes)

    def _put(self, filling: _Filling) -> PackRow:
        while True:
            content = self._content(filling)
            try:
                self._store.put_new(pack_name(self._keys.chain, filling.pack), content)
                return PackRow.own(filling.session, filling.number, len(content))
            except AlreadyStored as taken:
                del content  # else its bytes would be there twice
                self._ids.give_up(filling.session, taken)
                filling.session, filling.number = self._ids.next_pack()
                filling.encrypt_again(self._cipher(filling.session, filling.number))

    def _content(self, filling: _Filling) -> bytes:
        start = pack_start(self._keys.repository, filling.session, self._purpose)
        with filling.buffer.view() as whole:
            whole[:FIRST_RECORD_AT] = start
        foot = encode_foot(filling.pack, start, filling.records, self._keys)
        return filling.buffer.finished(filling.end, foot)
