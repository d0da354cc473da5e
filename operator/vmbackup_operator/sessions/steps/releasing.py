"""WorkerReleased: the worker is another session's, or deallocated; also after failure."""

from __future__ import annotations

from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.naming import ArmId, launch_command
from vmbackup_operator.reconciling.outcome import Done, Waiting
from vmbackup_operator.sessions.findings import run_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.seen import account_of
from vmbackup_operator.sessions.sharing import next_waiting
from vmbackup_operator.sessions.step import Answer, Taken


async def release_worker(ground: Ground, session: BackupSession) -> Taken:
    """Give the worker back: deleted where it was abandoned, else kept for the next session."""
    worker = session.status.worker
    if worker is None:
        return Taken(session.status, Done("there was no worker"))
    if worker.abandoned:
        return Taken(session.status, await _deleted(ground, session))
    unfinished = await ground.sessions.unfinished()
    for other in unfinished:
        theirs = other.status.worker
        own = other.metadata.key == session.metadata.key
        if not own and theirs is not None and theirs.id == worker.id:
            return Taken(session.status, Done(f"{worker.id} serves {other.metadata.key}"))
    waiting = next_waiting(unfinished, session)
    await ground.commands.delete(
        ArmId(worker.vm_id), launch_command(run_of(session), worker.attempt)
    )
    if waiting is not None:
        ground.wake(waiting.metadata.key)
        return Taken(session.status, Done(f"{worker.id} is left to {waiting.metadata.key}"))
    if not await ground.workers.deallocate(ArmId(worker.vm_id)):
        message = f"worker {worker.id} is being deallocated"
        return Taken(session.status, Waiting(ground.pacing.look_again_s, message))
    return Taken(session.status, Done(f"worker {worker.id} is deallocated"))


async def _deleted(ground: Ground, session: BackupSession) -> Answer:
    worker = session.status.worker
    if worker is None:
        return Done()
    if not await ground.workers.delete(ArmId(worker.vm_id)):
        return Waiting(ground.pacing.look_again_s, f"worker {worker.id} is being deleted")
    resolved = session.status.resolved
    environment = None if resolved is None else resolved.environment
    if environment is not None and environment.home_storage_account_id is not None:
        # From what was recorded: undoing asks nobody what the home region is.
        home = account_of(ArmId(environment.home_storage_account_id))
        await ground.queues.delete(home, worker.jobs_queue)
    return Done(f"worker {worker.id} is deleted")
