"""Packs: records and feet come back; a flipped bit, a cut or another's name is found."""

from __future__ import annotations

import hashlib
import struct

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from typing_extensions import override

from tests.unit.repository import known_values
from tests.unit.repository.data.bench import CHAIN, Bench, DataMemory, noise, run_of
from tests.unit.repository.data.samples import BLOCK, SHARD
from vmbackup_core.errors import CorruptRepository
from vmbackup_core.extents import Extent
from vmbackup_core.ids import CommitSlot, RunId
from vmbackup_core.repository.data.footer import BACKUP, Origin, is_proven
from vmbackup_core.repository.data.pack_reader import footer_of, joined, read_footer
from vmbackup_core.repository.data.pack_writer import NewRecord, PackWriter
from vmbackup_core.repository.data.ports import DataTarget
from vmbackup_core.repository.data.records import (
    RecordKind,
    encode_block,
    new_compressor,
    open_record,
    seal_record,
)
from vmbackup_core.repository.data.said import MIB
from vmbackup_core.repository.data.writing_ids import WritingIds
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.failures import NewerFormat, NotUnderstood
from vmbackup_core.repository.primitives.frames import PLAIN, ZSTD
from vmbackup_core.repository.primitives.identities import PackId, WritingSession
from vmbackup_core.repository.primitives.names import pack_name
from vmbackup_core.stores.port import AlreadyStored, Buffer

RUN = run_of(1)
LEVEL = 3
BLOCKS = [noise(1, BLOCK), b"text " * 819 + b"x", noise(2, 512), b"y" * BLOCK]


def written(store: DataMemory, keys: ChainKeys, ids: WritingIds, blocks: list[bytes]) -> None:
    packs = writer(store, keys, ids)
    packs.add([new_record(keys, number, block) for number, block in enumerate(blocks, 100)])
    packs.flush()


def writer(store: DataTarget, keys: ChainKeys, ids: WritingIds, most: int = 1) -> PackWriter:
    return PackWriter(
        store,
        keys,
        ids,
        pack_bytes=MIB,
        most=most,
        purpose=BACKUP,
        on_stored=lambda _stored: None,
    )


def new_record(keys: ChainKeys, number: int, block: bytes) -> NewRecord:
    codec, encoded = encode_block(block, new_compressor(LEVEL))
    kind = RecordKind(codec, len(block), keys.block_hash(block))
    return NewRecord(number, kind, encoded)


class OnePack:
    def __init__(self) -> None:
        self.bench = Bench()
        self.pack = PackId(CommitSlot(1), WritingSession("ab" * 16), 0)
        self.keys = self.bench.writer_keys(RUN)
        ids = WritingIds(CommitSlot(1), RUN, 1, lambda: "ab" * 16)
        written(self.bench.store, self.keys, ids, BLOCKS)
        self.name = pack_name(CHAIN, self.pack)
        self.stored = self.bench.store.get(self.name)

    def open_all(self, offsets: list[int], stored: bytes) -> None:
        footer = footer_of(self.keys, self.pack, stored)
        cipher = self.keys.pack_cipher(self.pack, RUN, 1)
        for number, kind in enumerate(footer.records.kinds()):
            record = stored[offsets[number] : offsets[number + 1]]
            open_record(self.name, cipher, number, kind, record)


def test_a_pack_says_what_its_records_hold() -> None:
    one = OnePack()
    footer, size = read_footer(one.bench.store, one.keys, one.pack)
    assert size == len(one.stored)
    assert footer.origins == (Origin(one.pack, RUN, 1),)
    assert list(footer.records.numbers) == [0, 1, 2, 3]
    assert list(footer.records.blocks) == [100, 101, 102, 103]
    assert bytes(footer.records.codecs) == bytes((PLAIN, ZSTD, PLAIN, ZSTD))
    assert is_proven(one.keys, one.pack, footer)
    cipher = one.keys.pack_cipher(one.pack, RUN, 1)
    records = footer.records
    for number, (kind, offset, block) in enumerate(
        zip(records.kinds(), records.offsets(), BLOCKS, strict=False)
    ):
        stored = one.stored[offset : offset + records.lengths[number]]
        assert kind.block_hash == one.keys.block_hash(block)
        assert open_record(one.name, cipher, number, kind, stored) == block


