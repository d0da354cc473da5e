"""A VM rewound to a point whose snapshots are gone: disks of today, rewritten by a worker."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.unit.restores.restoring_worlds import (
    RESTORE,
    cancel,
    holders,
    take_away,
    undo_what_is_left,
)
from tests.unit.restores.rewinding_worlds import (
    ATTACHED,
    asked_for_the_word,
    check_put_back,
    disks_of_vm,
    next_backup,
    rewinding_world,
    rewound,
    say_the_word,
)
from tests.unit.restores.rewriting_worlds import (
    are_as_backed_up,
    on_workers,
    rewriting_world,
    run_written,
    written,
)
from tests.worlds.samples import VM
from vmbackup_core.ids import JobId
from vmbackup_core.protocol import Failed, Reason
from vmbackup_operator.arm_ids import folded


async def test_disks_of_today_become_those_of_the_point_and_take_the_vms_place() -> None:
    world = await rewriting_world()
    before = disks_of_vm(world)
    await run_written(world)

    status = world.restored(RESTORE)
    assert status.outcome == "Succeeded", status.message
    disks = {each.disk: each for each in rewound(world).disks}
    assert disks_of_vm(world) == {position: each.disk_id for position, each in disks.items()}
    assert are_as_backed_up(world)
    sources = {str(each.id): folded(each.source_id) for each in world.loose.copies.values()}
    for position, each in disks.items():
        assert each.source_snapshot_id == each.snapshot_id
        assert sources[each.disk_id] == folded(each.snapshot_id)
        assert sources[each.snapshot_id] == folded(before[position])
    assert {folded(each) for each in before.values()} <= world.loose.disks.keys()
    assert world.loose.attachment(VM, "0") == ATTACHED


async def test_the_vm_runs_until_a_worker_does_and_the_disks_are_detached_before_the_swap() -> None:
    world = await rewriting_world()
    await run_written(world)

    order = [each.lower() for each in world.azure.order]

    def first(*words: str) -> int:
        return next(n for n, each in enumerate(order) if each.startswith(words))

    assert first("worker", "start") < first(f"deallocate {folded(VM)}") < first("copy")
    assert first("copy") < first("attach disks") < first("detach disks") < first("detach 0")


async def test_the_job_names_each_disk_by_its_lun_and_is_told_what_was_written() -> None:
    world = await rewriting_world(3)
    await run_written(world)

    ((_, _, job),) = world.restore_jobs
    luns = {disk.disk_id: disk.target_lun for disk in job.disks}
    assert luns == {each.disk_id: lun for lun, each in enumerate(rewound(world).disks)}
    assert all(disk.target_url is None for disk in job.disks)
    restored = world.restored(RESTORE).restored
    assert restored is not None
    assert all(each.written_bytes for each in restored.disks)


async def test_while_the_word_is_waited_for_no_worker_is_held_and_nothing_is_attached() -> None:
    world = await rewriting_world()
    await written(world)

    assert world.condition("SwapConfirmed", RESTORE).reason == "SwapNotConfirmed"
    assert rewound(world).swap_token
    assert world.restored(RESTORE).worker is None
    assert {each.state for each in world.azure.workers.values()} == {"deallocated"}
    assert on_workers(world) == []
    assert holders(world) == []


async def test_no_word_is_asked_for_before_the_disks_are_written() -> None:
    world = await rewriting_world()
    await world.run_until("DisksAttached", RESTORE)

    assert rewound(world).swap_token == ""
    say_the_word(world, "")
    await written(world)
    assert world.condition("SwapConfirmed", RESTORE).status == "False"


async def test_the_next_backup_is_a_full_of_a_new_chain() -> None:
    world = await rewriting_world()
    chains = {each.chain_id for each in world.status().disks}
    await run_written(world)

    status = await next_backup(world)

    assert status.outcome == "Succeeded", status.message
    assert {each.reason for each in status.full_reads} == {"DiskReplaced"}
    assert not chains & {each.chain_id for each in status.disks}
    assert rewound(world).next_backup.startswith("full, of a new chain: ")


async def test_a_point_whose_set_is_retained_is_written_by_nobody() -> None:
    world = await rewinding_world()
    await asked_for_the_word(world)

    assert not rewound(world).rewritten
    assert world.restore_jobs == []


@pytest.mark.parametrize("condition", ["WorkerReady", "DisksCreated", "DisksAttached"])
async def test_cancelled_it_leaves_nothing_attached_made_or_held(condition: str) -> None:
    world = await rewriting_world()
    await world.run_until(condition, RESTORE)
    cancel(world)
    await world.run(RESTORE)
    await undo_what_is_left(world)

    check_put_back(world)
    assert (on_workers(world), holders(world)) == ([], [])
    assert {each.state for each in world.azure.workers.values()} <= {"deallocated"}


async def test_a_session_that_is_taken_away_leaves_nothing_attached_made_or_held() -> None:
    world = await rewriting_world()
    before = disks_of_vm(world)
    await world.run_until("DisksAttached", RESTORE)
    assert len(on_workers(world)) == 2
    take_away(world)
    await undo_what_is_left(world)

    assert disks_of_vm(world) == before
    assert world.loose.power(VM) == "running"
    assert (on_workers(world), world.loose.copies, holders(world)) == ([], {}, [])
    assert world.undo_records.stored == {}


async def test_a_worker_that_is_lost_is_deleted_and_another_one_goes_on() -> None:
    world = await rewriting_world()
    await world.run_until("DisksAttached", RESTORE)
    first = {each.id for each in world.azure.workers.values() if each.state == "running"}
    world.silent_workers |= {each.vm_id for each in world.azure.workers.values()}
    await run_written(world)

    status = world.restored(RESTORE)
    assert status.outcome == "Succeeded", status.message
    assert status.attempt == 2
    assert not first & {each.id for each in world.azure.workers.values()}
    assert are_as_backed_up(world)
    assert world.loose.power(VM) == "running"


@pytest.mark.parametrize("reason", ["DiskDiffers", "DiskInUse", "DiskNotAttached"])
async def test_what_another_worker_may_mend_is_given_to_another_one(reason: Reason) -> None:
    world = await rewriting_world()
    failures = [Failed(JobId("x"), 1, reason, "no", transient=False)]
    world.restoring = lambda job: replace(failures.pop(), job_id=job.job_id) if failures else None
    await run_written(world)

    assert world.restored(RESTORE).outcome == "Succeeded"
    workers = [worker for worker, _, _ in world.restore_jobs]
    assert len(set(workers)) == 2
    assert are_as_backed_up(world)


async def test_a_vm_that_is_started_while_its_disks_are_written_ends_it() -> None:
    world = await rewriting_world()
    before = disks_of_vm(world)
    await world.run_until("DisksAttached", RESTORE)
    world.loose.powers[folded(VM)] = "running"
    await world.run(RESTORE)

    assert world.condition("Failed", RESTORE).reason == "VirtualMachineStarted"
    assert disks_of_vm(world) == before
    assert (on_workers(world), world.loose.copies, holders(world)) == ([], {}, [])


async def test_the_worker_is_in_the_zone_of_the_disks_and_one_elsewhere_makes_room() -> None:
    world = await rewriting_world()
    zonal = {"zones": ["2"]}
    world.loose.bodies.update({folded(each): zonal for each in disks_of_vm(world).values()})
    idle = {each.id for each in world.azure.workers.values()}
    assert idle
    await run_written(world)

    assert world.restored(RESTORE).outcome == "Succeeded"
    assert [each.zone for each in world.azure.workers.values()] == ["2"]
    assert not idle & {each.id for each in world.azure.workers.values()}
