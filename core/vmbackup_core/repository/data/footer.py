"""The start and the foot of a pack: whose it is, and what each of its records holds."""

from __future__ import annotations

import hmac
import struct
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final, Literal

import zstandard
from cryptography.exceptions import InvalidTag

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import CommitSlot, RepositoryId, RunId
from vmbackup_core.repository.data.records import TAG_BYTES, RecordKind
from vmbackup_core.repository.data.sections import FIRST_RECORD_AT, HASH_BYTES
from vmbackup_core.repository.data.tables import SessionRow
from vmbackup_core.repository.primitives.bounds import FOOTER_BYTES
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.failures import NewerFormat
from vmbackup_core.repository.primitives.frames import DELTA, decompress
from vmbackup_core.repository.primitives.identities import PackId, WritingSession
from vmbackup_core.repository.primitives.names import pack_name
from vmbackup_core.repository.primitives.numbers import Reader, column_bytes
from vmbackup_core.repository.primitives.outer import (
    START_BYTES,
    check_repository,
    check_understood,
    read_start,
    start_of,
)
from vmbackup_core.stores.port import Buffer

BACKUP: Final = 0
HEALING: Final = 1
COMPACTION: Final = 2
ARCHIVE: Final = 3
Purpose = Literal[0, 1, 3]  # those that this version writes

MOST_RECORDS = 65_536
PROOF_BYTES = 16

_REST = struct.Struct("<I16s8x")
_ORIGIN = struct.Struct("<I16sI16sI")
_TRAILER = struct.Struct("<II8s")
TRAILER_BYTES = _TRAILER.size
_END = b"VMBKPEND"
_NONCE = bytes(12)  # a footer's key is used once
_LEVEL = 3


@dataclass(frozen=True, slots=True)
class PackStart:
    """What the first 64 bytes of a pack say; believe it once the footer has been opened."""

    repository: RepositoryId
    epoch: int
    purpose: int
    run: RunId
    stored: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Origin:
    """The pack that records were encrypted for, and by which run under which epoch."""

    pack: PackId
    run: RunId
    epoch: int


@dataclass(frozen=True, slots=True)
class Records:
    """The records of a pack in order; columns."""

    origins: array[int] = field(default_factory=lambda: array("I"))
    numbers: array[int] = field(default_factory=lambda: array("I"))
    hashes: bytearray = field(default_factory=bytearray)
    blocks: array[int] = field(default_factory=lambda: array("Q"))
    block_bytes: array[int] = field(default_factory=lambda: array("I"))
    lengths: array[int] = field(default_factory=lambda: array("I"))
    codecs: bytearray = field(default_factory=bytearray)
    base_hashes: bytearray = field(default_factory=bytearray)

    def __len__(self) -> int:
        return len(self.blocks)

    def append(self, block: int, kind: RecordKind, length: int) -> None:
        """Put the pack's own next record behind the others."""
        self.origins.append(0)
        self.numbers.append(len(self.numbers))
        self.hashes.extend(kind.block_hash)
        self.blocks.append(block)
        self.block_bytes.append(kind.block_bytes)
        self.lengths.append(length)
        self.codecs.append(kind.codec)
        self.base_hashes.extend(kind.base_hash or b"")

    def offsets(self) -> list[int]:
        """Return where each record begins, and behind them where the last one ends."""
        return list(accumulate(self.lengths, initial=FIRST_RECORD_AT))

    def hash_at(self, record: int) -> bytes:
        """Return the hash of the block in a record."""
        return bytes(self.hashes[record * HASH_BYTES : (record + 1) * HASH_BYTES])

    def each_base_hash(self) -> Iterator[bytes]:
        """Yield the hash of the base block of each delta, in order."""
        for at in range(0, len(self.base_hashes), HASH_BYTES):
            yield bytes(self.base_hashes[at : at + HASH_BYTES])

    def kinds(self) -> list[RecordKind]:
        """Return what the tag of each record covers."""
        base_hashes = self.each_base_hash()
        found: list[RecordKind] = []
        for record, codec in enumerate(self.codecs):
            base_hash = next(base_hashes) if codec == DELTA else None
            found.append(
                RecordKind(codec, self.block_bytes[record], self.hash_at(record), base_hash)
            )
        return found

    def packed(self) -> bytes:
        """Return the columns as they are stored."""
        columns = (
            column_bytes(self.origins),
            column_bytes(self.numbers),
            self.hashes,
            column_bytes(self.blocks),
            column_bytes(self.block_bytes),
            column_bytes(self.lengths),
            self.codecs,
            self.base_hashes,
        )
        return b"".join(columns)


@dataclass(frozen=True, slots=True)
class Footer:
    """The footer of a pack, opened."""

    start: PackStart
    origins: tuple[Origin, ...]
    records: Records
    proof: bytes = field(repr=False)
    proven: bytes = field(repr=False)  # the payload behind the proof


def pack_start(repository: RepositoryId, session: SessionRow, purpose: Purpose) -> bytes:
    """Return the 64 bytes before the first record."""
    start = start_of("PACK", repository, session.epoch)
    return start + _REST.pack(purpose, bytes.fromhex(session.run))


def read_pack_start(name: str, stored: bytes, repository: RepositoryId) -> PackStart:
    """Return what the first 64 bytes of the pack called *name* say."""
    if len(stored) < FIRST_RECORD_AT:
        raise CorruptRepository(f"{name}: {len(stored)} bytes, too few for a pack")
    start = read_start(name, stored, "PACK")
    check_repository(name, start, repository)
    purpose, run = _REST.unpack_from(stored, START_BYTES)
    return PackStart(
        start.repository, start.epoch, purpose, RunId(run.hex()), stored[:FIRST_RECORD_AT]
    )