def test_a_pack_has_the_layout_of_the_page() -> None:
    one = OnePack()
    epoch, purpose, run = struct.unpack_from("<II16s8x", one.stored, 32)
    assert one.stored[:16] == b"VMBKPACK" + struct.pack("<HHI", 1, 0, 0)
    assert one.stored[16:32].hex() == known_values.REPOSITORY
    assert (epoch, purpose, run.hex()) == (1, 0, RUN)
    sealed, payload, end = struct.unpack("<II8s", one.stored[-16:])
    assert end == b"VMBKPEND"
    assert payload == 16 + 8 + 44 + 41 * 4
    lengths = footer_of(one.keys, one.pack, one.stored).records.lengths
    assert 64 + sum(lengths) + sealed + 16 == len(one.stored)


def test_a_pack_may_hold_records_that_were_moved_from_others() -> None:
    """No writer of 1.0 makes one; every reader reads them."""
    one = OnePack()
    other = PackId(CommitSlot(9), WritingSession("cd" * 16), 3)
    whole = footer_of(one.keys, one.pack, one.stored).records
    start = one.stored[:36] + struct.pack("<I", 2) + one.stored[40:64]
    origins = b"".join(
        each.packed() + bytes.fromhex(RUN) + struct.pack("<I", 1) for each in (one.pack, other)
    )
    proven = (
        struct.pack("<II", 2, 2)
        + origins
        + struct.pack("<IIII", 1, 0, 7, 3)
        + whole.hash_at(1)
        + whole.hash_at(3)
        + struct.pack("<QQ", 101, 103)
        + struct.pack("<II", len(BLOCKS[1]), len(BLOCKS[3]))
        + struct.pack("<II", whole.lengths[1], whole.lengths[3])
        + b"\x01\x01"
    )
    name = pack_name(CHAIN, other)
    payload = one.keys.proof(name, start + proven, RUN, 1) + proven
    frame = new_compressor(LEVEL).compress(payload)
    sealed = one.keys.footer_cipher(other, RUN, 1).encrypt(bytes(12), frame, start + name.encode())
    offsets = whole.offsets()
    records = one.stored[offsets[1] : offsets[2]] + one.stored[offsets[3] : offsets[4]]
    trailer = struct.pack("<II8s", len(sealed), len(payload), b"VMBKPEND")
    one.bench.store.put_new(name, start + records + sealed + trailer)
    footer, _ = read_footer(one.bench.store, one.keys, other)
    assert footer.origins == (Origin(one.pack, RUN, 1), Origin(other, RUN, 1))
    assert (list(footer.records.origins), list(footer.records.numbers)) == ([1, 0], [7, 3])
    assert is_proven(one.keys, other, footer)


def test_the_known_record_is_what_the_page_says() -> None:
    block = b"\x01" * BLOCK
    cipher = AESGCM(bytes.fromhex(known_values.known("pack key")))
    kind = RecordKind(PLAIN, BLOCK, bytes.fromhex(known_values.known("block hash of")))
    record = seal_record(cipher, 3, kind, block)
    assert hashlib.sha256(record).hexdigest() == known_values.known("SHA-256 of that block")


def test_no_flipped_bit_of_a_pack_goes_unseen() -> None:
    one = OnePack()
    ends = footer_of(one.keys, one.pack, one.stored).records.offsets()
    one.open_all(ends, one.stored)
    for at in (*range(64), *range(64, ends[-1], 97), *range(ends[-1], len(one.stored))):
        altered = bytearray(one.stored)
        altered[at] ^= 1 << at % 8
        with pytest.raises(CorruptRepository):
            one.open_all(ends, bytes(altered))


