"""Each lie that a worker could tell of the packs that its sections need, and that it is refused."""

from __future__ import annotations

import itertools
import struct
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from typing_extensions import override

from tests.unit.repository.control.backup.hostile_worker import (
    BLOCKS,
    TWO_EPOCHS,
    HostileWorker,
    other_session,
    refused,
    second_attempt,
)
from tests.unit.repository.control.commit_bench import CHAIN
from tests.unit.repository.control.log_bench import numbered, run
from vmbackup_core.ids import CommitSlot
from vmbackup_core.repository.control.backup.attempt_listing import TooManyListed, list_attempt
from vmbackup_core.repository.control.backup.committing import Offer
from vmbackup_core.repository.control.commits.pack_list import INDEX, PACK
from vmbackup_core.repository.data.said import MIB
from vmbackup_core.repository.data.tables import PackRow, SectionRows, SessionRow
from vmbackup_core.repository.primitives.identities import IndexId, PackId, WritingSession
from vmbackup_core.repository.primitives.names import index_name, pack_name
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import StoredObject

Row = Callable[[PackRow], PackRow]


def own_row(worker: HostileWorker, change: Row) -> Offer:
    """Put the new table with its row of an own pack changed."""
    return worker.puts_table(
        lambda sections: [
            replace(each, rows=[change(row) if is_own(row) else row for row in each.rows])
            for each in sections
        ]
    )


def old_row(worker: HostileWorker, change: Row) -> Offer:
    """Put the new table with a row of the newest commit's pack changed."""
    return worker.puts_table(
        lambda sections: [
            replace(each, rows=[*each.rows, change(pack_before(worker))]) for each in sections
        ]
    )


def is_own(row: PackRow) -> bool:
    return row.holder_session.slot == CommitSlot(2)


def pack_before(worker: HostileWorker) -> PackRow:
    """Return the row of a pack that the newest commit needs."""
    (entry, *_) = worker.bench.entries(1)
    return PackRow.own(entry.session, entry.number, entry.size_bytes)


def of(session: SessionRow, row: PackRow) -> PackRow:
    return PackRow.own(session, row.holder_number, row.size_bytes)


OWN: dict[str, Row] = {
    "a size that is not listed": lambda row: PackRow.own(
        row.holder_session, row.holder_number, row.size_bytes + 1
    ),
    "a number that is not listed": lambda row: PackRow.own(row.holder_session, 7, row.size_bytes),
    "a session that the manifest does not name": lambda row: of(
        replace(row.holder_session, session=other_session()), row
    ),
    "another run": lambda row: of(replace(row.holder_session, run=run(1)), row),
    "an epoch that there is not": lambda row: of(replace(row.holder_session, epoch=9), row),
    "a slot to come": lambda row: of(replace(row.holder_session, slot=CommitSlot(3)), row),
    "another origin": lambda row: replace(row, origin_number=row.origin_number + 1),
    "an origin of another run": lambda row: replace(
        row, origin_session=replace(row.origin_session, run=run(1))
    ),
}


@pytest.mark.parametrize("lie", OWN)
def test_an_own_pack_that_is_not_listed_as_the_row_says(lie: str) -> None:
    bench, worker = second_attempt()

    why = refused(bench, worker, own_row(worker, OWN[lie]))

    assert why.reason == "UnknownObject"


OLD: dict[str, Row] = {
    "another size": lambda row: PackRow.own(
        row.holder_session, row.holder_number, row.size_bytes - 1
    ),
    "another number": lambda row: PackRow.own(row.holder_session, 99, row.size_bytes),
    "another run": lambda row: of(replace(row.holder_session, run=run(8)), row),
    "another epoch": lambda row: of(replace(row.holder_session, epoch=2), row),
    "another session": lambda row: of(replace(row.holder_session, session=other_session()), row),
    "an origin of this slot": lambda row: replace(
        row, origin_session=replace(row.origin_session, slot=CommitSlot(2))
    ),
}


@pytest.mark.parametrize("lie", OLD)
def test_a_pack_of_an_earlier_slot_that_the_newest_commit_does_not_need_so(lie: str) -> None:
    bench, worker = second_attempt()

    why = refused(bench, worker, old_row(worker, OLD[lie]))

    assert why.reason == "UnknownObject"


def test_more_packs_than_the_newest_commit_and_the_listing_have_are_not_counted() -> None:
    bench, worker = second_attempt()
    rows = [PackRow.own(pack_before(worker).holder_session, each, 5) for each in range(60)]

    why = refused(bench, worker, worker.puts_table(lambda own: [replace(own[0], rows=rows)]))

    assert why.reason == "UnknownObject"
    assert "packs and index objects are named" in str(why)


def test_a_pack_of_the_newest_commit_may_be_needed() -> None:
    bench, worker = second_attempt()
    offer = old_row(worker, lambda row: row)

    bench.commit(worker.asked, offer)

    assert bench.entries(2) == bench.recounted(2)


def test_a_pack_that_is_there_and_that_the_newest_commit_does_not_need() -> None:
    bench, worker = second_attempt()
    before = pack_before(worker)
    garbage = PackId(before.holder.slot, other_session(), 0)
    worker.data.put_new(pack_name(CHAIN, garbage), bytes(before.size_bytes))
    session = replace(before.holder_session, session=garbage.session)

    why = refused(bench, worker, old_row(worker, lambda row: of(session, row)))

    assert "is not in the newest commit's list" in str(why)


def test_one_session_in_two_epochs() -> None:
    bench, worker = second_attempt()
    bench.ring = TWO_EPOCHS

    def lie(sections: list[SectionRows]) -> list[SectionRows]:
        (row,) = (row for row in sections[0].rows if is_own(row))
        other = of(replace(row.holder_session, epoch=2), row)
        return [replace(sections[0], rows=[*sections[0].rows, other])]

    assert refused(bench, worker, worker.puts_table(lie)).reason == "UnknownObject"


