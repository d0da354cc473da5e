"""Blobs of messages that are too long for a queue: they go with the launch that they were for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.worlds.memory_azure import APPLIANCE, AWAY, SUBSCRIPTION
from tests.worlds.memory_world import Killed, World
from tests.worlds.samples import KEY, machine
from vmbackup_core.protocol import Failed
from vmbackup_operator.naming import ArmId, environment_names
from vmbackup_operator.sessions.idling import IdleWorkers, WorkerGroup
from vmbackup_operator.sessions.left_behind import LeftBehind
from vmbackup_operator.sessions.seen import VirtualMachineSeen
from vmbackup_operator.wiring.tables import UNDO


def big_machine() -> VirtualMachineSeen:
    """Return a VM whose job fits no queue message: as many disks as there can be, long names."""
    made = machine(disks=65)
    disks = tuple(
        replace(disk, name=f"{disk.name}-{'n' * 60}", id=ArmId(f"{disk.id}-{'n' * 60}"))
        for disk in made.disks
    )
    return replace(made, disks=disks)


@pytest.fixture
def big(world: World) -> World:
    world.add(big_machine())
    return world


async def transferring(world: World) -> None:
    """Run until the job was given, and nobody has done it yet."""
    world.silent_workers.clear()
    await world.run_until("ExportGranted")
    worker = world.status().worker
    assert worker is not None
    world.silent_workers.add(worker.vm_id)
    for _ in range(5):
        if world.azure.blobs:
            return
        await world.look()
    raise AssertionError("the job went into no blob")


async def test_a_job_in_a_blob_is_done_and_its_blob_goes_with_the_launch(big: World) -> None:
    await transferring(big)
    worker = big.status().worker
    assert worker is not None
    assert worker.launch is not None
    (name,) = big.azure.blobs
    assert name.startswith(f"{worker.id}/{worker.launch[:8]}/")

    big.silent_workers.clear()
    await big.run()

    assert (big.status().outcome, big.status().attempt) == ("Succeeded", 1)
    assert big.azure.blobs == {}


async def test_a_job_that_is_sent_again_with_other_credentials_leaves_no_blob_either(
    big: World,
) -> None:
    await transferring(big)
    big.clock.turn(2800)
    await big.look()
    assert len(big.azure.blobs) == 2

    big.silent_workers.clear()
    await big.run()

    assert big.azure.blobs == {}


async def test_blobs_of_a_worker_that_was_given_back_go_before_it_is_launched_again(
    big: World,
) -> None:
    big.behaviour = lambda job: Failed(job.job_id, 1, "TransferInterrupted", "no", transient=True)
    await transferring(big)
    (first,) = big.azure.blobs
    big.silent_workers.clear()
    for _ in range(10):
        if big.status().attempt == 2:
            break
        big.agents_work()
        await big.intake.round()
        await big.look()
        big.clock.turn(5)
    assert big.status().worker is None

    big.behaviour = lambda _job: None
    await big.run_until("WorkerReady")

    assert first not in big.azure.blobs
    await big.run()
    assert big.azure.blobs == {}


async def test_a_session_that_is_deleted_takes_them_along(big: World) -> None:
    await transferring(big)

    big.sessions.request_deletion(KEY)
    await big.run()

    assert big.azure.blobs == {}


async def test_a_session_whose_object_was_taken_away_leaves_none(big: World) -> None:
    await transferring(big)
    del big.sessions.stored[KEY]
    big.sessions.gone(KEY)

    left = LeftBehind(big.ground, UNDO)
    for _ in range(20):
        await left.reconcile()
        big.clock.turn(10)

    assert (big.azure.queues, big.azure.blobs) == ({}, {})


async def test_an_operator_killed_behind_the_blob_leaves_none(big: World) -> None:
    """Before the message that names it was sent, and before anything was written down."""

    def kill_behind_the_blob(where: str) -> None:
        if where.startswith("after message blob"):
            raise Killed

    big.meets(kill_behind_the_blob)
    with pytest.raises(Killed):
        await transferring(big)
    big.meets(lambda _where: None)
    assert big.azure.blobs
    big.start()

    big.silent_workers.clear()
    await big.run()

    assert big.status().outcome == "Succeeded"
    assert big.azure.blobs == {}


async def test_an_idle_worker_goes_with_what_its_launches_left(big: World) -> None:
    await big.run()
    (worker,) = big.azure.workers.values()
    big.azure.blobs[f"{worker.id}/00000000/left"] = b"sealed"
    big.azure.blobs[f"{worker.id}0/00000000/anothers"] = b"sealed"
    big.clock.turn(3700)

    async def groups() -> list[WorkerGroup]:
        names = environment_names(APPLIANCE, SUBSCRIPTION, AWAY)
        return [WorkerGroup(SUBSCRIPTION, names.resource_group)]

    await IdleWorkers(big.ground, groups).reconcile()

    assert list(big.azure.blobs) == [f"{worker.id}0/00000000/anothers"]