@pytest.mark.parametrize("length", [0, 15, 16, 63, 64, 79, 80, 500, -1, -16, -17])
def test_a_pack_that_is_cut_is_damaged(length: int) -> None:
    one = OnePack()
    one.bench.store.replace(one.name, one.stored[:length])
    with pytest.raises(CorruptRepository):
        read_footer(one.bench.store, one.keys, one.pack)
    one.bench.store.replace(one.name, one.stored + bytes(abs(length) + 1))
    with pytest.raises(CorruptRepository):
        read_footer(one.bench.store, one.keys, one.pack)


def test_a_pack_under_another_name_is_damaged() -> None:
    one = OnePack()
    other = PackId(one.pack.slot, one.pack.session, 1)
    one.bench.store.put_new(pack_name(CHAIN, other), one.stored)
    with pytest.raises(CorruptRepository):
        read_footer(one.bench.store, one.keys, other)


def test_only_who_holds_the_runs_key_proves_a_pack() -> None:
    """Metadata secrets, which every backup job of the chain has, are not enough."""
    one = OnePack()
    forger = Bench().writer_keys(run_of(2))
    metadata = ChainKeys(
        forger.repository,
        forger.chain,
        1,
        forger.hash_key,
        forger.metadata,
        {},
        {(1, RUN): b"no key of the run's".ljust(32)},
    )
    store = DataMemory()
    written(store, metadata, WritingIds(CommitSlot(1), RUN, 1, lambda: "ab" * 16), BLOCKS)
    footer, _ = read_footer(store, one.keys, one.pack)
    assert footer.start.run == RUN
    assert not is_proven(one.keys, one.pack, footer)


def test_a_newer_format_is_told_only_of_an_authentic_pack() -> None:
    one = OnePack()
    for at in (8, 12):
        altered = bytearray(one.stored)
        altered[at] ^= 2
        with pytest.raises(CorruptRepository):
            footer_of(one.keys, one.pack, bytes(altered))
        with pytest.raises(NewerFormat):
            footer_of(one.keys, one.pack, resealed(one, bytes(altered[:64])))


def resealed(one: OnePack, start: bytes) -> bytes:
    """Return the pack with another start, as a writer that knows more would make it."""
    footer_bytes, _, _ = struct.unpack("<II8s", one.stored[-16:])
    sealed = one.stored[-16 - footer_bytes : -16]
    cipher = one.keys.footer_cipher(one.pack, RUN, 1)
    frame = cipher.decrypt(bytes(12), sealed, one.stored[:64] + one.name.encode())
    again = cipher.encrypt(bytes(12), frame, start + one.name.encode())
    return start + one.stored[64 : -16 - footer_bytes] + again + one.stored[-16:]


def test_a_record_of_an_unknown_codec_is_not_understood() -> None:
    cipher = AESGCM(bytes(32))
    kind = RecordKind(3, BLOCK, bytes(16))
    with pytest.raises(NotUnderstood):
        open_record("pack", cipher, 0, kind, seal_record(cipher, 0, kind, b"from the future"))


def test_a_pack_is_no_larger_than_the_chain_allows() -> None:
    bench = Bench()
    content = noise(1, 5 * MIB)
    bench.write(bench.grant(1, len(content)), content)
    ends = []
    for number in range(len(bench.store.names("p"))):
        name = bench.store.names("p")[number]
        stored = bench.store.get(name)
        footer_bytes, _, _ = struct.unpack("<II8s", stored[-16:])
        ends.append(len(stored) - footer_bytes - 16)
    assert max(ends) <= MIB
    assert sorted(ends)[1] > MIB - 2 * BLOCK  # all but the last are full


def test_records_close_to_each_other_are_read_at_once() -> None:
    places = [(64, 100), (164, 100), (1000, 50), (5000, 10), (5005, 1000)]
    found = list(joined(places, most_bytes=1200, gap_bytes=1000))
    assert found == [(64, 986, [0, 1, 2]), (5000, 1005, [3, 4])]
    assert [each[2] for each in joined(places, most_bytes=150, gap_bytes=1000)] == [
        [0],
        [1],
        [2],
        [3],
        [4],
    ]


