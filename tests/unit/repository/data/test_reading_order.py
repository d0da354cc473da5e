"""A restore asks for little more than it needs, in few requests, however many points there are."""

from __future__ import annotations

import random
from array import array
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from typing_extensions import override

from tests.unit.repository.data.bench import (
    Bench,
    DataMemory,
    Written,
    changes,
    noise,
)
from tests.unit.repository.data.samples import BLOCK, SEEDS, SHARD, random_view, seeded, session_row
from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.data.pack_reader import GAP_BYTES
from vmbackup_core.repository.data.reading_order import READ_BYTES, Read, marked, reads_of
from vmbackup_core.repository.data.restore_windows import Most, Window, windows_of
from vmbackup_core.repository.data.shard_view import ZERO
from vmbackup_core.repository.data.tables import PackRow
from vmbackup_core.repository.primitives.frames import DELTA
from vmbackup_core.repository.primitives.identities import PackId

MIB = 1024**2
PACK = 32 * MIB


def pack(number: int) -> PackId:
    return PackRow.own(session_row(5), number, PACK).holder


class Records:
    """Records drawn in packs of 32 MiB; each has its place in *lengths* as its mark."""

    def __init__(self, draw: random.Random) -> None:
        self.lengths: list[int] = []
        self.offsets: list[int] = []
        self.places: dict[PackId, array[int]] = {}
        for number in range(draw.randrange(1, 6)):
            offset, keys = 64, array("Q")
            live = draw.choice((0.02, 0.2, 1.0))
            while offset < PACK - 300_000:
                length = draw.randrange(17, 300_000)
                if draw.random() < live or not keys:
                    keys.append(marked(offset, len(self.lengths)))
                    self.lengths.append(length)
                    self.offsets.append(offset)
                offset += length
            self.places[pack(number)] = keys

    def reads(self, requests: int) -> list[Read]:
        return [*reads_of(self.places, self.lengths.__getitem__, requests)]


@given(SEEDS)
def test_every_record_lies_in_one_request_and_packs_take_two_at_most(draw: random.Random) -> None:
    records = Records(draw)
    reads = records.reads(2 * len(records.places))
    found = Counter(mark for read in reads for mark in read.marks)
    assert found == Counter(range(len(records.lengths)))
    for read in reads:
        assert read.length <= READ_BYTES
        for mark in read.marks:
            assert read.offset <= records.offsets[mark]
            assert records.offsets[mark] + records.lengths[mark] <= read.offset + read.length
    assert len(reads) <= 2 * len(records.places)


@given(SEEDS)
def test_with_requests_to_spare_no_large_gap_is_read_over(draw: random.Random) -> None:
    records = Records(draw)
    for read in records.reads(10**6):
        end = read.offset
        for mark in read.marks:
            assert records.offsets[mark] - end < GAP_BYTES
            end = records.offsets[mark] + records.lengths[mark]


def test_what_is_spent_otherwise_is_made_up_for_by_packs_read_at_once() -> None:
    """Few of them, and far from each other: each takes as much memory as two pieces."""
    places = {pack(number): full_pack(number) for number in range(24)}
    reads = [*reads_of(places, lambda _: MIB, 2 * 24, 5)]
    at_once = [read.pack.number for read in reads if read.length > READ_BYTES]
    assert len(reads) + 5 <= 2 * 24
    assert at_once == sorted(at_once)
    assert len(at_once) <= 24 // 4
    assert min(after - before for before, after in pairwise(at_once)) >= 4
    assert sum(len(read.marks) for read in reads) == 24 * 31


def full_pack(number: int) -> array[int]:
    return array("Q", [marked(64 + at * MIB, 31 * number + at) for at in range(31)])


def test_the_largest_gaps_are_the_ones_that_are_not_read() -> None:
    offsets = [64, MIB, 5 * MIB, 7 * MIB]
    places = {pack(1): array("Q", [marked(at, place) for place, at in enumerate(offsets)])}
    reads = [*reads_of(places, lambda _: 1000, 2)]
    assert [(read.offset, [*read.marks]) for read in reads] == [(64, [0, 1]), (5 * MIB, [2, 3])]


