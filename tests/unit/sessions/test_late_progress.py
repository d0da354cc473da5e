"""What a worker says of a job that has ended changes nothing: its beat may be behind the end."""

from __future__ import annotations

from tests.unit.restores.restoring_worlds import RESTORE, restoring_world
from tests.worlds.memory_world import World
from tests.worlds.samples import KEY, session_of
from vmbackup_core.protocol import Header, Progress
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
