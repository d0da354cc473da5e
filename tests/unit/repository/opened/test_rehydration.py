"""A point whose packs are in the Archive tier: copied in hours, restored from the copies."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from typing_extensions import override

from tests.unit.repository.data.bench import Target, silent
from tests.unit.repository.opened.tiered_bench import DISKS, Tiered
from tests.worlds.memory_archive_tier import ArchivedStore, MemoryArchiveTier
from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.control.restore.lone_manifests import open_lone, restore_lone
from vmbackup_core.repository.control.restore.rehydrating import remove_copies
from vmbackup_core.repository.control.retention.prune_plan import PrunePlan
from vmbackup_core.repository.opened_restore import Archived
from vmbackup_core.repository.primitives.names import commit_name, copy_name, prefix_of_copies
from vmbackup_core.repository.primitives.parsed_names import is_pack, parse_data
from vmbackup_core.repository.primitives.reading import Places
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
    size_bytes = sum(each.size_bytes for each in tiered.store.list("a/"))
    assert (said.copies, said.copied_bytes) == (len(tiered.packs), size_bytes)


def lose_a_commit(tiered: Tiered) -> None:
    disk = tiered.point.disks[0]
    tiered.bench.target.places.control.delete(commit_name(disk.chain_id, disk.slot))


def replace_a_commit(tiered: Tiered) -> None:
    """Have another disk's commit lie there: it opens nowhere but under its own name."""
    control, (one, other) = tiered.bench.target.places.control, tiered.point.disks
    lose_a_commit(tiered)
    stored = control.get(commit_name(other.chain_id, other.slot))
    control.put_new(commit_name(one.chain_id, one.slot), stored)


def lose_lists(tiered: Tiered) -> None:
    control = tiered.bench.target.places.control
    parts = [each.name for each in control.list("c/") if "/x/" in each.name]
    assert len(parts) > 1
    for name in parts:
        control.delete(name)


@pytest.mark.parametrize("lose", [lose_a_commit, replace_a_commit, lose_lists])
def test_without_commit_or_list_the_tables_say_what_a_point_needs(
    tiered: Tiered, lose: Callable[[Tiered], None]
) -> None:
    lose(tiered)

    tiered.bring_back("High")
    tiered.wait("High")

    assert tiered.counted() == (len(tiered.packs), len(tiered.packs), 0)
    assert tiered.restored(tiered.point) == []


def test_without_its_manifest_nothing_says_what_a_point_needs(tiered: Tiered) -> None:
    lose_a_commit(tiered)
    tiered.store.delete(tiered.point.disks[0].manifest_name)

    with pytest.raises(CorruptRepository):
        tiered.restores.look_at_archived(tiered.point, tiered.point.run_id)


def test_what_lies_under_a_copys_name_and_is_none_gives_way_to_the_copy(tiered: Tiered) -> None:
    """A worker that may create objects knows the run of what it wrote itself."""
    planted = copy_name(tiered.point.run_id, tiered.packs[0])
    tiered.store.put_new(planted, b"not the pack")

    assert tiered.counted() == (len(tiered.packs), 0, 0)
    tiered.bring_back("High")
    tiered.wait("High")

    assert tiered.counted() == (len(tiered.packs), len(tiered.packs), 0)
    assert tiered.restored(tiered.point) == []


def test_prune_deletes_no_copies(tiered: Tiered) -> None:
    """P, Y."""
    tiered.bring_back("High")
    copies = tiered.copies()

    upkeep = tiered.bench.target.opened().upkeep
    for plan in upkeep.plan_prune():
        assert isinstance(plan, PrunePlan)
        upkeep.prune(plan, lambda: None)

    assert tiered.copies() == copies


class CopiesGo(ArchivedStore):
    """The same store, whose copies somebody removes after so many reads of them."""

    def __init__(self, tiered: Tiered, reads: int) -> None:
        self.__dict__.update(tiered.store.__dict__)
        self._tiered, self._reads = tiered, reads

    @override
    def get(self, name: str, *, most: int | None = None) -> bytes:
        if name.startswith(prefix_of_copies(self._tiered.point.run_id)):
            if self._reads == 0:
                remove_copies(self._tiered.store, self._tiered.point.run_id)
            self._reads -= 1
        return super().get(name, most=most)


@pytest.mark.parametrize("reads", [0, 1])
def test_copies_that_go_while_they_are_read_make_no_wrong_byte(tiered: Tiered, reads: int) -> None:
    """T, Y."""
    tiered.bring_back("High")
    tiered.wait("High")
    control = tiered.bench.target.places.control
    tiered.bench.target.places = Places(CopiesGo(tiered, reads), control)

    with pytest.raises(CorruptRepository, match="BlobArchived"):
        tiered.restored(tiered.point)


@pytest.mark.parametrize("after", [0, 1, 2])
def test_copies_that_another_removes_meanwhile_are_made_again(tiered: Tiered, after: int) -> None:
    """Y, Y: both by hand, of one point."""

    class Removes(MemoryArchiveTier):
        @override
        def bring_back(self, name: str, copy: str, priority: Priority) -> None:
            if len(self.asked) == after:
                tiered.restores.remove_copies(tiered.point.run_id)
            super().bring_back(name, copy, priority)

    other = Removes(tiered.store)
    for tier in (tiered.tier, other, tiered.tier):
        tiered.restores.bring_back(tier, tiered.point, tiered.point.run_id, "High")
    tiered.wait("High")

    assert tiered.counted() == (len(tiered.packs), len(tiered.packs), 0)
    assert tiered.restored(tiered.point) == []


def test_a_manifest_without_its_point_is_restored_from_the_copies_too(tiered: Tiered) -> None:
    tiered.bring_back("High")
    tiered.wait("High")
    disk = tiered.point.disks[0]
    work = tiered.bench.target.opened().work
    sink = Target(disk.size_bytes)

    manifest = open_lone(work.keys.ring, tiered.store, disk.manifest_name)
    holes = restore_lone(
        work.keys.ring, tiered.store, manifest, sink, threads=1, progress=silent, on_hole=None
    )

    assert (holes.extents, bytes(sink.content)) == ([], DISKS[disk.name])


def test_no_more_is_begun_at_a_time_than_is_asked_for(tiered: Tiered) -> None:
    packs = len(tiered.packs)
    for begun in range(1, packs + 1):
        found = tiered.bring_back("High", most=1)

        assert len(tiered.copies()) == begun
        assert (found.packs, found.under_way, found.missing) == (packs, begun, packs - begun)


@pytest.mark.parametrize("most", [0, 1, 100])
def test_a_turn_lists_packs_and_copies_once_however_many_it_begins(
    tiered: Tiered, most: int
) -> None:
    restores = tiered.restores
    tiered.store.listed.clear()

    restores.bring_back(tiered.tier, tiered.point, tiered.point.run_id, "High", most)

    copies = prefix_of_copies(tiered.point.run_id)
    assert tiered.store.listed == [copies, *tiered.chains]
