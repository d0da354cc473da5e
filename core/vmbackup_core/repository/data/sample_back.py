"""Comparing blocks of a manifest with the snapshot that it was made of.

Only this proves that what was stored is the disk: whoever stored it could have hashed other bytes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.extents import Extents
from vmbackup_core.repository.crew import work_through
from vmbackup_core.repository.data.index_reader import IndexReader
from vmbackup_core.repository.data.manifest import Manifest
from vmbackup_core.repository.data.ports import DataSource
from vmbackup_core.repository.data.sections_back import SectionsTold, block_bytes_at
from vmbackup_core.repository.data.shard_view import ZERO, ShardView
from vmbackup_core.repository.data.tables import PackRow
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.failures import NotUnderstood
from vmbackup_core.repository.transfer import DiskSource
from vmbackup_core.stores.port import ObjectUnreadable


@dataclass(frozen=True, slots=True)
class Sampled:
    """How many blocks were compared, and the numbers of those that differ."""

    compared: int
    differing: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Block:
    """A block, and its hash as the manifest has it; None where it says that it is zero."""

    number: int
    block_hash: bytes | None


@dataclass
class SampleBack:
    """Compares blocks with a snapshot; *blocks* by number, *used* by count of those not zero."""

    store: DataSource
    keys: ChainKeys
    manifest: Manifest
    told: SectionsTold
    threads: int

    def compare(
        self,
        disk: DiskSource,
        blocks: Sequence[int],
        used: Sequence[int],
        *,
        but: Extents | None = None,
    ) -> Sampled:
        """Return what differs; what a shard hides that does not open is told, and not compared.

        Blocks that *but* touches are not looked at.
        """
        wanted = [*self._expected(blocks, used)]
        if but is not None:
            wanted = [each for each in wanted if not self._is_in(but, each)]
        differing: list[int] = []

        def compare(block: _Block) -> None:
            if self._differs(disk, block):
                differing.append(block.number)

        work_through(wanted, compare, self.threads)
        return Sampled(len(wanted), tuple(sorted(differing)))

    def _expected(self, blocks: Sequence[int], used: Sequence[int]) -> Iterator[_Block]:
        said = self.manifest.said
        per_shard = said.shard_bytes // said.block_bytes
        picked = sorted([*self._of_blocks(blocks, per_shard), *self._of_used(used)])
        index = IndexReader(self.store, self.keys, self.manifest)
        for shard, group in groupby(picked, key=lambda pick: pick[0]):
            line = self.manifest.lines.line_of(shard)
            view = None
            if line is not None:
                try:
                    view = index.shard(line)
                except (CorruptRepository, NotUnderstood, ObjectUnreadable) as error:
                    last = line.patch or line.base
                    self.told.section(self.manifest.objects[last.object].index, last.offset, error)
                    continue
            first = shard * per_shard
            yield from _in_shard(view, [pick[1:] for pick in group], first)

    def _of_blocks(self, blocks: Sequence[int], per_shard: int) -> Iterator[tuple[int, int, int]]:
        """Yield shard, 0, and the place in the shard of each block that the disk has."""
        most = -(-self.manifest.said.disk_bytes // self.manifest.said.block_bytes)
        for number in blocks:
            if number < most:
                yield number // per_shard, 0, number % per_shard

    def _of_used(self, used: Sequence[int]) -> Iterator[tuple[int, int, int]]:
        """Yield shard, 1, and the count within the shard of each block that is not zero."""
        lines = list(self.manifest.lines)
        ends = list(accumulate(line.used_blocks for line in lines))
        for count in used:
            at = bisect_right(ends, count)
            if at < len(lines):
                yield lines[at].shard, 1, count - (ends[at] - lines[at].used_blocks)

    def _is_in(self, extents: Extents, block: _Block) -> bool:
        said = self.manifest.said
        start, length = block.number * said.block_bytes, block_bytes_at(said, block.number)
        return bool(extents.cut(start, length))

    def _differs(self, disk: DiskSource, block: _Block) -> bool:
        said = self.manifest.said
        content = bytearray(block_bytes_at(said, block.number))
        disk.read_into(block.number * said.block_bytes, memoryview(content))
        if content == bytes(len(content)):
            return block.block_hash is not None
        return self.keys.block_hash(content) != block.block_hash


def _in_shard(
    view: ShardView[PackRow] | None, picks: Sequence[tuple[int, int]], first: int
) -> Iterator[_Block]:
    """Yield the picked blocks of one shard, each once; without a view all of it is zero."""
    places = {place for by_count, place in picks if not by_count}
    if view is not None:
        used = [place for place, _ in view.places()]
        places.update(used[count] for by_count, count in picks if by_count)
    for place in sorted(places):
        entry = ZERO if view is None or place >= view.blocks else view.at[place]
        known = None if view is None or entry == ZERO else view.entries.hash_at(entry)
        yield _Block(first + place, known)
