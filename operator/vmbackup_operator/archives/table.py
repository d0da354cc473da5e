"""The pipeline of an archive session: refused at its first step."""

from __future__ import annotations

from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.reconciling.outcome import Failed
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Step, Table, Taken
from vmbackup_operator.sessions.steps.releasing import release_worker
from vmbackup_operator.sessions.steps.revoking import revoke_access


async def refuse(_ground: Ground, session: BackupSession) -> Taken:
    """Say that archive sessions are not carried out."""
    message = f"sessions of type {session.spec.type} are not supported yet"
    return Taken(session.status, Failed("NotSupported", message))


STEPS: Table[BackupSession] = (
    Step("Accepted", refuse),
    Step("AccessRevoked", revoke_access, even_after_failure=True, decides_outcome=True),
    Step("WorkerReleased", release_worker, even_after_failure=True),
)
