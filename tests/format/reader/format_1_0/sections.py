"""Sections, tables [10] and manifests [11]."""

from collections.abc import Iterator
from dataclasses import dataclass

from .ciphers import NotUnderstood, need
from .columns import Columns, at_index
from .places import Origin, object_name
from .shapes import BODIES, Json, fits, parse_json

KIB, MIB, TIB = 1 << 10, 1 << 20, 1 << 40


@dataclass
class Entry:
    """Where the record of one block lies."""

    row: int
    number: int
    offset: int
    length: int
    codec: int
    digest: bytes
    base: "Entry | None" = None
    block_bytes: int = 0


@dataclass
class Section:
    shard: int
    blocks: int
    decided: list[int]
    entries: dict[int, Entry]
    base_sha256: bytes | None = None


def read_deltas(columns: Columns, count: int) -> list[Entry]:
    rows, numbers, offsets, lengths = (columns.numbers(count) for _ in range(4))
    codecs, sizes, hashes = columns.take(count), columns.numbers(count), columns.rows(count, "16s")
    need(set(codecs) <= {0, 1}, "a delta on a delta")
    found = zip(rows, numbers, offsets, lengths, codecs, hashes, sizes, strict=True)
    return [
        Entry(row, number, offset, length, codec, digest, None, size)
        for row, number, offset, length, codec, (digest,), size in found
    ]


def read_entries(columns: Columns, used: list[int], count: int) -> dict[int, Entry]:
    """The columns of used blocks and of the deltas among them."""
    rows, numbers, offsets, lengths = (columns.numbers(len(used)) for _ in range(4))
    codecs, hashes = columns.take(len(used)), columns.rows(len(used), "16s")
    if set(codecs) - {0, 1, 2}:
        raise NotUnderstood("an unknown codec of a record")
    need(codecs.count(2) == count, "another number of deltas")
    bases = iter(read_deltas(columns, count))
    columns.end()
    made: dict[int, Entry] = {}
    row, number, offset = -1, 0, 64
    for index, block in enumerate(used):
        expected = (number, offset) if rows[index] == row else (0, 64)
        row, codec = rows[index], codecs[index]
        at = [
            (given + plus) % (1 << 32)
            for given, plus in zip((numbers[index], offsets[index]), expected, strict=True)
        ]
        base = next(bases) if codec == 2 else None
        made[block] = Entry(row, at[0], at[1], lengths[index], codec, hashes[index][0], base)
        number, offset = at[0] + 1, at[1] + lengths[index]
    return made


def read_section(payload: bytes, is_patch: bool) -> Section:  # noqa: FBT001
    columns = Columns(payload)
    shard, blocks = columns.numbers(2)
    changed = columns.numbers(1)[0] if is_patch else blocks
    used, deltas = columns.numbers(2)
    base = columns.take(32) if is_patch else None
    decided = columns.bits(blocks) if is_patch else list(range(blocks))
    need(len(decided) == changed, "another number of bits")
    set_bits = [decided[bit] for bit in columns.bits(changed)]
    need(len(set_bits) == used, "another number of bits")
    return Section(shard, blocks, decided, read_entries(columns, set_bits, deltas), base)


@dataclass
class Row:
    """A pack that a section needs, and where its records were encrypted."""

    holder: Origin
    size: int
    origin: Origin


def read_table(payload: bytes) -> dict[tuple[int, int], list[Row]]:
    """(shard, type) to the rows of that section."""
    columns = Columns(payload)
    sections, count, total = columns.numbers(3)
    need(sections, "a table without sections")
    sessions = columns.rows(count, "<I16s16sI")
    need(len(set(sessions)) == count, "a session twice")

    def origin(session: int, number: int) -> Origin:
        slot, name, run, epoch = at_index(sessions, session)
        return Origin(slot, name, run, epoch, number)

    shards, types = columns.numbers(sections), columns.take(sections)
    if set(types) - {0, 1}:
        raise NotUnderstood("an unknown type of a section")
    lengths = columns.numbers(sections)
    places = list(zip(*(columns.numbers(total) for _ in range(5)), strict=True))
    columns.end()
    need(sum(lengths) == total and max(lengths) <= 131_072, "rows that are not there")
    rows = [
        Row(origin(held, number), size, origin(made, first))
        for held, number, size, made, first in places
    ]
    found: dict[tuple[int, int], list[Row]] = {}
    for key, length in zip(zip(shards, types, strict=True), lengths, strict=True):
        need(key not in found, "a section twice")
        found[key], rows = rows[:length], rows[length:]
        need(len({(row.holder, row.origin) for row in found[key]}) == length, "a row twice")
    return found


