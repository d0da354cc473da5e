"""What prune keeps of a chain's objects, and which of them it finds needed."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import pytest

from tests.unit.repository.control.log_bench import numbered
from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import CommitSlot
from vmbackup_core.repository.control.commits.pack_list import INDEX, PACK, Key
from vmbackup_core.repository.control.commits.prune_listing import Listed, Listing
from vmbackup_core.repository.primitives.identities import IndexId, PackId, WritingSession

SESSIONS = [(CommitSlot(slot), WritingSession(numbered(of))) for slot in (1, 2) for of in (7, 9)]


def listed(*numbers: int) -> Listing:
    """Return a listing of packs and index objects of these numbers, of four sessions."""
    packs, indexes = Listed(PACK), Listed(INDEX)
    for slot, session in SESSIONS:
        for number in numbers:
            packs.append(PackId(slot, session, number), 4)
            indexes.append(IndexId(slot, session, number), 5)
    return Listing(packs, indexes, (), ())


def test_only_what_is_marked_is_needed() -> None:
    numbers = (0, 1, 4, 5)
    keys = [(slot, session, number) for slot, session in SESSIONS for number in numbers]
    for kind, other in ((PACK, INDEX), (INDEX, PACK)):
        for needed in keys:
            listing = listed(*numbers)
            of = {PACK: listing.packs, INDEX: listing.indexes}

            assert listing.mark([(kind, *needed)]) == 1

            assert [key[1:] for key, _ in of[kind].unneeded()] == [
                key for key in keys if key != needed
            ]
            assert len(list(of[other].unneeded())) == len(keys)


@pytest.mark.parametrize(
    ("slot", "of", "number"), [(1, 7, 2), (1, 7, 6), (1, 8, 0), (3, 7, 0), (1, 6, 0)]
)
def test_what_is_needed_and_not_listed_marks_nothing(slot: int, of: int, number: int) -> None:
    listing = listed(0, 1, 4, 5)

    listing.mark([(PACK, CommitSlot(slot), WritingSession(numbered(of)), number)])

    assert len(list(listing.packs.unneeded())) == 16


@pytest.mark.parametrize(
    ("slot", "of", "number"), [(2, 7, 5), (2, 7, 4), (2, 6, 9), (1, 9, 9)], ids=str
)
def test_a_listing_that_is_out_of_order_is_refused(slot: int, of: int, number: int) -> None:
    """Of one object that came twice the second would not be marked, and go as garbage."""
    packs = Listed(PACK)
    packs.append(PackId(CommitSlot(2), WritingSession(numbered(7)), 5), 4)

    with pytest.raises(CorruptRepository, match="out of order"):
        packs.append(PackId(CommitSlot(slot), WritingSession(numbered(of)), number), 4)


def needed(most: int) -> Iterator[Key]:
    for slot, session in SESSIONS:
        for number in range(0, most, 2):
            yield PACK, slot, session, number


@pytest.mark.at_length
def test_what_is_listed_and_needed_of_many_packs_takes_little_memory() -> None:
    most = 20_000
    tracemalloc.start()

    listing = listed(*range(most))
    for _ in range(3):
        listing.mark(needed(most))
    now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    objects = 2 * len(SESSIONS) * most
    assert now < objects * 13 * 9 // 8 + 20_000
    assert peak < objects * 13 * 3 // 2 + 20_000  # a column that grows is copied
    assert sum(1 for _ in listing.packs.unneeded()) == len(SESSIONS) * most // 2
