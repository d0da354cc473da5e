"""DataRestored: a worker writes what the recovery point holds into the disks."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from vmbackup_operator.model.display import amount, counted
from vmbackup_operator.model.restore_session import RestoredDisk, RestoreSession
from vmbackup_operator.model.session import Session
from vmbackup_operator.model.session_findings import JobFailure, SessionWorker
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Done
from vmbackup_operator.restores.giving import Target, give_restore_job
from vmbackup_operator.restores.granting import grants_of
from vmbackup_operator.sessions.findings import (
    restored_of,
)
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.results import owes_result
from vmbackup_operator.sessions.step import Taken
from vmbackup_operator.sessions.steps.jobs import (
    follow_worker,
    judge_failure,
)

#: What another attempt mends, whatever the worker says of it: a disk whose upload was ended, or
#: that is not as large as it was asked for, is made anew.
_MADE_ANEW = frozenset({"UploadRefused"})


async def restore_data(ground: Ground, session: RestoreSession) -> Taken:
    """Give the worker its job and wait for its result; replace it where it has fallen silent."""
    status = session.status
    if not owes_result(session):
        return Taken(status, Done(_written(session)))
    judge = partial(_judge, restored_of(session).disks)
    worker = await follow_worker(ground, session, _writing(session), judge)
    if isinstance(worker, Taken):
        return worker
    return await give_restore_job(ground, session, _at_urls, _writing(session))


def _judge(
    disks: Iterable[RestoredDisk],
    ground: Ground,
    session: Session,
    worker: SessionWorker,
    failure: JobFailure,
) -> Taken:
    """Judge the job's failure; its SAS are asked for anew: Azure gives the same ones, or none."""
    for disk in disks:
        ground.grants.pop(ArmId(disk.disk_id), None)
    return judge_failure(ground, session, worker, failure, _MADE_ANEW)


def _written(session: RestoreSession) -> str:
    disks = restored_of(session).disks
    total = sum(each.written_bytes or 0 for each in disks)
    return f"written: {counted(len(disks), 'disk')}, {amount(total)}"


def _writing(session: RestoreSession) -> str:
    return f"writes {counted(len(restored_of(session).disks), 'disk')}"


async def _at_urls(ground: Ground, session: RestoreSession) -> list[Target] | Taken:
    """Return the ways to write each disk."""
    grants = await grants_of(ground, session)
    if isinstance(grants, Taken):
        return grants
    return [Target(url=grants[ArmId(each.disk_id)].value) for each in restored_of(session).disks]
