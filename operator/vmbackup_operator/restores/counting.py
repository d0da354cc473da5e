"""The point that a session brings back, as its repository has it at this moment."""

from __future__ import annotations

from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.restore_session import RestoreSession
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Failed
from vmbackup_operator.sessions.findings import restored_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.seen import PointSeen
from vmbackup_operator.sessions.step import Answer
from vmbackup_operator.sessions.steps.repository import same_repository


async def find_counted(ground: Ground, session: RestoreSession) -> PointSeen | Answer:
    """Return the session's point, or what is to be waited for, or that it counts no longer."""
    repository = await same_repository(ground, session)
    if not isinstance(repository, BackupRepository):
        return repository
    named = restored_of(session).recovery_point
    point = await ground.points.find(repository, ArmId(named.virtual_machine_id), named.run_id)
    if point is None:
        message = f"recovery point {named.run_id} has stopped to count: it has expired"
        return Failed("RecoveryPointExpired", message)
    return point
