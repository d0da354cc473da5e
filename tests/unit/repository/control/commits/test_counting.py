"""A pack list that follows from tables is what a recount of them gives."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from tests.unit.repository.control.lists_summed import summed
from tests.unit.repository.control.log_bench import chain, numbered, run
from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import CommitSlot, SnapshotUniqueId
from vmbackup_core.repository.control.commits.counting import (
    Counted,
    needed_by,
    only_in,
    recount,
    recounting,
)
from vmbackup_core.repository.control.commits.pack_list import (
    INDEX,
    PACK,
    ListEntry,
    cut,
    merge,
)
from vmbackup_core.repository.control.commits.tally import PENDING_MOST, difference
from vmbackup_core.repository.data.manifest import (
    IndexObject,
    Manifest,
    SectionRef,
    ShardLine,
    ShardLines,
)
from vmbackup_core.repository.data.said import ManifestSaid, SaidDisk, SaidVm, Statistics
from vmbackup_core.repository.data.tables import (
    PackRow,
    SectionRows,
    SectionType,
    SessionRow,
    Table,
    decode_table,
    encode_table,
)
from vmbackup_core.repository.primitives.identities import IndexId, WritingSession

MIB = 1024 * 1024
SAID = ManifestSaid(
    chain_id=chain(0),
    generation=0,
    chain_epoch=1,
    slot=CommitSlot(1),
    session=WritingSession(numbered(1)),
    sessions=(WritingSession(numbered(1)),),
    run_id=run(1),
    kind="full",
    base_slot=None,
    disk_bytes=64 * MIB,
    block_bytes=64 * 1024,
    shard_bytes=4 * MIB,
    pack_bytes=MIB,
    snapshot_unique_id=SnapshotUniqueId("s"),
    taken_at=None,
    disk=SaidDisk("d", "u", "n", None),
    vm=SaidVm("v", "w", "r"),
    statistics=Statistics(0, 0, 0, 0, 0),
)


def session(slot: int) -> SessionRow:
    return SessionRow(CommitSlot(slot), WritingSession(numbered(slot)), run(slot), 1)


def own(slot: int, number: int) -> PackRow:
    return PackRow.own(session(slot), number, 1000 * slot + number)


@dataclass(frozen=True)
class Written:
    """Index objects of a chain, each with its sections; the table is what tests look at."""

    sections: tuple[SectionRows, ...]
    slot: int

    @property
    def table(self) -> Table:
        return decode_table("i/x#", encode_table(self.sections))

    @property
    def object(self) -> IndexObject:
        at = IndexId(CommitSlot(self.slot), WritingSession(numbered(self.slot)), 0)
        return IndexObject(at, 5000, 4000, bytes(32))

    def ref(self, row: int, shard: int, kind: SectionType) -> SectionRef:
        (place,) = [
            place
            for place, each in enumerate(self.sections)
            if (each.shard, each.type) == (shard, kind)
        ]
        return SectionRef(row, 10 * place, 10, bytes(32))


@dataclass(frozen=True)
class InMemory:
    written: tuple[Written, ...]

    def table(self, row: int) -> Table:
        return self.written[row].table


def counted(written: tuple[Written, ...], named: dict[tuple[int, SectionType], int]) -> Counted:
    """Return the manifest that names each section in the index object of that row."""
    lines = []
    for shard in sorted({shard for shard, _ in named}):
        patch = named.get((shard, "patch"))
        base = written[named[shard, "base"]].ref(named[shard, "base"], shard, "base")
        lines.append(
            ShardLine(shard, base, 1)
            if patch is None
            else ShardLine(shard, base, 1, written[patch].ref(patch, shard, "patch"), 10)
        )
    objects = tuple(each.object for each in written)
    return Counted(Manifest(SAID, objects, ShardLines.of(lines)), InMemory(written))


ROWS = st.sets(st.builds(own, st.integers(1, 4), st.integers(0, 3)), max_size=4).map(tuple)
SHARDS = range(3)


@st.composite
def chains(draw: st.DrawFn) -> tuple[Counted, Counted]:
    """Two manifests over the same three index objects, each of which has every section."""
    written = tuple(
        Written(
            tuple(
                SectionRows(shard, kind, draw(ROWS))
                for shard in SHARDS
                for kind in ("base", "patch")
            ),
            slot,
        )
        for slot in (1, 2, 3)
    )

    def named() -> dict[tuple[int, SectionType], int]:
        chosen: dict[tuple[int, SectionType], int] = {}
        for shard in draw(st.sets(st.sampled_from(SHARDS))):
            chosen[shard, "base"] = draw(st.integers(0, 2))
            if draw(st.booleans()):
                chosen[shard, "patch"] = draw(st.integers(0, 2))
        return chosen

    return counted(written, named()), counted(written, named())


def change(before: Counted, after: Counted) -> list[ListEntry]:
    """Return what comes and goes from one manifest to the other."""

    def needs(counted: Counted, other: Counted) -> list[ListEntry]:
        needed = needed_by(counted.tables, only_in(counted.manifest, other.manifest))
        return summed(entry for each in needed for entry in each.entries())

    return list(difference(needs(after, before), needs(before, after)))


@given(chains())
def test_a_list_and_its_change_are_what_a_recount_gives(pair: tuple[Counted, Counted]) -> None:
    before, after = pair

    parts = list(cut(merge([list(recount(before).entries())], change(before, after))))

    assert [entry for part in parts for entry in part] == list(recount(after).entries())


@given(chains())
def test_the_same_manifest_changes_nothing(pair: tuple[Counted, Counted]) -> None:
    assert list(change(pair[0], pair[0])) == []


def test_each_section_that_needs_a_pack_counts_once() -> None:
    moved = PackRow(session(2), 0, 2000, session(1), 1)
    written = Written(
        (
            SectionRows(0, "base", (own(1, 0), own(2, 0), moved)),
            SectionRows(0, "patch", (own(1, 0),)),
        ),
        2,
    )

    found = [*recount(counted((written,), {(0, "base"): 0, (0, "patch"): 0})).entries()]

    index = SessionRow(CommitSlot(2), WritingSession(numbered(2)), run(0), 0)
    assert [(entry.kind, entry.number, entry.count) for entry in found] == [
        (PACK, 0, 2),
        (PACK, 0, 1),
        (INDEX, 0, 2),
    ]
    assert found[:2] == [
        ListEntry(PACK, session(1), 0, 1000, 2),
        ListEntry(PACK, session(2), 0, 2000, 1),
    ]
    assert found[2].session.session == index.session
    assert (found[2].session.run, found[2].session.epoch) == ("0" * 32, 0)


def test_tables_without_a_section_that_comes_or_goes_are_not_opened() -> None:
    written = tuple(
        Written((SectionRows(0, "base", (own(1, slot),)), SectionRows(0, "patch", ())), slot)
        for slot in (1, 2)
    )

    class OnlyTheSecond(InMemory):
        @override
        def table(self, row: int) -> Table:
            assert row == 1
            return super().table(row)

    before = counted(written, {(0, "base"): 0})
    after = counted(written, {(0, "base"): 0, (0, "patch"): 1})

    found = [*change(before, Counted(after.manifest, OnlyTheSecond(written)))]

    assert [(entry.kind, entry.count) for entry in found] == [(INDEX, 1)]


def test_a_table_without_the_section_is_damaged() -> None:
    written = Written((SectionRows(0, "base", ()),), 1)
    other = Written((SectionRows(1, "base", ()),), 1)
    manifest = counted((written,), {(0, "base"): 0}).manifest

    with pytest.raises(CorruptRepository, match="no base of shard 0"):
        recount(Counted(manifest, InMemory((other,))))


@dataclass
class Read:
    """Tables that each have their own packs; tells how many packs were taken from them."""

    inner: InMemory
    packs: int = 0

    def table(self, row: int) -> Table:
        table = self.inner.table(row)
        self.packs += sum(len(each.rows) for each in table.sections())
        return table


@pytest.mark.at_length
def test_between_two_steps_of_a_recount_no_more_is_done_than_one_table_has() -> None:
    """A list of many packs is counted in many short steps, whatever its length."""
    many, shards = 1_000, 40
    written = tuple(
        Written((SectionRows(shard, "base", tuple(own(slot, n) for n in range(many))),), slot)
        for shard, slot in enumerate(range(1, shards + 1))
    )
    whole = counted(written, {(shard, "base"): shard for shard in range(shards)})
    assert isinstance(whole.tables, InMemory)
    read = Read(whole.tables)
    steps = recounting(Counted(whole.manifest, read))

    seen = [0]
    try:
        while True:
            next(steps)
            seen.append(read.packs)
    except StopIteration as end:
        found = list(end.value.entries())

    assert many * shards > PENDING_MOST
    assert max(after - before for before, after in pairwise(seen)) == many
    assert sum(each.kind == PACK for each in found) == many * shards
    # Beside a step for each table there is one for each part of what is united from what was read.
    assert len(seen) - shards > len(found) // 2048
