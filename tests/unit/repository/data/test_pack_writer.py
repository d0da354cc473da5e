"""Packs in memory: how many there are, what lies side by side, and what a failure leaves."""

from __future__ import annotations

import itertools
import sys
import threading
import tracemalloc
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, cast

import pytest
from typing_extensions import override

from tests.unit.repository.data.bench import Bench, DataMemory, noise, pack_of, run_of
from tests.unit.repository.data.samples import BLOCK
from vmbackup_core.errors import TransientError
from vmbackup_core.ids import CommitSlot
from vmbackup_core.repository.data.footer import BACKUP, Footer
from vmbackup_core.repository.data.pack_reader import footer_of
from vmbackup_core.repository.data.pack_writer import NewRecord, PackWriter
from vmbackup_core.repository.data.ports import DataTarget
from vmbackup_core.repository.data.records import RecordKind, open_record
from vmbackup_core.repository.data.said import MIB
from vmbackup_core.repository.data.writing_ids import WritingIds
from vmbackup_core.repository.primitives.frames import PLAIN
from vmbackup_core.stores.port import Buffer

RUN = run_of(1)
BENCH = Bench()
KEYS = BENCH.writer_keys(RUN)
UNIT = 16
#: So many records fill a pack and begin another.
OF_A_PACK = MIB // BLOCK


class Nowhere(DataTarget):
    """Counts the bytes of what it is given, and keeps none."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    @override
    def put_new(self, name: str, data: Buffer) -> None:
        assert isinstance(data, bytes), "a client of a store would make a copy of it"
        self.sizes.append(len(data))


class Refusing(DataTarget):
    """Refuses every pack."""

    def __init__(self) -> None:
        self.refused = 0

    @override
    def put_new(self, name: str, data: Buffer) -> None:
        self.refused += 1
        raise TransientError("the store is away")


def writer(store: DataTarget, *, most: int, pack_bytes: int = MIB) -> PackWriter:
    return PackWriter(
        store,
        KEYS,
        WritingIds(CommitSlot(1), RUN, 1),
        pack_bytes=pack_bytes,
        most=most,
        purpose=BACKUP,
        on_stored=lambda _stored: None,
    )


def records(first: int, count: int, length: int = BLOCK) -> list[NewRecord]:
    blocks = [noise(first + each, length) for each in range(count)]
    return [
        NewRecord(first + at, RecordKind(PLAIN, length, KEYS.block_hash(block)), block)
        for at, block in enumerate(blocks)
    ]


@contextmanager
def switching_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def footers(store: DataMemory) -> list[Footer]:
    return [footer_of(KEYS, pack_of(name), store.get(name)) for name in store.names("p")]


def test_records_added_together_lie_side_by_side_whoever_adds_beside() -> None:
    store = DataMemory()
    packs = writer(store, most=3)
    units = [records(first, UNIT) for first in range(0, 60 * UNIT, UNIT)]
    with switching_often(), ThreadPoolExecutor(4) as pool:
        list(pool.map(packs.add, units))
    packs.flush()
    runs = 0
    for footer in footers(store):
        blocks = footer.records.blocks
        runs += 1 + sum(
            after != before + 1 or after % UNIT == 0 for before, after in itertools.pairwise(blocks)
        )
    assert runs <= len(units) + len(footers(store)), "a unit in pieces but where a pack ends"


def test_records_lie_where_add_says() -> None:
    store = DataMemory()
    packs = writer(store, most=2)
    wanted = records(0, OF_A_PACK + 5)
    places = packs.add(wanted)
    packs.flush()
    for at, record in zip(places, wanted, strict=True):
        row = at.pack.row
        assert row is not None
        name = next(each for each in store.names("p") if pack_of(each) == row.holder)
        stored = store.get(name)[at.offset : at.offset + at.length]
        cipher = KEYS.pack_cipher(row.holder, RUN, 1)
        assert open_record(name, cipher, at.number, record.kind, stored) == record.encoded


@pytest.mark.parametrize(("threads", "most"), [(1, 1), (4, 3)])
def test_no_more_packs_are_in_memory_than_said_and_none_of_them_twice(
    threads: int, most: int
) -> None:
    pack_bytes, store = 4 * MIB, Nowhere()
    packs = writer(store, most=most, pack_bytes=pack_bytes)
    unit = records(0, 8, 64 * 1024)
    tracemalloc.start()
    try:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(packs.add, [unit] * 100))
        packs.flush()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(store.sizes) > 8 * pack_bytes
    assert peak < (most + 0.5) * pack_bytes


def test_a_store_that_refuses_packs_leaves_nobody_waiting_for_their_memory() -> None:
    store = Refusing()
    packs = writer(store, most=1)
    units = [records(first, UNIT) for first in range(0, 4 * OF_A_PACK, UNIT)]
    with ThreadPoolExecutor(4) as pool:
        failures = [pool.submit(packs.add, unit).exception() for unit in units]
    assert store.refused == sum(isinstance(each, TransientError) for each in failures) >= 1


def test_a_pack_that_lacks_a_record_is_never_stored() -> None:
    """A later attempt would take it over, and refer to a record of whatever was there before."""
    store = Nowhere()
    packs = writer(store, most=1)
    good: Sequence[NewRecord] = records(0, UNIT)
    bad = NewRecord(UNIT, good[0].kind, cast(Any, "no bytes"))
    packs.add(good)
    with pytest.raises(TypeError):
        packs.add([bad])
    packs.add(records(UNIT, OF_A_PACK - UNIT))
    packs.flush()
    assert len(store.sizes) == 1
    assert store.sizes[0] < MIB // 2, "only what came behind the broken pack"


def test_threads_that_wait_for_memory_go_on_when_a_pack_is_stored() -> None:
    held, store = threading.Event(), DataMemory()

    class Slow(DataTarget):
        @override
        def put_new(self, name: str, data: Buffer) -> None:
            held.wait(60)
            store.put_new(name, data)

    packs = writer(Slow(), most=1)
    with ThreadPoolExecutor(3) as pool:
        units = [records(first, UNIT) for first in range(0, 3 * OF_A_PACK, UNIT)]
        added = [pool.submit(packs.add, unit) for unit in units]
        assert not all(each.done() for each in added)
        held.set()
        for each in added:
            each.result(60)
    packs.flush()
    found = sorted(block for footer in footers(store) for block in footer.records.blocks)
    assert found == list(range(3 * OF_A_PACK))
