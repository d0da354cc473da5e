"""What a worker wrote takes its slots, one disk after the other; what cannot is written again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pytest
from msgspec.structs import replace

from tests.worlds.memory_points import ALLOCATED_BYTES
from tests.worlds.memory_world import Killed, World
from tests.worlds.samples import KEY, session_of
from vmbackup_core.errors import LostAttempt, PermanentError
from vmbackup_core.protocol import BackupJob, Failed
from vmbackup_core.repository.control.backup.committing import CommittedDisk
from vmbackup_core.repository.control.backup.disk_asked import DiskAsked
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.sessions.findings import backup_job
from vmbackup_operator.sessions.seen import DiskWritten, PointWanted


def jobs(world: World) -> Sequence[BackupJob]:
    return [job for _, _, job in world.jobs]


def others_take(world: World, disk: int) -> None:
    """Have somebody else's commit of another moment take the slot that a disk was written for."""
    world.points.commit_of_another(jobs(world)[-1].disks[disk].grant)


async def test_each_disk_is_committed_and_written_down_before_the_next(world: World) -> None:
    await world.run_until("DataTransferred")
    assert world.status().committed == frozenset()

    steps = []
    while len(world.status().committed) < 3:
        await world.look()
        steps.append(len(world.status().committed))

    assert steps == [1, 2, 3]
    first = world.status().disks[0]
    assert (first.slot, first.kind, first.new_blocks) == (1, "full", 1)
    assert first.stored_bytes > 0
    assert first.manifest.startswith(f"c/{first.chain_id}/m/")


async def test_what_is_stored_is_what_the_commits_say(world: World) -> None:
    await world.run()

    status = world.status()
    assert status.progress is not None
    assert status.progress.bytes_stored == sum(each.stored_bytes for each in status.disks)


async def test_what_is_read_is_what_exports_gave_and_not_whole_blocks(world: World) -> None:
    await world.run_until("DataTransferred")
    said = [each.read_bytes for each in world.status().disks]
    await world.run()

    status = world.status()
    assert said == [ALLOCATED_BYTES] * 3
    assert [each.read_bytes for each in status.disks] == said
    assert status.progress is not None
    assert status.progress.bytes_read == sum(said)


async def test_a_commit_that_takes_a_while_is_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.run_until("DataTransferred")
    commit, asked = world.ground.points.commit, []

    async def slowly(
        repository: BackupRepository,
        disk: DiskAsked,
        written: DiskWritten,
        kept_until: datetime | None,
    ) -> CommittedDisk | Waiting:
        asked.append(disk)
        if len(asked) % 3:
            return Waiting(2, "disk web-01-0 is being committed")
        return await commit(repository, disk, written, kept_until)

    monkeypatch.setattr(world.ground.points, "commit", slowly)
    await world.look()
    said = world.condition("Committed")
    await world.run()

    assert (said.status, said.message) == ("False", "disk web-01-0 is being committed")
    assert (world.status().outcome, world.status().attempt) == ("Succeeded", 1)
    assert [each.snapshot_unique_id for each in asked[:3]] == [asked[0].snapshot_unique_id] * 3


async def test_what_cannot_be_committed_is_written_again_in_another_attempt(world: World) -> None:
    await world.run_until("DataTransferred")
    first = backup_job(world.sessions.stored[KEY])
    others_take(world, 1)

    await world.run()

    status, again = world.status(), jobs(world)[-1]
    (error,) = status.errors
    assert (status.outcome, status.attempt) == ("Succeeded", 2)
    assert (error.step, error.reason, error.attempt) == ("Committed", "SlotTaken", 1)
    assert again.job_id != first
    assert [disk.grant.disk.lun for disk in again.disks] == [0, 1]  # the OS disk is committed
    assert [each.slot for each in status.disks if each.disk == "0"] == [2]