@given(SEEDS)
def test_windows_hold_each_block_once_and_no_more_than_they_may(draw: random.Random) -> None:
    views = [random_view(draw, 5, shard=shard) for shard in range(draw.randrange(1, 9))]
    most = Most(draw.randrange(1, 200), draw.randrange(1, 5), draw.randrange(1, 40_000))
    windows = [*windows_of(views, most)]
    blocks = [block for window in windows for block in blocks_of(window)]
    used = [
        (view.shard, block)
        for view in views
        for block, entry in enumerate(view.at)
        if entry != ZERO
    ]
    assert sorted(blocks) == sorted(used)
    for window in windows:
        assert window.blocks <= most.blocks + 64
        assert len(window.views) <= most.shards
        assert window.delta_bytes <= most.delta_bytes + BLOCK + 17


def blocks_of(window: Window) -> list[tuple[int, int]]:
    """Return the blocks that a window restores; a delta is one when its base is read."""
    first, then = window.reads()
    marks = [mark for read in first for mark in read.marks if not window.is_delta(mark)]
    marks += [mark for read in then for mark in read.marks]
    deltas = [mark for read in first for mark in read.marks if window.is_delta(mark)]
    assert sorted(deltas) == sorted(mark for mark in marks if window.is_delta(mark))
    found = [window.block_of(mark) for mark in marks]
    assert all(
        view.entries.codecs[view.at[block]] == DELTA or window.wanted(mark, BLOCK).base is None
        for mark, (view, block) in zip(marks, found, strict=True)
    )
    return [(view.shard, block) for view, block in found]


def aged(bench: Bench, points: int, *, deltas: bool) -> list[Written]:
    """Return the first and the last of many points; each changes some blocks all over the disk."""
    draw = seeded(7)
    content = bytearray(noise(1, 8 * SHARD))
    states = [bench.write(bench.grant(1, len(content)), bytes(content))]
    for slot in range(2, points + 1):
        before = bytes(content)
        for _ in range(40):
            at = draw.randrange(len(content) // BLOCK) * BLOCK
            content[at : at + 500] = draw.randbytes(500)
        grant = bench.grant(slot, len(content), newest=states[-1], base=states[-1], deltas=deltas)
        extents = changes(before, bytes(content))
        states.append(bench.write(grant, bytes(content), extents, predecessor=before))
    return [states[0], states[-1]]


@pytest.mark.parametrize("deltas", [False, True], ids=["whole blocks", "deltas"])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.at_length
def test_requests_of_a_restore_are_twice_its_packs_at_most(*, deltas: bool, threads: int) -> None:
    bench = Bench()
    for each in aged(bench, 60, deltas=deltas):
        bench.threads = threads
        bench.store.ranges.clear()
        assert bench.restore(each)[0] == each.content
        asked = Counter(name for name in bench.store.ranges if "/p/" in name)
        assert asked.total() <= 2 * len(asked)
        # Where a pack's deltas are not read before its bases, indexes are within that, too.
        assert deltas or len(bench.store.ranges) + 1 <= 2 * len(asked)


def test_a_base_that_cannot_be_read_is_looked_for_by_itself() -> None:
    """A piece of a pack that does not come hides no record beside the one that is lost."""
    bench = Bench()
    states = aged(bench, 3, deltas=True)
    lost = bench.store.names("p", 1)[0]

    class Failing(DataMemory):
        @override
        def get_range(self, name: str, offset: int, length: int) -> bytes:
            if name == lost and length > 2 * BLOCK:
                raise CorruptRepository(f"{name}: cannot be read")
            return super().get_range(name, offset, length)

    failing = Failing()
    for stored in bench.store.list(""):
        failing.put_new(stored.name, bench.store.get(stored.name))
    bench.store = failing
    for each in states:
        assert bench.restore(each)[0] == each.content
