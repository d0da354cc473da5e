"""One attempt to write a disk: packs, index objects and the manifest that a commit may name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.extents import Extent, Extents, aligned
from vmbackup_core.repository.data.adoption import Adoption
from vmbackup_core.repository.data.grants import Bad, BaseUnreadable, DiskGrant, ManifestAt
from vmbackup_core.repository.data.index_writer import IndexWriter, Row, sealed_bytes
from vmbackup_core.repository.data.known_places import KnownPlaces
from vmbackup_core.repository.data.manifest import (
    Manifest,
    ShardLine,
    encode_manifest,
)
from vmbackup_core.repository.data.manifest_before import ManifestBefore, same_sections
from vmbackup_core.repository.data.manifest_lines import LineMade, lines_of
from vmbackup_core.repository.data.pack_writer import OwnPack, PackWriter
from vmbackup_core.repository.data.ports import DataStore
from vmbackup_core.repository.data.records import DELTA_LEVEL
from vmbackup_core.repository.data.said import ManifestSaid, Statistics
from vmbackup_core.repository.data.shard_content import Reading, ShardContent, Tools, by_shard
from vmbackup_core.repository.data.shard_view import (
    BaseAlone,
    NewBase,
    Places,
    ShardView,
    StoredBase,
    choose,
    differ,
)
from vmbackup_core.repository.data.tables import PackRow, SessionRow
from vmbackup_core.repository.data.writing_ids import WritingIds
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.envelope import seal
from vmbackup_core.repository.primitives.names import manifest_name
from vmbackup_core.repository.transfer import DiskSource, OnProgress, Tally
from vmbackup_core.stores.port import AlreadyStored


@dataclass(frozen=True, slots=True)
class DiskToRead:
    """Where the disk's bytes come from: *extents* are to be read, others are the base's, or zero.

    Zero is what lies outside of them behind the base's end, or where there is no base.
    *predecessor* shows the disk as the newest manifest has it; without it no delta is made.
    """

    source: DiskSource
    extents: Iterable[Extent]
    predecessor: DiskSource | None = None


@dataclass(frozen=True, slots=True)
class WrittenDisk:
    """What is ready to be committed.

    *changed_outside* counts blocks that no changed extent covered and that had changed all the
    same: what named the extents has not told the truth.
    """

    manifest: str
    sha256: str
    statistics: Statistics
    changed_outside: int


@dataclass(slots=True)
class _Counts:
    """What happened, over all shards."""

    new_blocks: int = 0
    delta_blocks: int = 0
    changed_outside: int = 0
    adopted: set[SessionRow] = field(default_factory=set)


def write_disk(
    store: DataStore,
    keys: ChainKeys,
    grant: DiskGrant,
    disk: DiskToRead,
    *,
    threads: int,
    progress: OnProgress,
) -> WrittenDisk:
    """Write the disk as *grant* says; return the manifest that the operator may commit.

    Called again after it was broken off, it takes over what was stored, where the operator gives
    the sessions to adopt.
    """
    return DiskWriter(store, keys, grant, disk, threads, progress).write()


class DiskWriter:
    """Writes one disk once, shard by shard; `write_disk` is what callers use."""

    def __init__(
        self,
        store: DataStore,
        keys: ChainKeys,
        grant: DiskGrant,
        disk: DiskToRead,
        threads: int,
        progress: OnProgress,
    ) -> None:
        self._store, self._keys, self._grant = store, keys, grant
        self._bad = Bad.of(grant.bad)
        self._newest = None if grant.newest is None else self._opened(grant.newest)
        self._base = self._opened_base()
        self._extents = self._whole(disk.extents)
        self._ids = self.writing_ids()
        self._tally = Tally(self._extents.total_bytes, progress)
        packs = PackWriter(
            store,
            keys,
            self._ids,
            pack_bytes=grant.parameters.pack_bytes,
            most=packs_at_once(threads),
            purpose=grant.purpose,
            on_stored=lambda stored: self._tally.add(stored=stored),
        )
        self._indexes = IndexWriter(store, keys, self._ids, flush=packs.flush, level=grant.level)
        predecessor = disk.predecessor if grant.deltas else None
        # Who has deltas made would rather wait than store more: of blocks without one, too.
        level = grant.level if predecessor is None else max(grant.level, DELTA_LEVEL)
        self._reading = Reading(
            disk.source,
            predecessor,
            grant.disk_bytes,
            grant.parameters,
            keys,
            packs,
            self._tally,
            threads,
            level,
        )
        self._tools = Tools(level, grant.parameters.block_bytes)
        self._adoption = Adoption(store, keys, grant.slot, grant.run_id, grant.left)
        self._counts = _Counts()

    def writing_ids(self) -> WritingIds:
        """Return what names the objects: ids that nobody can know before (S23)."""
        return WritingIds(self._grant.slot, self._grant.run_id, self._keys.newest)

    def write(self) -> WrittenDisk:
        """Write the disk, and return what may be committed."""
        lines = [line for line in self._lines() if line is not None]
        self._indexes.close()
        return self._put(lines)

    def _lines(self) -> Iterator[LineMade | None]:
        parameters, disk_bytes = self._grant.parameters, self._grant.disk_bytes
        to_read = by_shard(self._extents, parameters.shard_bytes)
        ranges = next(to_read, None)
        for shard in range(-(-disk_bytes // parameters.shard_bytes)):
            mine = Extents()
            if ranges is not None and ranges[0] == shard:
                mine = ranges[1]
                ranges = next(to_read, None)
            yield self._shard(shard, mine)

    def _shard(self, shard: int, extents: Extents) -> LineMade | None:
        base_line, line = _line(self._base, shard), _line(self._newest, shard)
        if not extents and base_line is None:
            return None
        if not extents and self._is_same(base_line, line):
            return None if line is None else LineMade(shard, line.used_blocks, line)
        newest = None
        if line is not None and self._newest is not None:
            newest = self._newest.find_shard(line)
        known = self.known_places(shard, newest)
        content = ShardContent(self._reading, self._tools, shard, known)
        if newest is not None and self._newest is not None:
            content.make_deltas(newest, self._newest.disk_bytes)
        self._fill(content, base_line, newest, extents)
        self._counts.new_blocks += known.new_blocks
        self._counts.delta_blocks += known.delta_blocks
        self._counts.changed_outside += content.changed_outside
        return self._written(known.view(shard, content.at), line, newest)

    def known_places(self, shard: int, newest: ShardView[PackRow] | None) -> KnownPlaces:
        """Return the places that blocks of *shard* may refer to beside the attempt's own (S2)."""
        known = KnownPlaces()
        if newest is not None:
            known.add_newest(newest, self._bad.has_record if self._bad.packs else None)
        self._adoption.add_to(known, self._reading.blocks_of(shard))
        return known

    def _is_same(self, base_line: ShardLine | None, line: ShardLine | None) -> bool:
        """Tell whether the shard may be named as the newest manifest names it."""
        base, newest = self._base, self._newest
        if base is None or newest is None or line is None or base_line is None:
            return False
        return (
            same_sections(base, base_line, newest, line)
            and newest.stays(line)
            and not self._ends_in(line.shard, newest.disk_bytes)
            and newest.names_nothing_bad(line)
        )

    def _ends_in(self, shard: int, newest_bytes: int) -> bool:
        """Tell whether the disk has become shorter, and ends in *shard* now."""
        end = min((shard + 1) * self._grant.parameters.shard_bytes, newest_bytes)
        return self._grant.disk_bytes < end

    def _fill(
        self,
        content: ShardContent,
        base_line: ShardLine | None,
        newest: ShardView[PackRow] | None,
        extents: Extents,
    ) -> None:
        """Have every block read or taken over."""
        if self._base is None or base_line is None:
            content.read(extents)
            return
        is_newest = self._base is self._newest
        base = newest if is_newest else self._base.find_shard(base_line)
        if base is not None:
            content.carry(base, extents, known=is_newest)
            return
        shard_bytes, disk_bytes = self._grant.parameters.shard_bytes, self._grant.disk_bytes
        start = base_line.shard * shard_bytes
        whole = Extent(start, min(shard_bytes, disk_bytes - start))
        self._tally.add(total=whole.length - extents.total_bytes)
        content.read([whole])

    def _written(
        self,
        now: ShardView[Row],
        line: ShardLine | None,
        newest: ShardView[PackRow] | None,
    ) -> LineMade | None:
        """Have the shard's section written, unless it is as the newest manifest has it."""
        used = now.used_blocks
        if used == 0:
            return None
        stored: StoredBase | None = None
        if line is not None and newest is not None and self._newest is not None:
            if self._newest.stays(line) and not differ(now, newest, _places):
                return LineMade(now.shard, used, line)
            stored = self._newest.find_base(line)
        chosen = choose(now, stored, _places, lambda each: sealed_bytes(each, self._grant.level))
        if isinstance(chosen, BaseAlone):
            return LineMade(now.shard, used, line and replace(line, patch=None))
        self._note_adopted(chosen.rows)
        if isinstance(chosen, NewBase):
            self._indexes.add(now.shard, "base", chosen.payload, chosen.rows)
            return LineMade(now.shard, used, None, new_base=True)
        self._indexes.add(now.shard, "patch", chosen.payload, chosen.rows)
        return LineMade(now.shard, used, line, new_patch=True, patches_bytes=chosen.patched_bytes)

    def _note_adopted(self, rows: Sequence[Row]) -> None:
        for row in rows:
            if isinstance(row, PackRow) and row.holder_session.slot == self._grant.slot:
                self._counts.adopted.add(row.holder_session)

    def _put(self, lines: Sequence[LineMade]) -> WrittenDisk:
        """Store the manifest."""
        before = () if self._newest is None else self._newest.manifest.objects
        indexes = self._indexes
        objects, shards = lines_of(lines, before, indexes.placed, indexes.objects)
        statistics = self._statistics(shards.used_blocks)
        while True:
            session = self._ids.current()
            name = manifest_name(self._keys.chain, self._grant.slot, session.session)
            manifest = Manifest(self._said(session, statistics), objects, shards)
            sealed = seal(
                "MANI",
                name,
                encode_manifest(manifest),
                self._keys.source(),
                level=self._grant.level,
            )
            try:
                self._store.put_new(name, sealed)
            except AlreadyStored as taken:
                self._ids.give_up(session, taken)
            else:
                digest = hashlib.sha256(sealed).hexdigest()
                return WrittenDisk(name, digest, statistics, self._counts.changed_outside)

    def _statistics(self, used_blocks: int) -> Statistics:
        blocks = -(-self._grant.disk_bytes // self._grant.parameters.block_bytes)
        return Statistics(
            read_bytes=self._tally.now.done_bytes,
            new_blocks=self._counts.new_blocks,
            reused_blocks=max(0, used_blocks - self._counts.new_blocks),
            delta_blocks=self._counts.delta_blocks,
            zero_blocks=blocks - used_blocks,
        )

    def _said(self, session: SessionRow, statistics: Statistics) -> ManifestSaid:
        grant, parameters = self._grant, self._grant.parameters
        adopted = sorted(each.session for each in self._counts.adopted)
        own = (each.session for each in self._ids.sessions)
        return ManifestSaid(
            chain_id=self._keys.chain,
            generation=grant.generation,
            chain_epoch=grant.chain_epoch,
            slot=grant.slot,
            session=session.session,
            sessions=tuple(dict.fromkeys((*own, *adopted))),
            run_id=grant.run_id,
            kind="full" if grant.base is None else "incremental",
            base_slot=None if grant.base is None else grant.base.of_slot,
            disk_bytes=grant.disk_bytes,
            block_bytes=parameters.block_bytes,
            shard_bytes=parameters.shard_bytes,
            pack_bytes=parameters.pack_bytes,
            snapshot_unique_id=grant.snapshot_unique_id,
            taken_at=grant.taken_at,
            disk=grant.disk,
            vm=grant.vm,
            statistics=statistics,
        )

    def _opened(self, at: ManifestAt) -> ManifestBefore:
        kept = self._grant.indexes_kept
        return ManifestBefore(self._store, self._keys, at, self._bad, kept)

    def _opened_base(self) -> ManifestBefore | None:
        base = self._grant.base
        if base is None or base == self._grant.newest:
            return None if base is None else self._newest
        try:
            return self._opened(base)
        except CorruptRepository as error:
            raise BaseUnreadable(str(error)) from error

    def _whole(self, extents: Iterable[Extent]) -> Extents:
        """Return what is to be read, in whole blocks.

        Where the disk has become longer or shorter that is also the block in which one of both
        ends, since it is of another length.
        """
        disk_bytes, block_bytes = self._grant.disk_bytes, self._grant.parameters.block_bytes
        whole = aligned(extents, block_bytes, disk_bytes)
        if self._base is None or self._base.disk_bytes == disk_bytes:
            return whole
        shorter = min(self._base.disk_bytes, disk_bytes)
        cut = shorter % block_bytes
        if not cut:
            return whole
        last = Extent(shorter - cut, min(block_bytes, disk_bytes - (shorter - cut)))
        made = whole.cut(0, last.offset)
        made.add(last)
        made.append(whole.cut(last.end, disk_bytes - last.end))
        return made


def packs_at_once(threads: int) -> int:
    """Return how many packs are in memory: one that is filled, and one that is stored meanwhile.

    No more, since an attempt that dies loses what is in memory, and the next one stores it again.
    """
    return min(threads, 2)


def _line(before: ManifestBefore | None, shard: int) -> ShardLine | None:
    return None if before is None else before.line_of(shard)


def _places(row: Row) -> Places | None:
    return None if isinstance(row, OwnPack) else row.places