async def test_a_session_gives_its_worker_back_before_it_writes_again(world: World) -> None:
    await world.run_until("DataTransferred")
    others_take(world, 1)

    while world.status().attempt == 1:
        await world.look()

    assert world.status().worker is None
    assert world.condition("WorkerReady").reason == "GivenBack"
    assert world.condition("DataTransferred").status == "Unknown"
    assert world.condition("SnapshotsReady").status == "True"


async def test_as_often_as_the_session_retries_and_no_oftener(world: World) -> None:
    world.behaviour = lambda _job: others_take(world, 0)
    world.sessions.put(replace(session_of(), spec=replace(session_of().spec, retry_limit=2)))
    await world.run(limit=2000)

    status = world.status()
    assert (status.outcome, status.attempt) == ("Failed", 3)
    assert world.condition("Failed").reason == "SlotTaken"
    assert len({job.job_id for job in jobs(world)}) == 3
    assert world.points.points == {}


async def test_a_session_that_died_behind_a_commit_goes_on_with_it(world: World) -> None:
    await world.run_until("DataTransferred")

    def die(what: str) -> None:
        if what.startswith("after c/") and "/k/" in what:
            world.meets(lambda _what: None)
            raise Killed

    world.meets(die)
    with pytest.raises(Killed):
        await world.run()
    world.start()
    await world.run()

    assert world.status().outcome == "Succeeded"
    assert {len(commits) for commits in world.points.commits.values()} == {1}


async def test_what_its_run_has_committed_is_read_by_no_worker_again(world: World) -> None:
    await world.run_until("Committed")
    world.points.lose_commits(jobs(world)[0].disks[2].chain_id)
    world.jobs.clear()
    world.sessions.put(session_of())

    await world.run()

    (job,) = jobs(world)
    assert [disk.grant.disk.lun for disk in job.disks] == [1]
    assert [each.slot for each in world.status().disks] == [1, 1, 1]
    assert world.status().outcome == "Succeeded"


async def test_a_run_that_has_committed_all_needs_no_job(world: World) -> None:
    await world.run_until("Committed")
    world.jobs.clear()
    world.sessions.put(session_of())

    await world.run()

    assert (world.status().outcome, jobs(world)) == ("Succeeded", [])


async def test_a_base_that_does_not_open_is_gone_without_in_the_next_attempt(world: World) -> None:
    told: list[str] = []

    def fail_once(job: BackupJob) -> Failed | None:
        told.append(job.job_id)
        if len(told) > 1:
            return None
        return Failed(job.job_id, 1, "BaseUnreadable", "it does not open", transient=False)

    world.behaviour = fail_once

    await world.run()

    assert (world.status().outcome, world.status().attempt) == ("Succeeded", 2)
    assert world.status().errors[0].reason == "BaseUnreadable"
    assert {disk.grant.base for job in jobs(world) for disk in job.disks} == {None}


async def test_commits_that_were_lost_behind_their_session_are_made_anew(world: World) -> None:
    await world.run_until("Committed")
    for chain in world.points.commits:
        world.points.lose_commits(chain)

    await world.run()

    status = world.status()
    assert (status.outcome, status.attempt) == ("Succeeded", 2)
    assert (status.errors[0].step, status.errors[0].reason) == (
        "RecoveryPointStored",
        "CommitDiffers",
    )


async def test_a_point_whose_commits_were_let_go_fails_its_session(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.run_until("Committed")

    async def expired(_repository: BackupRepository, point: PointWanted) -> None:
        raise PermanentError(f"the point of {point.run_id} is late", reason="RecoveryPointExpired")

    monkeypatch.setattr(world.ground.points, "record", expired)
    await world.run()

    assert world.status().outcome == "Failed"
    assert world.condition("Failed").reason == "RecoveryPointExpired"


async def test_an_error_of_a_commit_names_its_disk(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.run_until("DataTransferred")

    async def lost(*_asked: object) -> None:
        raise LostAttempt("index 3 is listed with another size", reason="UnknownObject")

    monkeypatch.setattr(world.ground.points, "commit", lost)
    await world.look()

    (error,) = world.status().errors
    assert error.message == "disk os: index 3 is listed with another size"
