"""WorkerReleased: the worker is another session's, or deallocated; also after failure."""

from __future__ import annotations

import logging

from vmbackup_core.errors import VmbackupError
from vmbackup_operator.model.session import Session
from vmbackup_operator.naming import ArmId, environment_names, launch_command, worker_id
from vmbackup_operator.reconciling.outcome import Done, Waiting
from vmbackup_operator.sessions.findings import region_of, run_of, worker_region
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.remains import delete_all_queues
from vmbackup_operator.sessions.seen import Account, WorkerSeen, account_of
from vmbackup_operator.sessions.step import Answer, Taken
from vmbackup_operator.sessions.steps.conversing import delete_queues

log = logging.getLogger(__name__)


async def release_worker(ground: Ground, session: Session) -> Taken:
    """Give the worker back: deleted where it was abandoned, else kept for the next session."""
    worker = session.status.worker
    if worker is None:
        return Taken(session.status, await _stop_left(ground, session))
    await delete_queues(ground, session)
    if worker.abandoned:
        return Taken(session.status, await _delete_abandoned(ground, session))
    key = session.key
    holder = ground.allocator.leave(worker.id, key)
    if holder is not None:
        return Taken(session.status, Done(f"{worker.id} serves {holder}"))
    # Of every attempt: it may have been this worker's. Azure keeps at most 25 of them for a VM.
    for attempt in range(1, session.status.attempt + 1):
        command = launch_command(run_of(session), attempt)
        await ground.commands.delete(ArmId(worker.vm_id), command)
    region = region_of(session)
    waiting = None if region is None else ground.allocator.next_in(region)
    if waiting is not None:
        ground.allocator.left(worker.id, key)
        ground.wake(waiting)
        return Taken(session.status, Done(f"{worker.id} is left to {waiting}"))
    if not await ground.workers.deallocate(ArmId(worker.vm_id)):
        message = f"worker {worker.id} is being deallocated"
        return Taken(session.status, Waiting(ground.pacing.look_again_s, message))
    ground.allocator.left(worker.id, key)
    return Taken(session.status, Done(f"worker {worker.id} is deallocated"))


async def give_back_worker(ground: Ground, session: Session) -> None:
    """Take away what a launch left on the worker that its session gives back between two attempts.

    No attempt waits for it: what Azure refuses to delete, or an operator that is killed leaves,
    goes with the worker, or before the worker's next launch. Azure keeps at most 25 commands for a
    VM.
    """
    worker = session.status.worker
    if worker is None:
        return
    command = launch_command(run_of(session), worker.attempt)
    try:
        await delete_queues(ground, session)
        await ground.commands.delete(ArmId(worker.vm_id), command)
    except VmbackupError as error:
        log.warning("session %s, given back: %s", session.key, error)


async def _stop_left(ground: Ground, session: Session) -> Answer:
    """Deallocate workers that this run launched and that nothing names any more.

    A session that was made again without its status, or that gave its worker back between two
    attempts, knows none; their ids follow from the run id.
    """
    resolved, run_id = session.status.resolved, run_of(session)
    if resolved is None or (resolved.virtual_machine or resolved.worker_region) is None:
        return Done("there was no worker")
    appliance = ground.settings.appliance
    names = environment_names(appliance.id, appliance.subscription_id, worker_region(session))
    existing = await ground.workers.of_group(appliance.subscription_id, names.resource_group)
    own = {worker_id(run_id, attempt) for attempt in range(1, session.spec.retry_limit + 2)}
    left = [each for each in existing if each.id in own and each.state != "deallocated"]
    for stopped_before in own - {each.id for each in left}:
        # It was marked when it was being stopped.
        ground.allocator.left(stopped_before, session.key)
    stopped = [await _stop(ground, session, each) for each in left]
    if not all(stopped):
        return Waiting(ground.pacing.look_again_s, "a worker of this run is being deallocated")
    return Done(f"{len(left)} workers of this run are deallocated" if left else "it holds none")


async def _stop(ground: Ground, session: Session, worker: WorkerSeen) -> bool:
    """Deallocate the worker unless it was given to another session; tell whether that is over."""
    if ground.allocator.leave(worker.id, session.key) is not None:
        return True
    home = await _home_of(ground, session)
    if home is not None:
        await delete_all_queues(ground, home, worker.id)
    # Which attempt launched it last is not known any more.
    for attempt in range(1, session.spec.retry_limit + 2):
        await ground.commands.delete(worker.vm_id, launch_command(run_of(session), attempt))
    stopped = await ground.workers.deallocate(worker.vm_id)
    if stopped:
        ground.allocator.left(worker.id, session.key)
    return stopped


async def _home_of(ground: Ground, session: Session) -> Account | None:
    """Return the account of the queues, as it was recorded or is known; None where it is neither.

    A record of what is to be undone was written before the session knew it. What is left of them
    then goes with the worker, once that is idle for too long.
    """
    resolved = session.status.resolved
    environment = None if resolved is None else resolved.environment
    if environment is not None and environment.home_storage_account_id is not None:
        return account_of(ArmId(environment.home_storage_account_id))
    home = await ground.regions.recall_home()
    return None if isinstance(home, Waiting) else home.account


async def _delete_abandoned(ground: Ground, session: Session) -> Answer:
    worker = session.status.worker
    if worker is None:
        return Done()
    if not await ground.workers.delete(ArmId(worker.vm_id)):
        return Waiting(ground.pacing.look_again_s, f"worker {worker.id} is being deleted")
    ground.allocator.left(worker.id, session.key)
    return Done(f"worker {worker.id} is deleted")
