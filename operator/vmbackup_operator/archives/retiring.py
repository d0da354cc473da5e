"""RemainsRemoved: what a session has stored that made no point is garbage; also after failure."""

from __future__ import annotations

from vmbackup_core.errors import PermanentError
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.reconciling.outcome import Done
from vmbackup_operator.sessions.findings import run_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Taken
from vmbackup_operator.sessions.steps.repository import same_repository


async def retire_remains(ground: Ground, session: BackupSession) -> Taken:
    """Have the chains of a session without a point end: no later session would ever end them.

    What its worker stores after that is garbage as well.
    """
    status, run = session.status, run_of(session)
    ground.restore_works.pop(run, None)
    if status.recovery_point is not None:
        return Taken(status, Done(status.achieved))
    resolved = status.resolved
    if resolved is None or not resolved.disks:
        return Taken(status, Done("nothing was stored"))
    repository = await same_repository(ground, session)
    if not isinstance(repository, BackupRepository):
        return Taken(status, repository)
    disks = [each.unique_id for each in resolved.disks]
    try:
        waiting = await ground.archive_chains.retire(repository, run, disks)
    except PermanentError as error:
        if error.reason != "ChainInUse":
            raise
        # It was killed between the log and the status: what counts stays.
        return Taken(status, Done("the recovery point counts, and stays"))
    return Taken(status, waiting or Done("what was stored is garbage: prune deletes it"))
