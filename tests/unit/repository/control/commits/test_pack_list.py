"""Pack lists merged, cut, stored and refused."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.repository.control.lists_summed import summed
from tests.unit.repository.control.log_bench import LogBench, chain, numbered, run
from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import CommitSlot
from vmbackup_core.repository.control.commits.commits import ListPartRef
from vmbackup_core.repository.control.commits.list_parts import OpenList, put_list
from vmbackup_core.repository.control.commits.pack_list import (
    INDEX,
    PACK,
    ListEntry,
    cut,
    decode_part,
    encode_part,
    merge,
)
from vmbackup_core.repository.data.tables import SessionRow
from vmbackup_core.repository.primitives.identities import WritingSession
from vmbackup_core.repository.primitives.names import prefix_of_slot


def entry(slot: int, number: int, count: int = 1, kind: int = PACK) -> ListEntry:
    """An object whose size and session follow from what it is, as in a repository."""
    session = WritingSession(numbered(slot * 7 % 5))
    return ListEntry(
        kind, SessionRow(CommitSlot(slot), session, run(slot), 1), number, 100 + number, count
    )


OBJECTS = st.tuples(st.integers(1, 6), st.integers(0, 5), st.sampled_from([PACK, INDEX]))
#: For each section of a manifest: the objects that it needs.
SECTIONS = st.lists(st.sets(OBJECTS, max_size=6), max_size=8)


def counted(sections: Sequence[set[tuple[int, int, int]]], sign: int = 1) -> list[ListEntry]:
    return summed(
        entry(slot, number, sign, kind) for rows in sections for slot, number, kind in rows
    )


def together(parts: Sequence[Sequence[ListEntry]]) -> list[ListEntry]:
    return list(itertools.chain.from_iterable(parts))


@given(SECTIONS, SECTIONS, SECTIONS, st.integers(4, 8), st.integers(0, 4))
def test_a_merged_list_is_what_a_recount_gives(
    gone: list[set[tuple[int, int, int]]],
    kept: list[set[tuple[int, int, int]]],
    new: list[set[tuple[int, int, int]]],
    most: int,
    joined: int,
) -> None:
    before = list(cut(merge([], counted(gone + kept)), most=most, joined=joined))
    changes = summed([*counted(gone, -1), *counted(new)])

    after = list(cut(merge(before, changes), most=most, joined=joined))

    assert together(before) == counted(gone + kept)
    assert together(after) == counted(kept + new)
    assert all(0 < len(part) <= most for part in after)
    assert together(after) == sorted(together(after), key=lambda each: each.key)


@given(SECTIONS, SECTIONS)
def test_a_merged_list_counts_as_a_counter_does(
    kept: list[set[tuple[int, int, int]]], new: list[set[tuple[int, int, int]]]
) -> None:
    merged = together(list(cut(merge([counted(kept)], counted(new)))))

    counts = Counter(each for rows in kept + new for each in rows)
    found = {(each.session.slot, each.number, each.kind): each.count for each in merged}
    assert found == dict(counts)


@given(SECTIONS)
def test_a_part_is_read_as_it_was_written(sections: list[set[tuple[int, int, int]]]) -> None:
    entries = counted(sections) or [entry(1, 1)]

    assert decode_part("x/part", encode_part(entries)) == entries


def test_a_part_in_which_nothing_changed_comes_out_as_it_was() -> None:
    parts = [[entry(slot, number) for number in range(20)] for slot in range(1, 6)]

    after = list(cut(merge(parts, [entry(3, 7), entry(9, 0)]), most=50, joined=10))

    assert after[:2] == parts[:2]
    assert after[3] == parts[3]
    assert after[2][7].count == 2
    assert after[4] == [*parts[4], entry(9, 0)]


def test_a_part_that_is_too_long_is_halved_and_short_neighbours_are_joined() -> None:
    parts = [[entry(1, 2 * number) for number in range(8)], [entry(2, 0)], [entry(3, 0)]]

    after = list(cut(merge(parts, [entry(1, 9)]), most=8, joined=4))

    assert [len(part) for part in after] == [4, 5, 2]


def test_a_part_of_which_nothing_is_needed_any_more_goes() -> None:
    parts = [[entry(1, 0)], [entry(2, 0)], [entry(3, 0)]]

    assert list(cut(merge(parts, [entry(2, 0, -1)]), joined=0)) == [parts[0], parts[2]]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(entry(1, 0, -2), id="fewer than none"),
        pytest.param(entry(2, 0, -1), id="not there"),
        pytest.param(replace(entry(1, 0), size_bytes=1), id="another size"),
        pytest.param(
            replace(entry(1, 0), session=replace(entry(1, 0).session, run=run(9))), id="another run"
        ),
    ],
)
def test_a_change_that_does_not_fit_the_list_says_so(change: ListEntry) -> None:
    with pytest.raises(CorruptRepository, match="pack 0 of session"):
        list(merge([[entry(1, 0)]], [change]))


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param([], id="none"),
        pytest.param([entry(1, 1), entry(1, 1)], id="one twice"),
        pytest.param([entry(2, 1), entry(1, 1)], id="out of order"),
        pytest.param([entry(1, 1, kind=INDEX), entry(1, 1)], id="an index object before a pack"),
        pytest.param([entry(1, 1, 0)], id="needed by nothing"),
    ],
)
def test_a_part_that_is_no_list_is_damaged(entries: list[ListEntry]) -> None:
    with pytest.raises(CorruptRepository):
        decode_part("x/part", encode_part(entries))


@pytest.mark.parametrize("cut_at", [0, 7, 8, 47, 48, 64])
def test_a_part_that_is_cut_or_longer_is_damaged(cut_at: int) -> None:
    payload = encode_part([entry(1, 1)])
    assert len(payload) == 65

    with pytest.raises(CorruptRepository):
        decode_part("x/part", payload[:cut_at])
    with pytest.raises(CorruptRepository):
        decode_part("x/part", payload + b"\0")


@pytest.mark.parametrize(
    ("offset", "value"), [(0, 2), (4, 2), (48, 1), (64, 2)], ids=["s", "e", "row", "kind"]
)
def test_a_count_or_row_that_there_cannot_be_is_damaged(offset: int, value: int) -> None:
    payload = bytearray(encode_part([entry(1, 1)]))
    payload[offset] = value

    with pytest.raises(CorruptRepository):
        decode_part("x/part", bytes(payload))


class TestStored:
    def put(
        self, bench: LogBench, refs: tuple[ListPartRef, ...], changes: list[ListEntry], slot: int
    ) -> tuple[ListPartRef, ...]:
        before = OpenList(bench.control(), chain(0), refs)
        return put_list(before, changes, CommitSlot(slot), 1)

    def test_an_unchanged_list_is_named_again(self) -> None:
        bench = LogBench()
        first = self.put(bench, (), [entry(1, 0)], 1)

        assert self.put(bench, first, [], 2) == first
        assert not list(bench.store.list(prefix_of_slot(chain(0), "x", CommitSlot(2))))

    def test_a_changed_list_is_read_as_it_was_put(self) -> None:
        bench = LogBench()
        first = self.put(bench, (), [entry(1, 0), entry(1, 1)], 1)
        second = self.put(bench, first, [entry(1, 0, -1), entry(2, 0)], 2)

        (part,) = OpenList(bench.control(), chain(0), second).parts()

        assert part == [entry(1, 1), entry(2, 0)]

    @pytest.mark.parametrize("what", ["missing", "other bytes", "other count", "order"])
    def test_a_list_that_is_not_what_its_commit_says_is_damaged(self, what: str) -> None:
        bench = LogBench()
        refs = self.put(bench, (), [entry(1, 0), entry(1, 1)], 1)
        (listed,) = bench.store.list("c/")
        if what in ("missing", "other bytes"):
            bench.store.delete(listed.name)
        if what == "other bytes":
            bench.store.put_new(listed.name, b"x" * 200)
        if what == "other count":
            refs = (ListPartRef(refs[0].name, refs[0].sha256, 3),)
        if what == "order":
            refs = refs * 2

        with pytest.raises(CorruptRepository):
            list(OpenList(bench.control(), chain(0), refs).parts())
