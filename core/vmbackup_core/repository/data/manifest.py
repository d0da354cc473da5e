"""The manifest: one commit of a disk, whole; which section of which index object has each shard."""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import CommitSlot
from vmbackup_core.repository.data.said import ManifestSaid
from vmbackup_core.repository.primitives.bounds import INDEX_OBJECT_BYTES
from vmbackup_core.repository.primitives.identities import IndexId, WritingSession
from vmbackup_core.repository.primitives.json_payloads import parsed, written
from vmbackup_core.repository.primitives.names import LAST_SLOT
from vmbackup_core.repository.primitives.numbers import Reader, column_bytes

MOST_INDEX_OBJECTS = 4096
MOST_JSON_BYTES = 65_536
SHA256_BYTES = 32

_HEAD = struct.Struct("<IIII")
_OBJECT = struct.Struct("<I16sIIII32s")
_LINE_BYTES = 4 * 5 + SHA256_BYTES


@dataclass(frozen=True, slots=True)
class IndexObject:
    """An index object that the manifest names; its table ends where it ends."""

    index: IndexId
    size_bytes: int
    table_offset: int
    table_sha256: bytes

    @property
    def table_bytes(self) -> int:
        """How long the table is, as it is stored."""
        return self.size_bytes - self.table_offset


@dataclass(frozen=True, slots=True)
class SectionRef:
    """A section: which of the manifest's index objects it lies in, where, and its digest."""

    object: int
    offset: int
    length: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class ShardLine:
    """What the manifest says of one shard; *patches_bytes* is W, 0 without a patch."""

    shard: int
    base: SectionRef
    used_blocks: int
    patch: SectionRef | None = None
    patches_bytes: int = 0

    def sections(self) -> tuple[SectionRef, ...]:
        """Return the base, and the patch where there is one."""
        return (self.base,) if self.patch is None else (self.base, self.patch)


def _words() -> array[int]:
    return array("I")


@dataclass(frozen=True, slots=True)
class _Sections:
    """Bases or patches, one behind the other: columns in the order of the page."""

    numbers: array[int] = field(default_factory=_words)  # of shards; of lines that have a patch
    objects: array[int] = field(default_factory=_words)
    offsets: array[int] = field(default_factory=_words)
    lengths: array[int] = field(default_factory=_words)
    counts: array[int] = field(default_factory=_words)  # of used blocks; of bytes of patches
    digests: bytearray = field(default_factory=bytearray)

    def append(self, number: int, ref: SectionRef, count: int) -> None:
        self.numbers.append(number)
        self.objects.append(ref.object)
        self.offsets.append(ref.offset)
        self.lengths.append(ref.length)
        self.counts.append(count)
        self.digests.extend(ref.sha256)

    def find(self, number: int) -> int | None:
        """Return the row that has *number*."""
        row = bisect_left(self.numbers, number)
        return row if row < len(self.numbers) and self.numbers[row] == number else None

    def ref(self, row: int) -> SectionRef:
        digest = bytes(self.digests[row * SHA256_BYTES : (row + 1) * SHA256_BYTES])
        return SectionRef(self.objects[row], self.offsets[row], self.lengths[row], digest)

    def packed(self) -> bytes:
        columns = (self.numbers, self.objects, self.offsets, self.lengths, self.counts)
        return b"".join((*(column_bytes(each) for each in columns), self.digests))

    @staticmethod
    def read(payload: Reader, count: int) -> _Sections:
        return _Sections(
            payload.column("I", count),
            payload.column("I", count),
            payload.column("I", count),
            payload.column("I", count),
            payload.column("I", count),
            bytearray(payload.bytes(SHA256_BYTES * count)),
        )


@dataclass(frozen=True, slots=True)
class ShardLines:
    """The lines of a manifest, in order of shard; columns, since a disk has thousands."""

    bases: _Sections = field(default_factory=_Sections)
    patches: _Sections = field(default_factory=_Sections)

    @staticmethod
    def of(lines: Iterable[ShardLine]) -> ShardLines:
        """Return *lines*, which are in order of shard."""
        made = ShardLines()
        for line in lines:
            made.bases.append(line.shard, line.base, line.used_blocks)
            if line.patch is not None:
                made.patches.append(len(made) - 1, line.patch, line.patches_bytes)
        return made

    def __len__(self) -> int:
        return len(self.bases.numbers)

    def __iter__(self) -> Iterator[ShardLine]:
        return (self._line(row) for row in range(len(self)))

    @property
    def used_blocks(self) -> int:
        """How many blocks of the disk are not zero."""
        return sum(self.bases.counts)

    def line_of(self, shard: int) -> ShardLine | None:
        """Return the line of *shard*; None where the shard is zero."""
        row = self.bases.find(shard)
        return None if row is None else self._line(row)

    def sections(self) -> Iterator[SectionRef]:
        """Yield every section that is named, the bases first."""
        for each in (self.bases, self.patches):
            yield from (each.ref(row) for row in range(len(each.numbers)))

    def _line(self, row: int) -> ShardLine:
        shard, base, used = self.bases.numbers[row], self.bases.ref(row), self.bases.counts[row]
        at = self.patches.find(row)
        if at is None:
            return ShardLine(shard, base, used)
        return ShardLine(shard, base, used, self.patches.ref(at), self.patches.counts[at])