@dataclass
class IndexObject:
    name: str
    key: tuple[int, bytes, int]
    size: int
    table_offset: int
    table_length: int
    sha256: bytes


@dataclass
class Part:
    """Where a base or patch lies."""

    index: int
    offset: int
    length: int
    sha256: bytes


@dataclass
class Manifest:
    body: Json
    indexes: list[IndexObject]
    bases: dict[int, Part]
    patches: dict[int, Part]
    used: dict[int, int]

    def sections(self) -> Iterator[tuple[int, int, Part]]:
        """Shard, type and place of each."""
        yield from ((shard, 0, part) for shard, part in self.bases.items())
        yield from ((shard, 1, part) for shard, part in self.patches.items())


def read_parts(columns: Columns, count: int, between: int) -> tuple[list[Part], tuple[int, ...]]:
    indexes, offsets, lengths = (columns.numbers(count) for _ in range(3))
    extra = columns.numbers(between)
    found = zip(indexes, offsets, lengths, columns.rows(count, "32s"), strict=True)
    return [
        Part(index, offset, length, digest) for index, offset, length, (digest,) in found
    ], extra


def read_manifest(chain: str, payload: bytes) -> Manifest:
    columns = Columns(payload)
    size, objects, listed, patched = columns.numbers(4)
    need(size <= 64 * KIB and objects <= 4_096, "past a bound")
    body = parse_json(columns.take(size))
    need(fits(BODIES["MANI"], body), "a field is missing or of another type")
    indexes = [
        IndexObject(object_name(chain, "i", slot, session, number), (slot, session, number), *rest)
        for slot, session, number, *rest in columns.rows(objects, "<I16sIIII32s")
    ]
    shards = columns.numbers(listed)
    bases, used = read_parts(columns, listed, listed)
    which = columns.numbers(patched)
    patches, _ = read_parts(columns, patched, patched)
    columns.end()
    need(
        list(shards) == sorted(set(shards)) and list(which) == sorted(set(which)),
        "shards out of order",
    )
    patched_shards = [at_index(shards, one) for one in which]
    manifest = Manifest(
        body,
        indexes,
        dict(zip(shards, bases, strict=True)),
        dict(zip(patched_shards, patches, strict=True)),
        dict(zip(shards, used, strict=True)),
    )
    check_manifest(manifest)
    return manifest


def check_manifest(manifest: Manifest) -> None:
    disk, shard_bytes, block = (
        manifest.body[name] for name in ("diskBytes", "shardBytes", "blockBytes")
    )
    check_parameters(block, shard_bytes, manifest.body["packBytes"])
    need(1 <= disk <= 64 * TIB, "a disk past the bound")
    need(all(shard * shard_bytes < disk for shard in manifest.bases), "a shard beyond the disk")
    for one in manifest.indexes:
        need(
            one.size <= 64 * MIB and one.table_offset + one.table_length == one.size,
            "a table beyond its object",
        )
    for _, _, part in manifest.sections():
        index = at_index(manifest.indexes, part.index)
        need(part.offset + part.length <= index.table_offset, "a section beyond its object")


def check_parameters(block: int, shard: int, pack: int) -> None:
    """[8] The bounds of a chain's parameters."""
    need(4 * KIB <= block <= 4 * MIB and block & (block - 1) == 0, "blockBytes")
    need(shard and shard % block == 0 and shard // block <= 65_536, "shardBytes")
    need(max(MIB, block + 80) <= pack <= 256 * MIB, "packBytes")