class Squatted(DataMemory):
    """Somebody else's bytes lie under the first *times* names of each kind."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = dict.fromkeys("pim", times)

    @override
    def put_new(self, name: str, data: Buffer) -> None:
        folder = name.split("/")[2]
        if self.times[folder] > 0:
            self.times[folder] -= 1
            raise AlreadyStored(name)
        super().put_new(name, data)


def test_who_finds_a_name_taken_goes_on_under_another_session() -> None:
    bench = Bench(Squatted(2))
    content = noise(1, 2 * SHARD) + bytes(BLOCK)
    first = bench.write(bench.grant(1, len(content)), content)
    said = bench.manifest(first).said
    assert said.session == said.sessions[-1]
    assert len(said.sessions) > 3
    assert bench.restore(first)[0] == content
    after = content[:SHARD] + b"new" + content[SHARD + 3 :]
    grant = bench.grant(2, len(content), newest=first, base=first, deltas=True)
    second = bench.write(grant, after, [Extent(SHARD, BLOCK)], predecessor=content)
    assert bench.restore(second)[0] == after


def test_a_store_that_says_of_every_name_that_it_is_taken_ends_the_attempt() -> None:
    bench = Bench(Squatted(99))
    with pytest.raises(AlreadyStored):
        bench.write(bench.grant(1, SHARD), noise(1, SHARD))


class Remembering:
    """A cipher that knows what it encrypted under which nonce."""

    def __init__(self, key: str, seen: dict[tuple[str, bytes], tuple[bytes, bytes]]) -> None:
        self._key = key
        self._seen = seen
        self._inner = AESGCM(hashlib.sha256(key.encode()).digest())

    def encrypt(self, nonce: bytes, data: bytes, associated: bytes) -> bytes:
        before = self._seen.setdefault((self._key, nonce), (bytes(data), associated))
        assert before == (bytes(data), associated), f"nonce {nonce.hex()} twice under {self._key}"
        return self._inner.encrypt(nonce, data, associated)

    def encrypt_into(
        self, nonce: bytes, data: bytes, associated: bytes, target: memoryview
    ) -> None:
        target[:] = self.encrypt(nonce, data, associated)

    def decrypt(self, nonce: bytes, data: bytes, associated: bytes) -> bytes:
        return self._inner.decrypt(nonce, data, associated)


class AuditedKeys(ChainKeys):
    """Keys whose ciphers remember; each test has its own memory."""

    seen: dict[tuple[str, bytes], tuple[bytes, bytes]] = {}  # noqa: RUF012 - emptied by the test

    @override
    def pack_cipher(self, pack: PackId, run: RunId, epoch: int) -> AESGCM:
        key = f"pack {pack.packed().hex()} {run} {epoch}"
        return Remembering(key, self.seen)  # type: ignore[return-value] # AESGCM has no subclasses

    @override
    def footer_cipher(self, pack: PackId, run: RunId, epoch: int) -> AESGCM:
        key = f"footer {pack.packed().hex()} {run} {epoch}"
        return Remembering(key, self.seen)  # type: ignore[return-value] # AESGCM has no subclasses


def test_no_nonce_is_used_twice_under_a_key() -> None:
    AuditedKeys.seen = {}
    bench = Bench(Squatted(2), threads=3)
    given = bench.writer_keys(run_of(1))
    keys = AuditedKeys(
        given.repository, given.chain, 1, given.hash_key, given.metadata, {}, given.runs
    )
    content = noise(1, 3 * MIB)
    bench.write(bench.grant(1, len(content)), content, keys=keys)
    blocks = len(content) // BLOCK
    records = [key for key, _ in AuditedKeys.seen if key.startswith("pack")]
    assert len(records) >= blocks + 2 * 200  # two packs were sealed again, under other ids
    assert sum(key.startswith("footer") for key, _ in AuditedKeys.seen) >= 3
