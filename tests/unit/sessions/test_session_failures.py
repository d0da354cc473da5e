"""What goes wrong on the way: retried, replaced, ended; and always cleaned up behind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.worlds.memory_agents import Behaviour
from tests.worlds.memory_azure import AWAY
from tests.worlds.memory_world import World
from tests.worlds.samples import KEY, session_of
from vmbackup_core.protocol import BackupJob, Failed
from vmbackup_operator.model.metadata import FINALIZER, ObjectKey
from vmbackup_operator.sessions.ground import Pacing


def fails_times(times: int, *, transient: bool) -> Behaviour:
    count = 0

    def behaviour(job: BackupJob) -> Failed | None:
        nonlocal count
        count += 1
        if count <= times:
            return Failed(
                job.job_id, 1, "TransferInterrupted", f"failure {count}", transient=transient
            )
        return None

    return behaviour


def assert_cleaned_up(world: World) -> None:
    assert world.azure.sas == {}
    assert all(each.state == "deallocated" for each in world.azure.workers.values())
    assert world.sessions.stored[KEY].metadata.finalizers == ()


async def test_a_transient_failure_is_tried_again_by_the_same_worker(world: World) -> None:
    world.behaviour = fails_times(2, transient=True)

    await world.run()

    assert world.status().outcome == "Succeeded"
    assert world.status().attempt == 3
    assert len(world.jobs) == 3
    assert len({worker for worker, *_ in world.jobs}) == 1
    assert next(error.message for error in world.status().errors).endswith("failure 1")


async def test_retries_wait_longer_each_time_and_end(world: World) -> None:
    world.behaviour = fails_times(99, transient=True)
    started = world.clock.now()

    await world.run(limit=2000)

    assert world.status().outcome == "Failed"
    assert world.status().attempt == 4
    assert len(world.jobs) == 4
    assert (world.clock.now() - started).total_seconds() > 300 + 600 + 1200
    assert world.condition("Failed").reason == "TransferInterrupted"
    assert "attempt 4, the last" in world.status().message
    assert_cleaned_up(world)


async def test_a_failed_transfer_still_releases_the_worker_and_drops_its_snapshots(
    world: World,
) -> None:
    world.behaviour = fails_times(1, transient=False)

    await world.run()

    assert world.status().outcome == "Failed"
    assert world.status().phase == "Failed: TransferInterrupted"
    assert world.condition("FailureTarget").reason == "TransferInterrupted"
    assert world.condition("WorkerReleased").status == "True"
    assert world.azure.snapshots == {}
    assert world.points.points == {}
    assert_cleaned_up(world)


async def test_complete_is_never_said_of_a_failed_session(world: World) -> None:
    world.behaviour = fails_times(1, transient=False)

    await world.run()

    assert not [each for each in world.status().conditions if each.type == "Complete"]


async def test_a_failed_session_is_told_to_people_with_its_reason(world: World) -> None:
    world.behaviour = fails_times(1, transient=False)

    await world.run()

    (told,) = world.events.told
    assert told[:2] == ("Warning", "Failed")
    assert "failure 1" in told[2]


async def test_a_snapshot_that_fails_has_the_whole_set_taken_again(world: World) -> None:
    await world.run_until("Accepted")
    await world.look()
    broken = next(iter(world.azure.snapshots.values())).id
    world.azure.broken_snapshots.add(broken)

    await world.run()

    assert world.status().outcome == "Succeeded"
    assert world.status().attempt == 2
    assert world.azure.asked[f"snapshot {broken}"] == 2
    assert world.status().errors[0].reason == "SnapshotFailed"


async def test_a_set_whose_tags_were_altered_is_neither_used_nor_deleted(world: World) -> None:
    await world.run_until("Accepted")
    await world.look()
    key, snapshot = next(iter(world.azure.snapshots.items()))
    tags = {**snapshot.tags, "vmbackup-sealed-0": "A" * 256}
    world.azure.snapshots[key] = replace(snapshot, tags=tags)

    await world.run()

    assert world.status().outcome == "Failed"
    assert world.status().errors[0].reason == "TagsAltered"
    assert world.azure.sas == {}
    assert snapshot.id in {each.id for each in world.azure.snapshots.values()}


async def test_a_worker_that_cannot_be_provisioned_is_replaced(world: World) -> None:
    await world.run_until("EnvironmentReady")
    await world.look()
    worker = world.status().worker
    assert worker is not None
    world.azure.broken_workers.add(worker.vm_id.lower())

    await world.run()

    assert world.status().outcome == "Succeeded"
    assert [error.reason for error in world.status().errors] == ["WorkerFailed"]
    assert [each.id for each in world.azure.workers.values()] == [f"{worker.id[:-1]}2"]


async def test_a_worker_that_never_speaks_is_replaced(world: World) -> None:
    await world.run_until("EnvironmentReady")
    await world.look()
    worker = world.status().worker
    assert worker is not None
    world.silent_workers.add(worker.vm_id)

    await world.run(limit=1000)

    assert world.status().outcome == "Succeeded"
    assert world.status().errors[0].reason == "WorkerSilent"
    assert worker.id not in {each.id for each in world.azure.workers.values()}
    assert worker.jobs_queue not in {name for _, name in world.azure.queues}


async def test_a_worker_that_falls_silent_is_replaced_and_the_job_goes_on(world: World) -> None:
    await world.run_until("ExportGranted")
    first = world.status().worker
    assert first is not None
    world.silent_workers.add(first.vm_id)

    await world.run(limit=1000)

    second = world.status().worker
    assert second is not None
    assert world.status().outcome == "Succeeded"
    assert world.status().errors[0].reason == "WorkerLost"
    assert (first.id, second.id) == (f"{second.id[:-1]}1", f"{first.id[:-1]}2")
    assert world.status().attempt == 2
    assert len(world.azure.workers) == 1


async def test_a_worker_that_spoke_while_no_operator_listened_is_not_replaced(
    world: World,
) -> None:
    await world.run_until("ExportGranted")
    worker = world.status().worker
    assert worker is not None
    world.clock.turn(3600)
    world.start()

    await world.run()

    assert (world.status().outcome, world.status().attempt) == ("Succeeded", 1)
    assert [each.id for each in world.azure.workers.values()] == [worker.id]


async def test_what_a_transfer_rests_on_is_looked_at_again_before_its_next_attempt(
    world: World,
) -> None:
    world.behaviour = fails_times(1, transient=True)
    await world.run_until("ExportGranted")
    world.azure.regions.clear()
    world.azure.disk_accesses.clear()

    await world.run()

    assert world.status().outcome == "Succeeded"
    assert world.status().attempt == 2
    assert AWAY in world.azure.regions
    assert len(world.azure.disk_accesses) == 1


async def test_a_launch_is_recorded_before_its_command_is_sent_so_that_a_quick_hello_counts(
    world: World,
) -> None:
    recorded: list[bool] = []

    def meet(what: str) -> None:
        if what.startswith("before command"):
            worker = world.status().worker
            recorded.append(worker is not None and worker.launched_at is not None)

    world.azure.meets = meet
    await world.run()

    assert recorded == [True]


async def test_a_launch_whose_command_fails_is_told_with_its_output(world: World) -> None:
    await world.run_until("EnvironmentReady")
    while not world.azure.command_states:
        await world.look()
        world.clock.turn(5)
    ((key, command),) = world.azure.command_states.items()
    output = "vmbackup launch: agent.tar: MD5 differs"
    world.azure.command_states[key] = replace(command, state="failed", exit_code=4, output=output)

    await world.look()

    assert world.status().errors[0].reason == "LaunchFailed"
    assert output in world.status().errors[0].message


async def test_worn_credentials_are_renewed_and_the_job_is_sent_again() -> None:
    world = World(pacing=Pacing(credentials_s=600))
    world.sessions.put(session_of())
    await world.run_until("ExportGranted")
    worker = world.status().worker
    assert worker is not None
    while not world.status().worker or world.status().worker.job_sequence == 0:  # type: ignore[union-attr]  # checked before
        await world.look()
    first = dict(world.ground.grants)

    world.clock.turn(500)
    for _ in range(12):
        await world.look()
        await world.intake.round()

    now = world.status().worker
    assert now is not None
    assert now.job_sequence == 2
    assert now.credentials_expire_at is not None
    assert now.credentials_expire_at > world.clock.now()
    assert first.keys() == world.ground.grants.keys()


@pytest.mark.parametrize(
    "condition", ["Accepted", "SnapshotsReady", "WorkerReady", "ExportGranted"]
)
async def test_cancelled_anywhere_it_ends_cancelled_and_cleaned_up(condition: str) -> None:
    world = World()
    world.sessions.put(session_of())
    await world.run_until(condition)
    world.sessions.edit_spec(KEY, cancel=True)

    await world.run()

    assert (world.status().outcome, world.status().phase) == ("Cancelled", "Cancelled")
    assert world.azure.snapshots == {}
    assert world.points.points == {}
    assert_cleaned_up(world)


async def test_a_cancel_that_comes_after_the_recovery_point_changes_nothing(world: World) -> None:
    await world.run_until("RecoveryPointStored")
    world.sessions.edit_spec(KEY, cancel=True)

    await world.run()

    assert world.status().outcome == "Succeeded"


@pytest.mark.parametrize(
    "condition", ["Accepted", "SnapshotsReady", "WorkerReady", "ExportGranted", "AccessRevoked"]
)
async def test_deleted_anywhere_everything_is_undone_before_the_object_goes(
    condition: str,
) -> None:
    world = World()
    world.sessions.put(session_of())
    await world.run_until(condition)
    world.sessions.request_deletion(KEY)

    for _ in range(60):
        if await world.look() is None:
            break
        world.clock.turn(5)

    assert KEY not in world.sessions.stored
    assert world.azure.sas == {}
    assert all(each.state == "deallocated" for each in world.azure.workers.values())
    kept = 3 if condition == "AccessRevoked" else 0
    assert len(world.azure.snapshots) == kept


async def test_undoing_needs_no_repository_and_no_region(world: World) -> None:
    await world.run_until("ExportGranted")
    world.repositories.stored.clear()
    world.sessions.request_deletion(KEY)
    world.start()
    world.azure.regions.clear()
    regions = [each for each in world.azure.order if each.startswith("region")]

    for _ in range(60):
        if await world.look() is None:
            break
        world.clock.turn(5)

    assert KEY not in world.sessions.stored
    assert [each for each in world.azure.order if each.startswith("region")] == regions


async def test_a_finalizer_yields_to_the_sweeper_after_a_quarter_of_an_hour(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.run_until("ExportGranted")
    world.sessions.request_deletion(KEY)

    async def never(_snapshot: str) -> bool:
        return False

    monkeypatch.setattr(world.ground.snapshots, "revoke", never)
    while await world.look() is not None:
        world.clock.turn(30)

    assert KEY not in world.sessions.stored
    assert world.events.told[-1][1] == "UndoGivenUp"


async def test_deleted_while_no_operator_ran_it_is_still_undone(world: World) -> None:
    await world.run_until("ExportGranted")
    world.sessions.request_deletion(KEY)
    world.clock.turn(3600)
    world.start()

    for _ in range(60):
        if await world.look() is None:
            break
        world.clock.turn(5)

    assert KEY not in world.sessions.stored
    assert (world.azure.sas, world.azure.snapshots) == ({}, {})
    assert [each.state for each in world.azure.workers.values()] == ["deallocated"]


async def test_a_session_that_was_never_begun_is_deleted_untouched() -> None:
    world = World()
    world.sessions.put(session_of())

    world.sessions.request_deletion(KEY)

    assert await world.look() is None
    assert world.azure.order == []


async def test_a_stale_write_changes_nothing_and_the_next_look_goes_on(world: World) -> None:
    await world.run_until("Accepted")

    def meet(what: str) -> None:
        if what.startswith("after snapshot"):
            world.azure.meets = lambda _what: None
            session = world.sessions.stored[KEY]
            world.sessions.put(session)  # somebody else's write: a new resourceVersion

    world.azure.meets = meet
    with pytest.raises(Exception, match="has changed since it was read"):
        await world.look()

    await world.run()

    assert world.status().outcome == "Succeeded"
    assert len([each for each in world.azure.order if each.startswith("snapshot")]) == 3


async def test_the_finalizer_is_there_while_anything_is(world: World) -> None:
    key = ObjectKey(KEY.namespace, KEY.name)
    for _ in range(60):
        await world.look()
        world.agents_work()
        await world.intake.round()
        world.clock.turn(5)
        if world.azure.sas:
            assert FINALIZER in world.sessions.stored[key].metadata.finalizers
