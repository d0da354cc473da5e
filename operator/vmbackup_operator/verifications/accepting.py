"""Accepted: whether the session may read the repository back, and whether anything is due there."""

from __future__ import annotations

from msgspec.structs import replace

from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.backup_session import BackupSession, VerifySpec
from vmbackup_operator.model.session_findings import Resolved, Verified
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Done, Failed, Waiting
from vmbackup_operator.sessions.findings import run_of, worker_region
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Answer, Taken
from vmbackup_operator.sessions.steps.admitting import (
    begun_too_late,
    ready_repository,
    resolved_repository,
    scope_refused,
)
from vmbackup_operator.sessions.undo_record import UndoRecord
from vmbackup_operator.verifications.asking import next_work
from vmbackup_operator.verifications.judging import concluded, judge_answer, verified_of
from vmbackup_operator.verifications.retained import Retained, find_retained

#: What is said where the session has nothing to read.
NOTHING_DUE = "nothing of this VM is due to be read back"


async def accept(ground: Ground, session: BackupSession) -> Taken:
    """Check the session, record where it reads and works, and end it where nothing is due."""
    refused = _refusal(ground, session)
    if refused is not None:
        return Taken(session.status, refused)
    repository = await _owned_repository(ground, session)
    if not isinstance(repository, BackupRepository):
        return Taken(session.status, repository)
    home = await ground.regions.ensure_home({ArmId(repository.spec.storage_account_id)})
    if isinstance(home, Waiting):
        return Taken(session.status, home)
    if session.status.resolved is None:
        late = begun_too_late(session)
        if late is not None:
            return Taken(session.status, late)
        return await _resolve(ground, session, repository)
    # Before anything is held: whoever takes the finalizer off takes nothing of it away.
    await ground.undo_records.keep(record_of(session))
    return await _look_for_work(ground, session, repository)


def record_of(session: BackupSession) -> UndoRecord:
    """Return what is written down of the session: it holds manifests, and may have a worker."""
    status = session.status
    if status.resolved is None:
        raise AssertionError(f"{session.metadata.key} was not accepted")
    return UndoRecord(
        session=session.metadata.key,
        uid=session.metadata.uid,
        run_id=run_of(session),
        virtual_machine_id=session.spec.virtual_machine_id,
        resolved=status.resolved,
        retry_limit=session.spec.retry_limit,
        type="Verify",
        repository=session.spec.stored_in.key_from(session.metadata.namespace),
    )


def _refusal(ground: Ground, session: BackupSession) -> Failed | None:
    """Return why the session's namespace may not; whoever keeps the repository may read it back."""
    namespace = session.metadata.namespace
    if session.spec.stored_in.key_from(namespace).namespace == namespace:
        return None
    return scope_refused(ground, session)


async def _owned_repository(ground: Ground, session: BackupSession) -> BackupRepository | Answer:
    """Return the repository that is ready; one that is another's is read back by its owner."""
    repository = await ready_repository(ground, session)
    if isinstance(repository, Waiting) and repository.reason == "ReadOnly":
        return Failed(repository.reason, repository.message)
    return repository


async def _resolve(ground: Ground, session: BackupSession, repository: BackupRepository) -> Taken:
    """Record the repository, and that the worker runs beside it; the VM need not exist.

    Where blocks are compared with snapshots it runs in their region: exports do not leave it.
    """
    wanted, retained = session.spec.verify or VerifySpec(), Retained()
    if wanted.sample_per_disk:
        found = await find_retained(ground, session, repository)
        if isinstance(found, Waiting):
            return Taken(session.status, found)
        retained = found
    resolved = Resolved(
        worker_region=retained.region or repository.spec.region,
        repository=resolved_repository(repository),
        retained=retained.members,
    )
    verified = Verified(unsampled=retained.why)
    status = replace(session.status, resolved=resolved, verified=verified)
    return Taken(status, Waiting(0, "what is due is looked for"))


async def _look_for_work(
    ground: Ground, session: BackupSession, repository: BackupRepository
) -> Taken:
    work = await next_work(ground, session, repository)
    if isinstance(work, Waiting):
        return Taken(session.status, work)
    if work is None:
        return _without_worker(session)
    if not work.is_for_worker:  # all that is due can be judged by the listing
        return await judge_answer(ground, session, repository, work, None)
    region = worker_region(session)
    return Taken(session.status, Done(f"{repository.metadata.key} is read back in {region}"))


def _without_worker(session: BackupSession) -> Taken:
    """Return that nothing is left for a worker, with what came of all that was due."""
    verified = verified_of(session)
    if verified.cursor:
        status = concluded(session)
        return Taken(status, Done(status.achieved))
    status = replace(session.status, verified=replace(verified, conclusion=NOTHING_DUE))
    return Taken(status, Done(NOTHING_DUE))
