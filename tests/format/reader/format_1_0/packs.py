"""Packs and their records [9]."""

import hmac
import struct
from dataclasses import dataclass

import blake3

from .ciphers import NO_NONCE, NotUnderstood, decode_frame, need, open_gcm
from .columns import Columns, at_index
from .keys import Ring
from .places import Origin
from .sealed import check_outside, refuse_newer, sha256

MIB = 1 << 20


@dataclass
class Record:
    """One stored block, as a section or a foot describes it."""

    origin: Origin
    number: int
    length: int
    codec: int
    digest: bytes
    block_bytes: int
    base: bytes | None = None

    def open(self, ring: Ring, chain: bytes, sealed: bytes) -> bytes:
        """The encoded block."""
        if self.codec > 2:
            raise NotUnderstood(f"codec {self.codec} of a record")
        said = struct.pack("<BI", self.codec, self.block_bytes) + self.digest + (self.base or b"")
        key = ring.pack_key(self.origin.epoch, chain, self.origin.run, self.origin.pack)
        return open_gcm(key, self.number.to_bytes(12, "little"), sealed, said)

    def decode(self, encoded: bytes, hash_key: bytes, base: bytes | None) -> bytes:
        """The block, its hash compared."""
        need(
            self.codec == 0 or len(encoded) < self.block_bytes,
            "a frame that is not shorter than its block",
        )
        block = decode_frame(encoded, self.block_bytes, base) if self.codec else encoded
        need(len(block) == self.block_bytes, "a block of another length")
        need(
            blake3.blake3(block, key=hash_key).digest()[:16] == self.digest,
            "a block of another hash",
        )
        return block


def read_footer(payload: bytes) -> list[Record]:
    columns = Columns(payload)
    columns.take(16)
    count, origins = columns.numbers(2)
    need(1 <= count <= 65_536 and origins, "a pack without records or origins, or with too many")
    sources = [
        Origin(slot, session, run, epoch, number)
        for slot, session, number, run, epoch in columns.rows(origins, "<I16sI16sI")
    ]
    rows = [at_index(sources, row) for row in columns.numbers(count)]
    numbers = columns.numbers(count)
    hashes = [digest for (digest,) in columns.rows(count, "16s")]
    columns.rows(count, "<Q")
    blocks, lengths, codecs = columns.numbers(count), columns.numbers(count), columns.take(count)
    bases = iter(columns.rows(codecs.count(2), "16s"))
    columns.end()
    found = zip(rows, numbers, lengths, codecs, hashes, blocks, strict=True)
    return [
        Record(row, number, length, codec, digest, block, next(bases)[0] if codec == 2 else None)
        for row, number, length, codec, digest, block in found
    ]


@dataclass
class Pack:
    epoch: int
    run: bytes
    foot_sha256: str
    records: list[tuple[int, Record]]


def open_pack(ring: Ring, chain: str, name: str, pack: bytes, raw: bytes) -> Pack:
    """Start, foot and proof of the pack with the id `pack`; its records with their offsets."""
    start, chain_id = raw[:64], bytes.fromhex(chain)
    form, _, flags, epoch = check_outside(raw, b"VMBKPACK", ring.repository, 80)
    sealed, size, end = struct.unpack("<II8s", raw[-16:])
    need(end == b"VMBKPEND", "a pack that was cut")
    need(sealed <= 8 * MIB and size <= 8 * MIB and sealed <= len(raw) - 80, "a foot past the bound")
    foot, run = len(raw) - 16 - sealed, start[40:56]
    frame = open_gcm(
        ring.footer_key(epoch, chain_id, pack, run), NO_NONCE, raw[foot:-16], start + name.encode()
    )
    refuse_newer(form, flags)
    payload = decode_frame(frame, size)
    proof_key = ring.derive(ring.run_key(epoch, chain_id, run), "proof")
    said = len(name).to_bytes(2, "little") + name.encode() + start + payload[16:]
    need(hmac.digest(proof_key, said, "sha256")[:16] == payload[:16], "another proof")
    records, offset = [], 64
    for record in read_footer(payload):
        records.append((offset, record))
        offset += record.length
    need(offset == foot, "records that do not fill the pack")
    return Pack(epoch, run, sha256(raw[foot:]), records)
