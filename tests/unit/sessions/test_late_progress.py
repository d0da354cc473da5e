"""A worker's beat and the end of its job come in any order: none of them hides the other."""

from __future__ import annotations

from msgspec.structs import replace

from tests.unit.restores.restoring_worlds import RESTORE, restoring_world
from tests.worlds.memory_world import World
from tests.worlds.samples import KEY, session_of
from vmbackup_core.protocol import Failed, Header, Progress
from vmbackup_operator.model.session import Session
from vmbackup_operator.sessions.findings import current_job
from vmbackup_operator.sessions.hearing import heard


def late(session: Session) -> tuple[Header, Progress]:
    """Return what the worker's heart still says, behind all that it has said before."""
    job, worker = current_job(session), session.status.worker
    assert job is not None
    assert worker is not None
    return Header("event", worker.id, job, 100_000), Progress(job, 1, 1000, 990, 10)


async def test_a_restore_that_is_written_stays_at_100_percent() -> None:
    world = await restoring_world()
    await world.run_until("DataRestored", RESTORE)
    session = world.restores.stored[RESTORE.at]

    status = heard(session, [late(session)], world.clock.now())

    assert status.progress == session.status.progress
    assert status.progress is not None
    assert status.progress.percent == 100


async def test_a_backup_that_is_written_stays_at_100_percent() -> None:
    world = World()
    world.sessions.put(session_of())
    await world.run_until("DataTransferred")
    session = world.sessions.stored[KEY]

    status = heard(session, [late(session)], world.clock.now())

    assert status.progress == session.status.progress
    assert status.progress is not None
    assert status.progress.percent == 100


async def test_before_a_job_has_ended_its_progress_is_shown() -> None:
    world = await restoring_world()
    await world.run_until("AccessGranted", RESTORE)
    session = world.restores.stored[RESTORE.at]

    status = heard(session, [late(session)], world.clock.now())

    assert status.progress is not None
    assert status.progress.percent == 99


async def test_a_failure_is_heard_though_a_beat_behind_it_was_heard_before() -> None:
    world = World()
    world.sessions.put(session_of())
    await world.run_until("ExportGranted")
    session = world.sessions.stored[KEY]
    beat, _ = late(session)
    before = replace(session, status=heard(session, [late(session)], world.clock.now()))
    failed = Failed(beat.job_id, 1, "TransferInterrupted", "no way", transient=True)
    overtaken = Header("event", beat.worker_id, beat.job_id, beat.sequence - 1)

    worker = heard(before, [(overtaken, failed)], world.clock.now()).worker

    assert worker is not None
    assert worker.failure is not None
    assert worker.failure.reason == "TransferInterrupted"
