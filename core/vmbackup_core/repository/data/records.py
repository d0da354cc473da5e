"""Records: one block each, encoded, then encrypted for the pack that it was made for."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import msgspec
import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.data.sections import HASH_BYTES
from vmbackup_core.repository.primitives.failures import NewerFormat
from vmbackup_core.repository.primitives.frames import (
    DELTA,
    LEVEL,
    PLAIN,
    ZSTD,
    compress_after,
    decompress,
    decompress_after,
)
from vmbackup_core.stores.port import Buffer

TAG_BYTES = 16

#: What a delta takes at most of the whole block: it needs a second record wherever it is read, and
#: the next change of the block is stored whole.
_DELTA_SHARE: Final = 0.75

#: Below, a delta finds next to nothing of its base.
DELTA_LEVEL: Final = LEVEL

#: A disk is written in sectors. Where fewer of a block than one in so many are as before, a delta
#: is not a quarter shorter, and making it takes twice the time of the block itself.
SECTOR_BYTES: Final = 512
_ALIKE_ONE_OF: Final = 8

_KIND = struct.Struct(f"<BI{HASH_BYTES}s")


class RecordKind(msgspec.Struct, frozen=True, gc=False):
    """What a record's tag covers beside its bytes; *base_hash* where it is a delta."""

    codec: int
    block_bytes: int
    block_hash: bytes
    base_hash: bytes | None = None

    def associated(self) -> bytes:
        """Return it as bytes."""
        kind = _KIND.pack(self.codec, self.block_bytes, self.block_hash)
        return kind if self.base_hash is None else kind + self.base_hash


@dataclass(frozen=True, slots=True)
class BaseBlock:
    """A block that a delta may be made after, its hash, and how long it is as it is stored."""

    content: bytes
    block_hash: bytes
    encoded_bytes: int


def nonce_of(number: int) -> bytes:
    """Return the nonce of the record with this *number* in its origin."""
    return number.to_bytes(12, "little")


def new_compressor(level: int) -> zstandard.ZstdCompressor:
    """Return a compressor for blocks; not for use by two threads at once."""
    return zstandard.ZstdCompressor(level=level)


def encode_block(
    block: Buffer,
    compressor: zstandard.ZstdCompressor,
    base: BaseBlock | None = None,
    *,
    level: int = 3,
) -> tuple[int, Buffer]:
    """Return codec and encoded block: whichever is shorter, a delta where it is much shorter.

    A delta is made at `DELTA_LEVEL` at least. A block that is like its base takes about as much as
    that: beside a delta that is much shorter than the base it is not compressed whole, only to be
    thrown away.
    """
    delta = None
    if base is not None and _is_alike(block, base.content):
        delta = compress_after(base.content, block, max(level, DELTA_LEVEL))
        if len(delta) <= base.encoded_bytes * _DELTA_SHARE:
            return DELTA, delta
    frame = compressor.compress(block)
    codec, encoded = (ZSTD, frame) if len(frame) < len(block) else (PLAIN, block)
    if delta is not None and len(delta) <= len(encoded) * _DELTA_SHARE:
        return DELTA, delta
    return codec, encoded


def _is_alike(block: Buffer, base: bytes) -> bool:
    """Tell whether enough sectors are the same that a delta may be worth its making."""
    enough = max(1, len(block) // SECTOR_BYTES // _ALIKE_ONE_OF)
    with memoryview(block) as view:
        for start in range(0, len(block), SECTOR_BYTES):
            # As bytes: views are compared one by one, which takes much longer than a copy.
            end = start + SECTOR_BYTES
            enough -= bytes(view[start:end]) == base[start:end]
            if enough == 0:
                return True
    return False


def seal_record(cipher: AESGCM, number: int, kind: RecordKind, encoded: Buffer) -> bytes:
    """Return the record with this *number* in the pack that *cipher* belongs to."""
    return cipher.encrypt(nonce_of(number), encoded, kind.associated())


def authenticate_record(
    name: str, cipher: AESGCM, number: int, kind: RecordKind, stored: Buffer
) -> bytes:
    """Return the encoded block in a record that lies in the pack called *name*."""
    where = f"{name}: record {number}"
    if (kind.base_hash is not None) != (kind.codec == DELTA):
        raise CorruptRepository(f"{where}: of codec {kind.codec}, with the wrong associated data")
    try:
        return cipher.decrypt(nonce_of(number), stored, kind.associated())
    except InvalidTag:
        raise CorruptRepository(f"{where} does not verify") from None


def open_record(
    name: str,
    cipher: AESGCM,
    number: int,
    kind: RecordKind,
    stored: Buffer,
    base: bytes | None = None,
) -> bytes:
    """Return the block in a record that lies in the pack called *name*.

    Its hash is not compared: a delta after another *base* gives other bytes and no error.
    """
    where = f"{name}: record {number}"
    encoded = authenticate_record(name, cipher, number, kind, stored)
    if kind.codec == PLAIN:
        block = encoded
    elif kind.codec == ZSTD:
        block = decompress(where, encoded, kind.block_bytes)
    elif kind.codec != DELTA:
        raise NewerFormat(name, f"record {number} has codec {kind.codec}")
    elif base is None:
        raise CorruptRepository(f"{where} is a delta and its base is not there")
    else:
        block = decompress_after(where, base, encoded, kind.block_bytes)
    if len(block) != kind.block_bytes:
        raise CorruptRepository(f"{where} holds {len(block)} bytes, says {kind.block_bytes}")
    return block
