"""Archive sets in a repository: chains of their own, which go with their points."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.repository.control.log_bench import numbered
from tests.unit.repository.opened.archiving_bench import RUN, ArchivingBench
from tests.unit.repository.opened.whole_bench import VM_ID, everything, finish_all, some_disks
from vmbackup_core.ids import DiskUniqueId, RunId
from vmbackup_core.repository.control.backup.skipping import ChainInUse
from vmbackup_core.repository.control.chains.chain_said import open_header
from vmbackup_core.repository.control.chains.holds import all_holds
from vmbackup_core.repository.control.points.points import RecoveryPoint
from vmbackup_core.repository.control.retention.expire_plan import entry_of
from vmbackup_core.repository.control.retention.prune_plan import PrunePlan
from vmbackup_core.repository.opened_archive import Archives
from vmbackup_core.repository.opened_restore import Restores, RestoreWork
from vmbackup_core.repository.primitives.parsed_names import PackName, parse_data

DISKS = some_disks(1)
OTHER = RunId(numbered(0xE002))


@pytest.fixture
def bench() -> ArchivingBench:
    return ArchivingBench()


def unique_ids(work: RestoreWork) -> list[DiskUniqueId]:
    return [each.disk.unique_id for each in work.disks]


def data_of(bench: ArchivingBench) -> Iterator[str]:
    return (each.name for each in bench.target.places.data.list(""))


def packs_of(bench: ArchivingBench) -> list[str]:
    return [name for name in data_of(bench) if isinstance(parse_data(name), PackName)]


def prune(bench: ArchivingBench) -> None:
    upkeep = bench.target.opened().upkeep
    for plan in upkeep.plan_prune():
        if isinstance(plan, PrunePlan):
            upkeep.prune(plan, lambda: None)
        else:
            assert plan.is_empty, plan  # it has no commit


def begin_to_let_go(bench: ArchivingBench, point: RecoveryPoint) -> None:
    repository = bench.target.opened()
    (entry,) = (each for each in repository.counted() if each.run == point.run_id)
    repository.upkeep.begin_expire([entry_of(entry)])


def test_archives_of_one_point_share_nothing_with_each_other_nor_with_backups(
    bench: ArchivingBench,
) -> None:
    point = bench.begun(DISKS)
    points = [bench.archived(point), bench.archived(point, OTHER), bench.target.back_up(7, DISKS)]
    chains = [disk.chain_id for each in points for disk in each.disks]

    assert len(set(chains)) == len(chains)
    assert [bench.target.restored(each) for each in points] == [[], [], []]


def test_an_archived_point_that_expires_leaves_nothing_in_data(bench: ArchivingBench) -> None:
    point = bench.begun(DISKS)
    archived, other = bench.archived(point), bench.archived(point, OTHER)
    begin_to_let_go(bench, archived)

    assert [each.outcome for each in finish_all(bench.target.opened().upkeep)] == ["done"]
    prune(bench)

    left = {name.split("/")[1] for name in data_of(bench) if name.startswith("c/")}
    assert left == {disk.chain_id for disk in other.disks}
    assert bench.target.restored(other) == []


def test_a_backups_newest_manifest_stays_as_before(bench: ArchivingBench) -> None:
    """Only archives are ended with their points: a backup goes on from the newest manifest."""
    bench.archived(bench.begun(DISKS))
    begin_to_let_go(bench, bench.target.back_up(7, DISKS))

    assert [each.outcome for each in finish_all(bench.target.opened().upkeep)] == ["stays"]


def test_what_an_attempt_has_left_is_garbage_once_its_session_has_ended(
    bench: ArchivingBench,
) -> None:
    work = bench.plan(bench.begun(DISKS))
    bench.copied(bench.job(work))
    disks, kept = unique_ids(work), packs_of(bench)
    prune(bench)
    assert packs_of(bench) == kept  # an attempt may still be taken over
    Archives(bench.target.opened().work).retire(RUN, disks)

    prune(bench)

    assert packs_of(bench) == []
    before = everything(bench.target.places)
    Archives(bench.target.opened().work).retire(RUN, disks)
    assert everything(bench.target.places) == before


def test_nothing_is_retired_of_a_point_that_counts(bench: ArchivingBench) -> None:
    point = bench.begun(DISKS)
    archived = bench.archived(point)
    disks = unique_ids(bench.plan(point))

    with pytest.raises(ChainInUse):
        Archives(bench.target.opened().work).retire(RUN, disks)

    assert bench.target.restored(archived) == []


def test_a_session_that_stored_nothing_leaves_no_chain_behind(bench: ArchivingBench) -> None:
    work = bench.plan(bench.begun(DISKS))
    before = everything(bench.target.places)

    Archives(bench.target.opened().work).retire(RUN, unique_ids(work))

    assert everything(bench.target.places) == before


def test_the_source_is_held_for_the_archive_until_it_is_let_go(bench: ArchivingBench) -> None:
    bench.plan(bench.begun(DISKS))
    source = bench.source.opened()
    held = list(all_holds(source.log.control))

    assert {(each.holder, each.said and each.said.purpose) for each in held} == {(RUN, "archive")}

    Restores(source.work).let_go(RUN)
    assert list(all_holds(bench.source.opened().log.control)) == []


def test_an_archives_chain_says_so_also_after_control_was_made_again(
    bench: ArchivingBench,
) -> None:
    archived = bench.archived(bench.begun(DISKS))
    backed_up = bench.target.back_up(7, DISKS)
    bench.lose_control_and_make_it_again()

    repository = bench.target.opened()
    headers = [open_header(repository.log.control, disk.chain_id) for disk in archived.disks]
    assert {each.purpose for each in headers} == {"archive"}
    assert {each.run for each in repository.counted(VM_ID)} == {RUN, backed_up.run_id}
    # Backups go on where they went, not behind an archive.
    again = bench.target.back_up(8, DISKS)
    assert {disk.chain_id for disk in again.disks} == {disk.chain_id for disk in backed_up.disks}
