"""RestoreSessions: said to be unsupported, so that nobody waits for one in silence."""

from __future__ import annotations

from typing import Protocol

from msgspec.structs import replace

from vmbackup_core.clock import Clock
from vmbackup_operator.model.conditions import Statement, with_condition
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.restore_session import RestoreSession
from vmbackup_operator.reconciling.outcome import Done, Outcome

MESSAGE = (
    "this version restores by the command line: vmbackup repository restore; "
    "RestoreSessions are not carried out yet"
)


class RestoreSessions(Protocol):
    """RestoreSession objects."""

    async def find(self, key: ObjectKey) -> RestoreSession | None:
        """Return the session as stored, or None."""

    async def write_status(self, session: RestoreSession, /) -> RestoreSession:
        """Replace the status and return what is stored; raise Conflict where it was stale."""


class RestoreReconciler:
    """Answers each RestoreSession."""

    def __init__(self, appliance_id: str, clock: Clock, sessions: RestoreSessions) -> None:
        self._appliance_id = appliance_id
        self._clock = clock
        self._sessions = sessions

    async def reconcile(self, key: ObjectKey) -> Outcome:
        """Say that the session is not carried out."""
        session = await self._sessions.find(key)
        if session is None or session.status.appliance_id not in {None, self._appliance_id}:
            return Done()
        status, generation = session.status, session.metadata.generation
        said = Statement("Stalled", "True", "NotSupported", MESSAGE)
        status = replace(
            status,
            appliance_id=self._appliance_id,
            observed_generation=generation,
            message=MESSAGE,
            conditions=with_condition(
                status.conditions, said, now=self._clock.now(), generation=generation
            ),
        )
        if status != session.status:
            await self._sessions.write_status(replace(session, status=status))
        return Done()
