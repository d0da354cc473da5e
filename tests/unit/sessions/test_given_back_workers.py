"""A worker that was given back between two attempts holds nothing that opens anything."""

from __future__ import annotations

import pytest

from tests.worlds.memory_world import World
from tests.worlds.samples import KEY
from vmbackup_core.errors import PermanentError, TransientError, VmbackupError
from vmbackup_core.protocol import BackupJob, Failed
from vmbackup_operator.model.session_findings import SessionWorker
from vmbackup_operator.naming import ArmId
from vmbackup_operator.sessions.left_behind import LeftBehind
from vmbackup_operator.sessions.seen import Account
from vmbackup_operator.wiring.tables import UNDO


def interrupted(job: BackupJob) -> Failed:
    return Failed(job.job_id, 1, "TransferInterrupted", "no way", transient=True)


async def until_attempt(world: World, attempt: int) -> None:
    for _ in range(200):
        if world.status().attempt == attempt:
            return
        await world.look()
        world.agents_work()
        await world.intake.round()
        world.clock.turn(5)
    raise AssertionError(f"attempt {attempt} does not begin: {world.status()}")


async def test_the_run_command_and_the_queues_of_a_launch_go_as_the_worker_is_given_back(
    world: World,
) -> None:
    world.behaviour = interrupted

    await until_attempt(world, 2)

    assert world.status().worker is None
    assert [each.state for each in world.azure.workers.values()] == ["running"]
    assert world.azure.commands == {}
    assert world.azure.queues == {}


async def test_nothing_is_taken_from_a_worker_that_its_session_still_has_on_record(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That record's write may be refused, since a heartbeat was written down meanwhile.

    What fails then may have passed by the next look, and the session goes on with its launch.
    """
    recorded: list[SessionWorker | None] = []
    delete = world.ground.queues.delete

    async def observed(account: Account, queue: str) -> None:
        recorded.append(world.sessions.stored[KEY].status.worker)
        await delete(account, queue)

    world.behaviour = interrupted
    monkeypatch.setattr(world.ground.queues, "delete", observed)
    await until_attempt(world, 2)

    assert recorded
    assert set(recorded) == {None}


async def test_another_attempt_is_made_where_the_queue_of_a_launch_has_gone(world: World) -> None:
    await world.run_until("WorkerReady")
    worker = world.status().worker
    assert worker is not None
    gone = [name for _, name in world.azure.queues if name == worker.jobs_queue]
    for where in [each for each in world.azure.queues if each[1] in gone]:
        del world.azure.queues[where]

    await world.run()

    assert gone
    assert (world.status().outcome, world.status().attempt) == ("Succeeded", 2)
    assert world.status().errors[0].reason == "NotFound"
    assert world.azure.queues == {}


@pytest.mark.parametrize(
    "refusal",
    [TransientError("deleting a command: 503"), PermanentError("403", reason="NotAuthorized")],
    ids=["for a while", "for good"],
)
async def test_an_attempt_ends_even_where_azure_keeps_them(
    world: World, monkeypatch: pytest.MonkeyPatch, refusal: VmbackupError
) -> None:
    """They go with the worker then, or before its next launch."""

    async def refused(_vm_id: ArmId, _name: str) -> None:
        raise refusal

    world.behaviour = interrupted
    monkeypatch.setattr(world.ground.commands, "delete", refused)
    await until_attempt(world, 2)
    assert world.status().errors[0].reason == "TransferInterrupted"

    world.behaviour = lambda _job: None
    monkeypatch.undo()
    await world.run()

    assert world.status().outcome == "Succeeded"
    assert world.azure.queues == {}


async def test_a_session_whose_object_was_taken_away_leaves_no_command(world: World) -> None:
    await world.run_until("WorkerReady")
    assert world.azure.commands
    del world.sessions.stored[KEY]
    world.sessions.gone(KEY)

    left = LeftBehind(world.ground, UNDO)
    for _ in range(20):
        await left.reconcile()
        world.clock.turn(10)

    assert [each.state for each in world.azure.workers.values()] == ["deallocated"]
    assert (world.azure.commands, world.azure.queues) == ({}, {})
