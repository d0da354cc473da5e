"""The pipeline of a restore session: refused at its first step, so that nobody waits in silence."""

from __future__ import annotations

from vmbackup_operator.model.restore_session import RestoreSession
from vmbackup_operator.reconciling.outcome import Failed
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Step, Table, Taken

MESSAGE = (
    "this version restores by the command line: vmbackup repository restore; "
    "RestoreSessions are not carried out yet"
)


async def refuse(_ground: Ground, session: RestoreSession) -> Taken:
    """Say that restore sessions are not carried out."""
    return Taken(session.status, Failed("NotSupported", MESSAGE))


STEPS: Table[RestoreSession] = (Step("Accepted", refuse, decides_outcome=True),)
