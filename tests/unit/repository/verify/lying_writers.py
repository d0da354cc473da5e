"""Backup workers that hold their keys and lie: what they store is sealed as it should be."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from typing_extensions import override

from tests.unit.repository.data.bench import Disk, noise, silent
from tests.unit.repository.verify.verify_bench import BLOCK, VerifyBench
from vmbackup_core.extents import Extent
from vmbackup_core.repository.control.backup.preparing import PreparedDisk
from vmbackup_core.repository.data.disk_writer import DiskToRead, WrittenDisk, write_disk
from vmbackup_core.repository.data.index_reader import IndexReader, open_manifest
from vmbackup_core.repository.data.manifest import (
    IndexObject,
    Manifest,
    SectionRef,
    ShardLines,
    encode_manifest,
)
from vmbackup_core.repository.data.sections import (
    HASH_BYTES,
    BaseSection,
    Limits,
    decode_base,
    encode_base,
)
from vmbackup_core.repository.data.tables import encode_table
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.envelope import seal, unseal, within
from vmbackup_core.repository.primitives.names import index_name
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import Buffer

#: Writes a disk in its own way.
Lie = Callable[["LyingBench", PreparedDisk, bytes], WrittenDisk]


@dataclass
class LyingBench(VerifyBench):
    """A repository whose next backup is written by a worker that lies."""

    lie: Lie | None = None

    def lied_to(self, number: int, disks: dict[str, bytes], lie: Lie) -> None:
        """Back *disks* up by *lie*; the operator commits what it is offered."""
        self.lie = lie
        self.back_up(number, disks)
        self.lie = None

    @override
    def write(self, prepared: PreparedDisk, content: bytes) -> WrittenDisk:
        if self.lie is None:
            return super().write(prepared, content)
        return self.lie(self, prepared, content)


def other_bytes_than_the_disk(
    bench: LyingBench, prepared: PreparedDisk, content: bytes
) -> WrittenDisk:
    """Store noise in place of a part of the disk; all hashes are of the noise."""
    told = content[: 20 * BLOCK] + noise(99, 200 * BLOCK) + content[220 * BLOCK :]
    return written(bench.data, prepared, prepared.keys, told)


def zeros_instead_of_data(bench: LyingBench, prepared: PreparedDisk, content: bytes) -> WrittenDisk:
    """Say of a part of the disk that it is zero."""
    told = content[: 20 * BLOCK] + bytes(200 * BLOCK) + content[220 * BLOCK :]
    return written(bench.data, prepared, prepared.keys, told)


def junk_in_records(bench: LyingBench, prepared: PreparedDisk, content: bytes) -> WrittenDisk:
    """Store packs whose feet are right, and one record of each is not what they say."""
    return written(JunkInPacks(bench.data), prepared, prepared.keys, content)


def hashes_of_other_bytes(bench: LyingBench, prepared: PreparedDisk, content: bytes) -> WrittenDisk:
    """Seal each block under the hash of another one; every record authenticates."""
    keys = prepared.keys
    fields = {name: getattr(keys, name) for name in ChainKeys.__slots__}
    return written(bench.data, prepared, OtherHashes(**fields), content)


def sections_that_name_other_records(
    bench: LyingBench, prepared: PreparedDisk, content: bytes
) -> WrittenDisk:
    """Write all as it should be, and then sections that have the hashes of two blocks swapped."""
    done = written(bench.data, prepared, prepared.keys, content)
    return with_other_sections(bench.data, prepared.keys, done, swap_two_hashes)


def written(
    store: MemoryStore, prepared: PreparedDisk, keys: ChainKeys, content: bytes
) -> WrittenDisk:
    to_read = DiskToRead(Disk(content), [Extent(0, len(content))], None)
    return write_disk(store, keys, prepared.grant, to_read, threads=1, progress=silent)


class JunkInPacks(MemoryStore):
    """The same objects as *inner*; each pack is put with one bit of its first record changed."""

    def __init__(self, inner: MemoryStore) -> None:
        self.__dict__.update(inner.__dict__)

    @override
    def put_new(self, name: str, data: Buffer) -> None:
        content = bytearray(data)
        if "/p/" in name:
            content[100] ^= 1
        super().put_new(name, bytes(content))


class OtherHashes(ChainKeys):
    """Has for each block the hash of another."""

    @override
    def block_hash(self, block: Buffer) -> bytes:
        return super().block_hash(bytes(block) + b"other")


def swap_two_hashes(section: BaseSection) -> BaseSection:
    hashes = section.entries.hashes
    one, two = bytes(hashes[:HASH_BYTES]), bytes(hashes[HASH_BYTES : 2 * HASH_BYTES])
    hashes[: 2 * HASH_BYTES] = two + one
    return section


def with_other_sections(
    store: MemoryStore,
    keys: ChainKeys,
    done: WrittenDisk,
    change: Callable[[BaseSection], BaseSection],
) -> WrittenDisk:
    """Put the one index object and the manifest of a first backup again, the bases changed."""
    manifest = open_manifest(store, keys, done.manifest, bytes.fromhex(done.sha256))
    (at,) = manifest.objects
    name, said = index_name(keys.chain, at.index), manifest.said
    table = IndexReader(store, keys, manifest).table(0)
    stored, lines, content = store.get(name), [], b""
    for line in manifest.lines:
        ref = line.base
        payload = unseal(
            "SECT",
            within(name, ref.offset),
            stored[ref.offset : ref.offset + ref.length],
            keys.secret_of,
            keys.repository,
        ).payload
        rows = table.rows_of(line.shard, "base") or ()
        limits = Limits(said.block_bytes, said.shard_bytes, said.disk_bytes, len(rows))
        section = change(decode_base(name, payload, limits))
        sealed = seal("SECT", within(name, len(content)), encode_base(section), keys.source())
        made = SectionRef(0, len(content), len(sealed), hashlib.sha256(sealed).digest())
        lines.append(replace(line, base=made))
        content += sealed
    end = encode_table(list(table.sections()))
    sealed_table = seal("TABL", within(name, len(content)), end, keys.source())
    objects = IndexObject(
        at.index,
        len(content) + len(sealed_table),
        len(content),
        hashlib.sha256(sealed_table).digest(),
    )
    store.overwrite(name, content + sealed_table)
    payload = encode_manifest(Manifest(said, (objects,), ShardLines.of(lines)))
    sealed = seal("MANI", done.manifest, payload, keys.source())
    store.overwrite(done.manifest, sealed)
    return replace(done, sha256=hashlib.sha256(sealed).hexdigest())
