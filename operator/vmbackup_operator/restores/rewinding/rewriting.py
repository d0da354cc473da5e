"""DisksAttached to WorkerReleased: a worker makes disks of today into those of the point.

While a disk is attached to it the worker is this session's alone: an attempt that fails meanwhile
abandons it, so that it is deleted and nobody else is given it.
"""

from __future__ import annotations

from msgspec.structs import replace

from vmbackup_core.errors import LostAttempt
from vmbackup_operator.model.display import amount, counted
from vmbackup_operator.model.restore_session import RestoreSession
from vmbackup_operator.model.session import Session
from vmbackup_operator.model.session_findings import JobFailure, SessionWorker
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Done, Waiting
from vmbackup_operator.restores.giving import Target, give_restore_job
from vmbackup_operator.restores.planned import is_written
from vmbackup_operator.restores.rewinding.stopping import LOOK_AGAIN_S, refuse_started
from vmbackup_operator.sessions.findings import (
    restored_of,
    rewound_of,
    worker_of,
)
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.results import owes_result
from vmbackup_operator.sessions.step import Taken, TryAgain
from vmbackup_operator.sessions.steps.jobs import (
    follow_worker,
    judge_failure,
)
from vmbackup_operator.sessions.steps.releasing import release_worker

#: What another worker mends, whatever this one says of it.
_ON_ANOTHER = frozenset({"DiskDiffers", "DiskInUse", "DiskNotAttached"})


async def attach_disks(ground: Ground, session: RestoreSession) -> Taken:
    """Have the new disks be the worker's data disks, in their order; no other one has them."""
    if is_written(session):
        return Taken(session.status, Done("their content is whole"))
    refused = await refuse_started(ground, session)
    if refused is not None:
        return Taken(session.status, refused)
    worker = worker_of(session)
    disks = [ArmId(each.disk_id) for each in rewound_of(session).disks]
    try:
        attached = await ground.worker_disks.attach(ArmId(worker.vm_id), dict(enumerate(disks)))
    except LostAttempt as error:
        return Taken(session.status, _on_another(error))
    if attached:
        return Taken(session.status, Done(f"{counted(len(disks), 'disk')} of {worker.id}"))
    message = f"Azure attaches the disks to worker {worker.id}"
    return Taken(session.status, Waiting(LOOK_AGAIN_S, message))


async def rewrite_disks(ground: Ground, session: RestoreSession) -> Taken:
    """Give the worker its job and wait for its result; replace it where it has fallen silent."""
    status, disks = session.status, restored_of(session).disks
    if not owes_result(session):
        written = sum(each.written_bytes or 0 for each in disks)
        return Taken(status, Done(f"{counted(len(disks), 'disk')}: {amount(written)} differed"))
    refused = await refuse_started(ground, session)
    if refused is not None:
        return Taken(status, refused)
    try:
        worker = await follow_worker(ground, session, _doing(session), _judge)
        if isinstance(worker, Taken):
            return worker
        return await give_restore_job(ground, session, _at_luns, _doing(session))
    except LostAttempt as error:
        return Taken(status, _on_another(error))


async def detach_disks(ground: Ground, session: RestoreSession) -> Taken:
    """Have no worker hold a disk of the session, whichever it is: none may be on record."""
    rewound = session.status.rewound
    disks = () if rewound is None else rewound.disks
    if await ground.worker_disks.detach([ArmId(each.disk_id) for each in disks]):
        return Taken(session.status, Done("no worker holds a disk of this session"))
    return Taken(session.status, Waiting(LOOK_AGAIN_S, "Azure detaches the disks"))


async def release_writer(ground: Ground, session: RestoreSession) -> Taken:
    """Give the worker back, and hold none while a word is waited for."""
    taken = await release_worker(ground, session)
    if not isinstance(taken.answer, Done):
        return taken
    return Taken(replace(taken.status, worker=None), taken.answer)


async def _at_luns(_ground: Ground, session: RestoreSession) -> list[Target]:
    """Return the LUNs that the disks were attached at, in their order."""
    return [Target(lun=lun) for lun, _ in enumerate(restored_of(session).disks)]


def _judge(ground: Ground, session: Session, worker: SessionWorker, failure: JobFailure) -> Taken:
    """Judge the job's failure: what another attempt may mend, another worker does."""
    taken = judge_failure(ground, session, worker, failure, _ON_ANOTHER)
    if not isinstance(taken.answer, TryAgain):
        return taken
    again = TryAgain(taken.answer.reason, taken.answer.message, abandons_worker=True)
    return Taken(taken.status, again)


def _on_another(error: LostAttempt) -> TryAgain:
    return TryAgain(error.reason, str(error), abandons_worker=True)


def _doing(session: RestoreSession) -> str:
    return f"writes what differs of {counted(len(restored_of(session).disks), 'disk')}"