def test_a_table_without_a_section_that_the_manifest_names() -> None:
    bench, worker = second_attempt()

    why = refused(
        bench, worker, worker.puts_table(lambda own: [replace(own[0], shard=own[0].shard + 1)])
    )

    assert why.reason == "DamagedTable"
    assert "has no patch of shard 0" in str(why)


def test_a_table_with_a_section_that_the_manifest_does_not_name() -> None:
    bench, worker = second_attempt()

    why = refused(bench, worker, worker.puts_table(lambda own: [*own, SectionRows(9, "base", ())]))

    assert "has 2 sections, of which the manifest names 1" in str(why)


def test_a_table_with_more_rows_than_its_shard_has_blocks() -> None:
    bench, worker = second_attempt()
    most = 2 * (BLOCKS // 2)

    why = refused(
        bench,
        worker,
        worker.puts_table(
            lambda own: [
                replace(
                    own[0],
                    rows=[PackRow.own(session_of(own), each, 9) for each in range(most + 1)],
                )
            ]
        ),
    )

    assert f"{most + 1} rows" in str(why)


def test_a_table_with_more_sessions_than_anybody_has_had() -> None:
    bench, worker = second_attempt()
    payload = struct.pack("<III", 1, 1100, 0) + bytes(40 * 1100 + 9)

    why = refused(bench, worker, worker.puts_payload(payload, worker.manifest().objects[-1]))

    assert "sessions" in str(why) or "says that it holds" in str(why)


def test_a_table_that_unpacks_to_more_than_its_sections_can_need_takes_no_memory() -> None:
    bench, worker = second_attempt()
    payload = struct.pack("<III", 3_700_000, 0, 0) + bytes(9 * 3_700_000)
    offer = worker.puts_payload(payload, worker.manifest().objects[-1])
    del payload

    tracemalloc.start()
    why = refused(bench, worker, offer)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert why.reason == "DamagedTable"
    assert "says that it holds" in str(why)
    assert most < 4 * MIB


def test_thousands_of_index_objects_are_refused_before_a_table_is_read() -> None:
    bench, worker = second_attempt()
    old, own = worker.manifest().objects
    many = [replace(own, index=replace(own.index, number=each)) for each in range(1, 4000)]
    for each in many:
        worker.data.put_new(index_name(CHAIN, each.index), bytes(each.size_bytes))
    offer = worker.names(worker.lines(), old, own, *many)
    reads = CountedReads(worker.data)
    bench.places = Places(reads, bench.places.control)

    why = refused(bench, worker, offer)

    assert "has no section that is named" in str(why)
    assert len(str(why)) < 1000
    assert reads.ranges == 0


@pytest.mark.at_length
def test_a_listing_is_read_no_further_than_an_attempt_can_have_stored() -> None:
    store = EndlessStore()

    tracemalloc.start()
    with pytest.raises(TooManyListed, match="more than 20000 objects"):
        list_attempt(store, CHAIN, CommitSlot(2), [WritingSession(numbered(1))], 20_000)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert store.listed == 20_001
    assert most < 2 * MIB


def test_sessions_that_stored_too_much_are_refused() -> None:
    bench, worker = second_attempt()
    bench.places = Places(EndlessStore(worker.data), bench.places.control)

    why = refused(bench, worker, worker.offer)

    assert why.reason == "UnknownObject"
    assert "have stored more than" in str(why)


def test_a_listing_knows_number_and_size_of_each_object_of_its_sessions_and_no_other() -> None:
    store = MemoryStore()
    mine, other = WritingSession(numbered(1)), WritingSession(numbered(2))
    for slot, session, number in ((2, mine, 0), (2, mine, 4097), (2, other, 1), (1, mine, 2)):
        store.put_new(pack_name(CHAIN, PackId(CommitSlot(slot), session, number)), bytes(10))
    store.put_new(index_name(CHAIN, IndexId(CommitSlot(2), mine, 0)), bytes(5))
    store.put_new(f"c/{CHAIN}/p/00000/002/{mine}-foreign", bytes(100))

    listing = list_attempt(store, CHAIN, CommitSlot(2), [mine], 4)

    assert listing.size_of(PACK, mine, 4097) == 10
    assert listing.size_of(INDEX, mine, 0) == 5
    assert [listing.size_of(PACK, mine, each) for each in (1, 2, 4096, 2**32)] == [None] * 4
    assert listing.size_of(PACK, other, 1) is None
    assert listing.total_bytes == 25


class EndlessStore(MemoryStore):
    """Lists packs of whatever session is asked for, and never ends."""

    def __init__(self, inner: MemoryStore | None = None) -> None:
        super().__init__()
        if inner is not None:
            self.__dict__.update(inner.__dict__)
        self.listed = 0

    @override
    def list(self, prefix: str, *, limit: int | None = None) -> Iterator[StoredObject]:
        if "/p/" not in prefix or not prefix.endswith("-"):
            yield from super().list(prefix, limit=limit)
            return
        for number in itertools.count():
            self.listed += 1
            yield StoredObject(f"{prefix}{number >> 12:05x}/{number & 0xFFF:03x}", 100)


class CountedReads(MemoryStore):
    """Counts what is read by range: tables."""

    def __init__(self, inner: MemoryStore) -> None:
        self.__dict__.update(inner.__dict__)
        self.ranges = 0

    @override
    def get_range(self, name: str, offset: int, length: int) -> bytes:
        self.ranges += 1
        return super().get_range(name, offset, length)


def session_of(sections: list[SectionRows]) -> SessionRow:
    return next(row.holder_session for row in sections[0].rows if is_own(row))