@dataclass(frozen=True, slots=True)
class Manifest:
    """One commit of a disk."""

    said: ManifestSaid
    objects: tuple[IndexObject, ...]
    lines: ShardLines


def encode_manifest(manifest: Manifest) -> bytes:
    """Return the payload of the manifest's object; raise ObjectMalformed for what nobody takes."""
    said, lines = written("the manifest", manifest.said), manifest.lines
    counts = (len(said), len(manifest.objects), len(lines), len(lines.patches.numbers))
    objects = b"".join(_packed(each) for each in manifest.objects)
    return b"".join(
        (_HEAD.pack(*counts), said, objects, lines.bases.packed(), lines.patches.packed())
    )


def decode_manifest(name: str, content: bytes) -> Manifest:
    """Return the manifest that *content*, the payload of the object called *name*, describes."""
    payload = Reader(name, content)
    said_bytes, objects, lines, patches = (payload.u32() for _ in range(4))
    payload.expect(said_bytes + _OBJECT.size * objects + _LINE_BYTES * (lines + patches))
    if said_bytes > MOST_JSON_BYTES or objects > MOST_INDEX_OBJECTS:
        raise CorruptRepository(f"{name}: {said_bytes} bytes of JSON, {objects} index objects")
    said = parsed(name, payload.bytes(said_bytes), ManifestSaid)
    packed = payload.bytes(_OBJECT.size * objects)
    manifest = Manifest(
        said,
        tuple(_object(name, *each) for each in _OBJECT.iter_unpack(packed)),
        ShardLines(_Sections.read(payload, lines), _Sections.read(payload, patches)),
    )
    payload.end()
    _check(name, manifest)
    return manifest


def _packed(each: IndexObject) -> bytes:
    index = each.index
    return _OBJECT.pack(
        index.slot,
        bytes.fromhex(index.session),
        index.number,
        each.size_bytes,
        each.table_offset,
        each.table_bytes,
        each.table_sha256,
    )


def _object(  # noqa: PLR0913, PLR0917 - the fields in their order
    name: str,
    slot: int,
    session: bytes,
    number: int,
    size: int,
    offset: int,
    length: int,
    sha256: bytes,
) -> IndexObject:
    if not 1 <= slot <= LAST_SLOT or size > INDEX_OBJECT_BYTES or offset + length != size:
        raise CorruptRepository(
            f"{name}: an index object of slot {slot} with {size} bytes, its table at {offset} "
            f"of {length}"
        )
    index = IndexId(CommitSlot(slot), WritingSession(session.hex()), number)
    return IndexObject(index, size, offset, sha256)


def _check(name: str, manifest: Manifest) -> None:
    said, bases, patches = manifest.said, manifest.lines.bases, manifest.lines.patches
    if len({each.index for each in manifest.objects}) != len(manifest.objects):
        raise CorruptRepository(f"{name}: an index object is there twice")
    for what, column in (("shards", bases.numbers), ("patches", patches.numbers)):
        if any(before >= after for before, after in pairwise(column)):
            raise CorruptRepository(f"{name}: its {what} are not in order")
    shards = -(-said.disk_bytes // said.shard_bytes)
    if bases.numbers and bases.numbers[-1] >= shards:
        raise CorruptRepository(f"{name}: shard {bases.numbers[-1]} of {shards}")
    if patches.numbers and patches.numbers[-1] >= len(bases.numbers):
        raise CorruptRepository(f"{name}: a patch of line {patches.numbers[-1]}")
    if bases.counts and max(bases.counts) > said.shard_bytes // said.block_bytes:
        raise CorruptRepository(f"{name}: {max(bases.counts)} used blocks in a shard")
    for each in (bases, patches):
        _check_sections(name, each, manifest.objects)


def _check_sections(name: str, sections: _Sections, objects: tuple[IndexObject, ...]) -> None:
    """Raise where a section does not lie in its index object, before the table."""
    for row, offset, length in zip(
        sections.objects, sections.offsets, sections.lengths, strict=True
    ):
        if row >= len(objects) or offset + length > objects[row].table_offset:
            raise CorruptRepository(
                f"{name}: a section at {offset} of {length} bytes in index object {row} of "
                f"{len(objects)}"
            )
