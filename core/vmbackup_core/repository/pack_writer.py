"""Packs being filled by several threads; the thread that completes one stores it."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vmbackup_core.repository.chain import Chain
from vmbackup_core.repository.index import FIRST_RECORD_AT, RecordPlace
from vmbackup_core.repository.names import PackId, Written
from vmbackup_core.repository.pack import (
    MOST_RECORDS,
    PackFooter,
    RecordKind,
    nonce_of,
    pack_start,
    record_bytes,
    seal_footer,
)

#: One Put Blob's worth: large enough that requests cost little, small enough to hold several.
PACK_BYTES = 32 * 1024 * 1024


@dataclass(slots=True)
class _Filling:
    """A pack in memory; *writing* counts the records whose bytes are not there yet."""

    pack: PackId
    cipher: AESGCM
    buffer: bytearray
    end: int = FIRST_RECORD_AT
    writing: int = 0
    full: bool = False
    hashes: bytearray = field(default_factory=bytearray)
    blocks: array[int] = field(default_factory=lambda: array("Q"))
    block_bytes: array[int] = field(default_factory=lambda: array("I"))
    lengths: array[int] = field(default_factory=lambda: array("I"))
    codecs: bytearray = field(default_factory=bytearray)

    def has_room(self, length: int) -> bool:
        return len(self.blocks) < MOST_RECORDS and self.end + length <= len(self.buffer)

    def reserve(self, kind: RecordKind, block: int, length: int) -> RecordPlace:
        place = RecordPlace(0, len(self.blocks), self.end, length, kind.codec)
        self.hashes += kind.block_hash
        self.blocks.append(block)
        self.block_bytes.append(kind.block_bytes)
        self.lengths.append(length)
        self.codecs.append(kind.codec)
        self.end += length
        self.writing += 1
        return place

    def footer(self) -> PackFooter:
        return PackFooter(
            bytes(self.hashes), self.blocks, self.block_bytes, self.lengths, bytes(self.codecs)
        )


class PackWriter:
    """Writes one session's packs.

    A thread that stores a pack fills none meanwhile, so there are never more packs in memory than
    threads, and one.
    """

    def __init__(
        self, chain: Chain, written: Written, *, pack_bytes: int, on_stored: Callable[[int], None]
    ) -> None:
        self._chain = chain
        self._written = written
        self._pack_bytes = max(pack_bytes, FIRST_RECORD_AT + chain.parameters.block_bytes + 64)
        self._on_stored = on_stored
        self._lock = threading.Lock()
        self._filling: _Filling | None = None
        self._spare: list[bytearray] = []
        self._count = 0
        self._sizes: dict[PackId, int] = {}

    def add(self, block: int, body: bytes, kind: RecordKind) -> tuple[PackId, RecordPlace]:
        """Encrypt *body* into a pack; return where it will lie once that pack is stored."""
        length = record_bytes(body)
        with self._lock:
            left = self._leave_if_full(length)
            filling = self._filling or self._begin()
            place = filling.reserve(kind, block, length)
        with memoryview(filling.buffer) as whole:
            target = whole[place.offset : place.offset + length]
            filling.cipher.encrypt_into(nonce_of(place.number), body, kind.associated(), target)
        with self._lock:
            filling.writing -= 1
            mine = filling.full and filling.writing == 0
        if left is not None:
            self._store(left)
        if mine:
            self._store(filling)
        return filling.pack, place

    def flush(self) -> dict[PackId, int]:
        """Store what is being filled; return the sizes of the packs stored since the last flush.

        Nobody may be adding.
        """
        left, self._filling = self._filling, None
        if left is not None:
            self._store(left)
        sizes, self._sizes = self._sizes, {}
        return sizes

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
        pack = PackId(self._written, self._count)
        self._count += 1
        buffer = self._spare.pop() if self._spare else bytearray(self._pack_bytes)
        self._filling = _Filling(pack, self._chain.pack_cipher(pack), buffer)
        return self._filling

    def _store(self, filling: _Filling) -> None:
        name = self._chain.full_name(str(filling.pack))
        start = pack_start(self._chain.keys.epoch)
        filling.buffer[:FIRST_RECORD_AT] = start
        footer = seal_footer(name, start, filling.footer(), filling.cipher)
        with memoryview(filling.buffer) as whole:
            content = b"".join((whole[: filling.end], footer))
        self._chain.store.put_new(name, content)
        with self._lock:
            self._sizes[filling.pack] = len(content)
            self._spare.append(filling.buffer)
        self._on_stored(len(content))
