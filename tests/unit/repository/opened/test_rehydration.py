"""A point whose packs are in the Archive tier: copied in hours, restored from the copies."""

from __future__ import annotations

import pytest

from tests.unit.repository.opened.tiered_bench import Tiered
from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.opened_restore import Archived
from vmbackup_core.repository.primitives.names import commit_name, copy_name
from vmbackup_core.repository.primitives.parsed_names import is_pack, parse_data
from vmbackup_core.stores.archive_tier import Priority


@pytest.fixture
def tiered() -> Tiered:
    return Tiered()


def test_a_point_in_the_tier_is_listed_and_counted_and_not_restored(tiered: Tiered) -> None:
    size_bytes = sum(each.size_bytes for each in tiered.store.list("") if each.name in tiered.packs)

    assert len(tiered.packs) > 1
    found = tiered.restores.look_at_archived(tiered.point, tiered.point.run_id)
    assert found == Archived(len(tiered.packs), size_bytes, 0, 0)
    with pytest.raises(CorruptRepository, match="BlobArchived"):
        tiered.restored(tiered.point)


@pytest.mark.parametrize("priority", ["Standard", "High"])
def test_it_is_restored_from_copies_once_these_can_be_read(
    tiered: Tiered, priority: Priority
) -> None:
    packs = len(tiered.packs)
    tiered.bring_back(priority)

    assert tiered.counted() == (packs, 0, packs)
    with pytest.raises(CorruptRepository, match="BlobBeingRehydrated"):
        tiered.restored(tiered.point)
    tiered.wait(priority)
    assert tiered.counted() == (packs, packs, 0)
    assert tiered.restores.look_at_archived(tiered.point, tiered.point.run_id).is_readable
    assert tiered.restored(tiered.point) == []


def test_nothing_of_it_is_asked_for_twice(tiered: Tiered) -> None:
    tiered.bring_back("High")
    first = list(tiered.tier.asked)

    tiered.bring_back("Standard")

    assert sorted(first) == [(name, "High") for name in tiered.packs]
    assert tiered.tier.asked == first


def test_whoever_was_killed_meanwhile_asks_for_the_rest(tiered: Tiered) -> None:
    begun = tiered.packs[0]
    tiered.tier.bring_back(begun, copy_name(tiered.point.run_id, begun), "High")

    tiered.bring_back("High")

    assert sorted(name for name, _ in tiered.tier.asked) == tiered.packs
    assert len(tiered.copies()) == len(tiered.packs)


def test_what_is_online_is_neither_copied_nor_waited_for(tiered: Tiered) -> None:
    tiered.restores.bring_back(tiered.tier, tiered.other, tiered.other.run_id, "High")

    found = tiered.restores.look_at_archived(tiered.other, tiered.other.run_id)
    assert (found.packs, found.is_readable, tiered.tier.asked) == (0, True, [])
    assert tiered.restored(tiered.other) == []


@pytest.mark.parametrize("are_back", [False, True], ids=["on their way", "back"])
def test_removed_copies_leave_everything_as_it_was(tiered: Tiered, *, are_back: bool) -> None:
    before = [each.name for each in tiered.store.list("")]
    tiered.bring_back()
    if are_back:
        tiered.wait()

    assert tiered.restores.remove_copies(tiered.point.run_id) == len(tiered.packs)

    assert [each.name for each in tiered.store.list("")] == before
    assert tiered.counted() == (len(tiered.packs), 0, 0)
    assert tiered.restores.remove_copies(tiered.point.run_id) == 0


def test_copies_are_no_foreign_names_and_no_longer_than_names_may_be(tiered: Tiered) -> None:
    tiered.bring_back()

    assert all(parse_data(name) is not None and len(name) <= 120 for name in tiered.copies())
    assert not any(is_pack(name) for name in tiered.copies())
    said = tiered.bench.target.opened().check(read_data=False)
    assert [each.what for each in said.findings if each.what == "foreign"] == []


def test_without_its_commit_nothing_says_what_a_point_needs(tiered: Tiered) -> None:
    disk = tiered.point.disks[0]
    tiered.bench.target.places.control.delete(commit_name(disk.chain_id, disk.slot))

    with pytest.raises(CorruptRepository, match="nothing says which packs it needs"):
        tiered.restores.look_at_archived(tiered.point, tiered.point.run_id)


def test_no_more_is_begun_at_a_time_than_is_asked_for(tiered: Tiered) -> None:
    for begun in range(1, len(tiered.packs) + 1):
        tiered.restores.bring_back(tiered.tier, tiered.point, tiered.point.run_id, "High", most=1)
        assert len(tiered.copies()) == begun
