"""RestoreSessions in Kubernetes, for their own steps."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from vmbackup_operator.cluster.connection import Connection
from vmbackup_operator.cluster.objects import Objects
from vmbackup_operator.model.bounds import within_bounds
from vmbackup_operator.model.display import with_display
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.restore_session import RestoreSession
from vmbackup_operator.sessions.ended import EndedSessions


class StoredRestores:
    """Keeps the port of restores' own steps."""

    def __init__(self, connection: Connection, ended: EndedSessions | None = None) -> None:
        self._objects = Objects(connection, RestoreSession)
        self._ended = EndedSessions() if ended is None else ended

    async def find(self, key: ObjectKey) -> RestoreSession | None:
        """Return the session as stored, or None."""
        return await self._objects.find(key)

    async def all(self) -> Sequence[RestoreSession]:
        """Return every session, ended ones too."""
        found = await self._objects.listed()
        self._ended.take_list(found, lambda each: each.type == "Restore")
        return found

    async def write_status(self, session: RestoreSession) -> RestoreSession:
        """Replace the status and return what is stored; raise Conflict where it was stale.

        Phase and columns are computed here, and texts cut to what the schema takes.
        """
        bounded = replace(session, status=within_bounds(session.status))
        return await self._objects.write_status(with_display(bounded))

    async def write_finalizers(self, session: RestoreSession) -> RestoreSession:
        """Replace ``metadata.finalizers`` alone and return what is stored; raise Conflict."""
        return await self._objects.write_finalizers(session)