def encode_foot(pack: PackId, start: bytes, records: Records, keys: ChainKeys) -> bytes:
    """Return footer and trailer of *pack*, all of whose records are its own."""
    name = pack_name(keys.chain, pack)
    said = read_pack_start(name, start, keys.repository)
    own = _ORIGIN.pack(
        pack.slot, bytes.fromhex(pack.session), pack.number, bytes.fromhex(said.run), said.epoch
    )
    proven = struct.pack("<II", len(records), 1) + own + records.packed()
    payload = keys.proof(name, start + proven, said.run, said.epoch) + proven
    frame = zstandard.ZstdCompressor(level=_LEVEL).compress(payload)
    cipher = keys.footer_cipher(pack, said.run, said.epoch)
    sealed = cipher.encrypt(_NONCE, frame, start + name.encode())
    return sealed + _TRAILER.pack(len(sealed), len(payload), _END)


def foot_bytes(name: str, tail: Buffer, pack_bytes: int) -> int:
    """Return how long the foot is, as the last 16 bytes of the pack say."""
    if pack_bytes < FIRST_RECORD_AT + TRAILER_BYTES or len(tail) < TRAILER_BYTES:
        raise CorruptRepository(f"{name}: {pack_bytes} bytes, too few for a pack")
    length, payload_bytes, end = _TRAILER.unpack(tail[-TRAILER_BYTES:])
    if end != _END:
        raise CorruptRepository(f"{name}: ends with {end!r}, not with {_END.decode()}")
    if length > pack_bytes - FIRST_RECORD_AT - TRAILER_BYTES or length < TAG_BYTES:
        raise CorruptRepository(f"{name}: a footer of {length} bytes in {pack_bytes}")
    if length > FOOTER_BYTES or payload_bytes > FOOTER_BYTES:
        raise CorruptRepository(f"{name}: a footer of {length} bytes that holds {payload_bytes}")
    return int(length) + TRAILER_BYTES


def read_foot(pack: PackId, start: bytes, foot: Buffer, pack_bytes: int, keys: ChainKeys) -> Footer:
    """Return the footer of the pack of *pack_bytes* from its first 64 bytes and its *foot*."""
    name = pack_name(keys.chain, pack)
    said = read_pack_start(name, start, keys.repository)
    cipher = keys.footer_cipher(pack, said.run, said.epoch)
    associated = said.stored + name.encode()
    try:
        frame = cipher.decrypt(_NONCE, bytes(foot[:-TRAILER_BYTES]), associated)
    except InvalidTag:
        raise CorruptRepository(f"{name}: its footer does not verify") from None
    check_understood(name, read_start(name, start, "PACK"))
    _, payload_bytes, _ = _TRAILER.unpack(foot[-TRAILER_BYTES:])
    payload = decompress(name, frame, payload_bytes)
    footer = _decoded(name, said, payload)
    if footer.records.offsets()[-1] + len(foot) != pack_bytes:
        raise CorruptRepository(
            f"{name}: {pack_bytes} bytes, its records end at {footer.records.offsets()[-1]} and "
            f"its foot has {len(foot)}"
        )
    return footer


def is_proven(keys: ChainKeys, pack: PackId, footer: Footer) -> bool:
    """Tell whether the run in the pack's start has made the pack; needs that run's key."""
    start, name = footer.start, pack_name(keys.chain, pack)
    made = keys.proof(name, start.stored + footer.proven, start.run, start.epoch)
    return hmac.compare_digest(made, footer.proof)


def _decoded(name: str, start: PackStart, content: bytes) -> Footer:
    payload = Reader(name, content)
    proof = payload.bytes(PROOF_BYTES)
    count, origins = payload.u32(), payload.u32()
    if not 1 <= count <= MOST_RECORDS or origins < 1:
        raise CorruptRepository(f"{name}: {count} records of {origins} origins")
    fixed = _ORIGIN.size * origins + (25 + HASH_BYTES) * count
    if payload.left < fixed or (payload.left - fixed) % HASH_BYTES:
        raise CorruptRepository(f"{name}: a footer of {len(content)} bytes for {count} records")
    named = tuple(
        _origin(row) for row in _ORIGIN.iter_unpack(payload.bytes(_ORIGIN.size * origins))
    )
    records = Records(
        payload.column("I", count),
        payload.column("I", count),
        bytearray(payload.bytes(HASH_BYTES * count)),
        payload.column("Q", count),
        payload.column("I", count),
        payload.column("I", count),
        bytearray(payload.bytes(count)),
        bytearray(payload.bytes(payload.left)),
    )
    _check(name, records, named)
    return Footer(start, named, records, proof, content[PROOF_BYTES:])


def _origin(row: tuple[int, bytes, int, bytes, int]) -> Origin:
    slot, session, number, run, epoch = row
    pack = PackId(CommitSlot(slot), WritingSession(session.hex()), number)
    return Origin(pack, RunId(run.hex()), epoch)


def _check(name: str, records: Records, origins: Sequence[Origin]) -> None:
    if max(records.origins) >= len(origins):
        raise CorruptRepository(f"{name}: origin {max(records.origins)} of {len(origins)}")
    if max(records.codecs) > DELTA:
        raise NewerFormat(name, f"codec {max(records.codecs)}")
    deltas = records.codecs.count(DELTA)
    if len(records.base_hashes) != HASH_BYTES * deltas:
        raise CorruptRepository(f"{name}: {deltas} deltas, {len(records.base_hashes)} bytes")
    if min(records.lengths) <= TAG_BYTES:
        raise CorruptRepository(f"{name}: a record of {min(records.lengths)} bytes")
