"""What a worker is given to restore a point: held, and nothing of one that is gone."""

from __future__ import annotations

import pytest

from tests.unit.repository.control.log_bench import numbered
from tests.unit.repository.data.bench import noise
from tests.unit.repository.opened.whole_bench import (
    VM_ID,
    WholeBench,
    finish_all,
    replace,
    run_of,
    some_disks,
)
from tests.unit.repository.opened.worker_restores import restored_by
from tests.unit.repository.stores_that_fail import ReadOnlyStore
from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import RunId
from vmbackup_core.repository.control.points.points import RecoveryPoint
from vmbackup_core.repository.control.repair.repairing import Elsewhere
from vmbackup_core.repository.control.restore.restore_plan import RestoreWork
from vmbackup_core.repository.control.restore.restoring import PointGone
from vmbackup_core.repository.control.retention.expire_plan import entry_of
from vmbackup_core.repository.opened import OpenedRepository
from vmbackup_core.repository.opened_restore import Restores
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.names import commit_name, pack_name, point_name
from vmbackup_core.repository.primitives.reading import Places

HOLDER = RunId(numbered(0xF001))
OTHER = RunId(numbered(0xF002))


def with_points() -> tuple[WholeBench, RecoveryPoint]:
    bench = WholeBench()
    bench.begun()
    return bench, bench.back_up(1, some_disks(1))


def plan(repository: OpenedRepository, run: RunId, holder: RunId = HOLDER) -> RestoreWork:
    return Restores(repository.work).plan(VM_ID.upper(), run, holder)


def holders(repository: OpenedRepository) -> list[tuple[str, str]]:
    return sorted({(each.holder, each.said.purpose) for each in repository.holds() if each.said})


def test_a_worker_that_gets_it_restores_every_disk_and_it_is_held_meanwhile() -> None:
    bench, point = with_points()
    repository = bench.opened()

    work = plan(repository, point.run_id)

    assert work.point == point
    assert work.says == ()
    for given in work.disks:
        assert restored_by(given, bench.places.data) == bench.disks[point.run_id, given.disk.name]
    held = {(each.chain, each.slot) for each in repository.holds()}
    assert held == {(disk.chain_id, disk.slot) for disk in point.disks}
    assert holders(repository) == [(HOLDER, "restore")]


def test_what_is_written_is_counted_beforehand() -> None:
    bench = WholeBench()
    bench.begun()
    content = noise(1, 3 * 4096) + bytes(20 * 4096) + noise(2, 2 * 4096)
    point = bench.back_up(1, {"os": content})

    (disk,) = plan(bench.opened(), point.run_id).disks

    assert disk.used_bytes == 5 * 4096


def test_the_keys_open_one_chain_and_write_nothing() -> None:
    bench, point = with_points()

    for given in plan(bench.opened(), point.run_id).disks:
        keys = ChainKeys.parse(given.keys)
        assert keys.chain == given.disk.chain_id
        assert keys.runs == {}
        assert keys.data


def test_planned_twice_it_is_held_once_and_let_go_twice_is_once() -> None:
    bench, point = with_points()
    repository = bench.opened()

    assert plan(repository, point.run_id) == plan(repository, point.run_id)
    plan(repository, point.run_id, OTHER)
    Restores(repository.work).let_go(HOLDER)
    Restores(repository.work).let_go(HOLDER)

    assert holders(repository) == [(OTHER, "restore")]


def test_a_point_that_is_held_does_not_go_until_it_is_let_go() -> None:
    bench, point = with_points()
    bench.back_up(2, some_disks(2))
    repository = bench.opened()
    work = plan(repository, point.run_id)
    repository.upkeep.begin_expire([entry_of(repository.counted()[-1])])
    finish_all(repository.upkeep)

    for given in work.disks:
        assert restored_by(given, bench.places.data) == bench.disks[point.run_id, given.disk.name]

    Restores(repository.work).let_go(HOLDER)
    (going,) = finish_all(repository.upkeep)
    assert going.outcome == "done"


@pytest.mark.parametrize("which", ["expired", "never there", "another VM's"])
def test_a_point_that_does_not_count_is_gone_and_nothing_is_held(which: str) -> None:
    bench, point = with_points()
    repository, run, vm = bench.opened(), point.run_id, VM_ID
    if which == "expired":
        bench.back_up(2, some_disks(2))
        repository.upkeep.begin_expire([entry_of(repository.counted()[-1])])
    elif which == "never there":
        run = run_of(77)
    else:
        vm = VM_ID.replace("Web", "Other")

    with pytest.raises(PointGone):
        Restores(repository.work).plan(vm, run, HOLDER)
    assert repository.holds() == []


def test_a_point_that_counts_and_is_lost_is_damage() -> None:
    bench, point = with_points()
    (entry,) = bench.opened().counted()
    bench.places.control.delete(point_name(entry.vm, entry.run))

    with pytest.raises(CorruptRepository, match="it is lost"):
        plan(bench.opened(), point.run_id)


@pytest.mark.parametrize("how", ["lost", "damaged"])
def test_a_manifest_that_does_not_open_is_said_before_anybody_is_asked(how: str) -> None:
    bench, point = with_points()
    name = point.disks[1].manifest_name
    if how == "lost":
        bench.places.data.delete(name)
    else:
        replace(bench.places.data, name, b"VMBKMANI")

    with pytest.raises(CorruptRepository, match=name):
        plan(bench.opened(), point.run_id)


def test_without_a_commit_the_point_is_believed_and_that_is_said() -> None:
    bench, point = with_points()
    disk = point.disks[0]
    bench.places.control.delete(commit_name(disk.chain_id, disk.slot))

    work = plan(bench.opened(), point.run_id)

    assert len(work.says) == 1
    assert f"slot {disk.slot}" in work.says[0]


def test_of_a_repository_that_may_not_be_written_it_is_planned_and_said() -> None:
    bench, point = with_points()
    reader = Places(ReadOnlyStore(bench.places.data), ReadOnlyStore(bench.places.control))

    work = plan(bench.opened(reader, appliance=None), point.run_id)

    assert len(work.disks) == 2
    assert ["a day later" in said for said in work.says] == [True]


def healed() -> tuple[WholeBench, RecoveryPoint]:
    """Return a repository that has lost a pack and got its blocks again from a copy."""
    bench = WholeBench()
    bench.begun()
    point = bench.back_up(1, {"os": noise(7, 40 * 4096)})
    copy = bench.copied()
    (pack,) = (each.name for each in bench.places.data.list("c/") if "/p/" in each.name)
    bench.places.data.delete(pack)
    repairs = bench.opened(appliance=None).repairs
    repairs.log_bad(repairs.confirm_bad(bench.opened().check(read_data=True)))
    source = Places(copy.places.data, bench.places.control)
    elsewhere = bench.opened(source, appliance=None).repairs.as_source(lambda: None)
    healing = repairs.plan(point.disks[0].chain_id, Elsewhere(repository=elsewhere))
    assert healing is not None
    assert repairs.heal(healing, run_of(9), lambda: None) is not None
    return bench, point


def test_what_was_healed_is_named_and_comes_back() -> None:
    bench, point = healed()

    (disk,) = plan(bench.opened(), point.run_id).disks

    packs = [each for each in bench.places.data.list("c/") if "/h/" in each.name]
    named = {pack_name(disk.disk.chain_id, each.pack): each.size_bytes for each in disk.healed}
    assert named == {each.name: each.size_bytes for each in packs}
    assert restored_by(disk, bench.places.data) == bench.disks[point.run_id, "os"]
