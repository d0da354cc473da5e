"""The bytes of a pack: records, and the footer that describes them."""

from __future__ import annotations

import struct
import sys
from array import array
from dataclasses import dataclass
from itertools import accumulate

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.envelope import (
    LARGEST_PAYLOAD,
    TAG_BYTES,
    read_start,
    start_of,
    unzstd,
)
from vmbackup_core.repository.failures import UnsupportedFormat
from vmbackup_core.repository.index import FIRST_RECORD_AT, HASH_BYTES

AS_IT_IS, ZSTD = 0, 1
MOST_RECORDS = 65_536

_TRAILER = struct.Struct("<I8s")
_END = b"VMBKPEND"
_RECORD_DATA = struct.Struct(f"<BI{HASH_BYTES}s")
_FOOTER_NONCE = b"\xff" * 12  # no record has this number
_LEVEL = 3


@dataclass(frozen=True, slots=True)
class RecordKind:
    """What a record's tag covers beside its bytes."""

    codec: int
    block_bytes: int
    block_hash: bytes

    def associated(self) -> bytes:
        """Return it as bytes."""
        return _RECORD_DATA.pack(self.codec, self.block_bytes, self.block_hash)


@dataclass(frozen=True, slots=True)
class PackFooter:
    """The columns of a footer, one entry for each record in order."""

    hashes: bytes
    blocks: array[int]
    block_bytes: array[int]
    lengths: array[int]
    codecs: bytes

    def __len__(self) -> int:
        return len(self.blocks)

    def kind_of(self, number: int) -> RecordKind:
        """Return what the record's tag covers."""
        block_hash = self.hashes[number * HASH_BYTES : (number + 1) * HASH_BYTES]
        return RecordKind(self.codecs[number], self.block_bytes[number], block_hash)

    def offsets(self) -> list[int]:
        """Return where each record begins, and behind them where the last one ends."""
        return list(accumulate(self.lengths, initial=FIRST_RECORD_AT))

    def end(self) -> int:
        """Return the offset behind the last record."""
        return FIRST_RECORD_AT + sum(self.lengths)


def nonce_of(number: int) -> bytes:
    """Return the nonce of the record with this *number* under its pack's key."""
    return number.to_bytes(12, "big")


def pack_start(epoch: int) -> bytes:
    """Return the 64 bytes before the first record."""
    return start_of("PACK", epoch).ljust(FIRST_RECORD_AT, b"\0")


def seal_footer(name: str, start: bytes, footer: PackFooter, cipher: AESGCM) -> bytes:
    """Return footer and trailer of the pack called *name* that begins with *start*."""
    columns = b"".join(
        (
            len(footer).to_bytes(4, "little"),
            footer.hashes,
            _little(footer.blocks).tobytes(),
            _little(footer.block_bytes).tobytes(),
            _little(footer.lengths).tobytes(),
            footer.codecs,
        )
    )
    compressed = zstandard.ZstdCompressor(level=_LEVEL).compress(columns)
    sealed = cipher.encrypt(_FOOTER_NONCE, compressed, start + name.encode())
    return sealed + _TRAILER.pack(len(sealed), _END)


def footer_bytes(name: str, tail: bytes, pack_bytes: int) -> int:
    """Return how long the end of a pack is, from the last record on, as its last bytes say."""
    if pack_bytes < FIRST_RECORD_AT + _TRAILER.size:
        raise CorruptRepository(f"{name}: {pack_bytes} bytes, too few for a pack")
    length, end = _TRAILER.unpack(tail[-_TRAILER.size :])
    if end != _END:
        raise CorruptRepository(f"{name}: ends with {end!r}, not with {_END.decode()}")
    if length + _TRAILER.size + FIRST_RECORD_AT > pack_bytes:
        raise CorruptRepository(f"{name}: a footer of {length} bytes in {pack_bytes}")
    return int(length) + _TRAILER.size


def unseal_footer(
    name: str, start: bytes, tail: bytes, cipher: AESGCM, *, epoch: int, pack_bytes: int
) -> PackFooter:
    """Return the footer of the pack of *pack_bytes* from its first 64 bytes and its *tail*."""
    said = read_start(name, start, "PACK")
    if said.number != epoch:
        raise UnsupportedFormat(name, f"key epoch {said.number}, where {epoch} is given")
    sealed = tail[: -_TRAILER.size]
    try:
        compressed = cipher.decrypt(_FOOTER_NONCE, sealed, start + name.encode())
    except InvalidTag:
        raise CorruptRepository(f"{name}: its footer does not verify") from None
    footer = _columns(name, unzstd(name, compressed, LARGEST_PAYLOAD))
    if footer.end() + len(tail) != pack_bytes:
        raise CorruptRepository(
            f"{name}: {pack_bytes} bytes, its records and footer are {footer.end() + len(tail)}"
        )
    return footer


def open_record(
    name: str, number: int, stored: bytes | memoryview, kind: RecordKind, cipher: AESGCM
) -> bytes:
    """Return the block in a record of the pack called *name*; its hash is not looked at."""
    try:
        body = cipher.decrypt(nonce_of(number), stored, kind.associated())
    except InvalidTag:
        raise CorruptRepository(f"{name}: record {number} does not verify") from None
    if kind.codec == AS_IT_IS:
        block = body
    elif kind.codec == ZSTD:
        block = unzstd(f"{name}: record {number}", body, kind.block_bytes)
    else:
        raise UnsupportedFormat(name, f"record {number} has codec {kind.codec}")
    if len(block) != kind.block_bytes:
        raise CorruptRepository(
            f"{name}: record {number} holds {len(block)} bytes, says {kind.block_bytes}"
        )
    return block


def compressed(block: bytes, compressor: zstandard.ZstdCompressor) -> tuple[int, bytes]:
    """Return codec and body of *block*: as it is where compressing makes it no shorter."""
    body = compressor.compress(block)
    return (ZSTD, body) if len(body) < len(block) else (AS_IT_IS, block)


def new_compressor() -> zstandard.ZstdCompressor:
    """Return a compressor for records; not for use by two threads at once."""
    return zstandard.ZstdCompressor(level=_LEVEL)


def record_bytes(body: bytes) -> int:
    """Return how long the record with this *body* is."""
    return len(body) + TAG_BYTES


def _columns(name: str, content: bytes) -> PackFooter:
    count = int.from_bytes(content[:4], "little")
    sizes = (HASH_BYTES * count, 8 * count, 4 * count, 4 * count, count)
    if len(content) != 4 + sum(sizes):
        raise CorruptRepository(f"{name}: a footer of {len(content)} bytes for {count} records")
    parts: list[bytes] = []
    at = 4
    for size in sizes:
        parts.append(content[at : at + size])
        at += size
    hashes, blocks, block_bytes, lengths, codecs = parts
    return PackFooter(
        hashes,
        _little(array("Q", blocks)),
        _little(array("I", block_bytes)),
        _little(array("I", lengths)),
        codecs,
    )


def _little(column: array[int]) -> array[int]:
    """Return *column* with its bytes swapped where this machine is not little-endian."""
    if sys.byteorder == "big":
        column = array(column.typecode, column)
        column.byteswap()
    return column
