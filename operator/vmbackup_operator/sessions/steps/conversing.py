"""The two queues of a launch: the ways that a worker is given to them, and their end."""

from __future__ import annotations

from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import LaunchNonce
from vmbackup_core.protocol import ConversationAccess, LaunchKey
from vmbackup_operator.model.session import Session
from vmbackup_operator.model.session_findings import SessionWorker
from vmbackup_operator.naming import ArmId, launch_messages
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.seen import Account, account_of


async def conversation(
    ground: Ground, account: Account, worker: SessionWorker
) -> ConversationAccess:
    """Return ways to the worker's two queues that are good for a while."""
    until = ground.credentials_until()
    jobs = await ground.signatures.queue(account, worker.jobs_queue, "take", until)
    events = await ground.signatures.queue(account, worker.events_queue, "send", until)
    return ConversationAccess(jobs_url=jobs.value, events_url=events.value)


def launch_of(ground: Ground, worker: SessionWorker) -> tuple[LaunchNonce, LaunchKey]:
    """Return the launch's nonce and key; raise PermanentError where its ring key was taken out."""
    if worker.launch is None:
        raise AssertionError(f"worker {worker.id} has not been launched")
    key = ground.ring.launch_key(worker.key_id, worker.id, worker.launch)
    if key is None:
        detail = f"worker {worker.id} was launched under key {worker.key_id!r}"
        raise PermanentError(
            f"{detail}, which the appliance's key ring does not hold any more: put it back into the"
            " Secret until the session has ended",
            reason="KeyRingIncomplete",
        )
    return worker.launch, key


def listen_to_worker(ground: Ground, session: Session, worker: SessionWorker) -> None:
    """Hear the session's worker; raise PermanentError where what it says can't be opened."""
    launch_of(ground, worker)
    ground.listen(session)


async def delete_queues(ground: Ground, session: Session) -> None:
    """Delete the queues of the launch that the session had, and the blobs of their messages.

    No SAS for them opens anything then. It goes by what was recorded: undoing asks nobody what the
    home region is.
    """
    worker, resolved = session.status.worker, session.status.resolved
    environment = None if resolved is None else resolved.environment
    home = None if environment is None else environment.home_storage_account_id
    if worker is None or worker.launch is None or home is None:
        return
    account = account_of(ArmId(home))
    for queue in (worker.jobs_queue, worker.events_queue):
        await ground.queues.delete(account, queue)
    await ground.queues.delete_spilled(account, launch_messages(worker.id, worker.launch))
