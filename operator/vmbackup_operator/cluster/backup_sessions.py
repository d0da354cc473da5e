"""BackupSessions in Kubernetes, for their own steps and for the policies that make them.

Whoever lists them has *ended* know which of those that have ended are still there.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from vmbackup_operator.cluster.connection import Connection
from vmbackup_operator.cluster.objects import Objects
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.bounds import within_bounds
from vmbackup_operator.model.display import with_display
from vmbackup_operator.model.metadata import POLICY_LABEL, REPOSITORY_LABEL, ObjectKey
from vmbackup_operator.naming import repository_label
from vmbackup_operator.sessions.ended import EndedSessions


class StoredSessions:
    """Keeps the ports of sessions' own steps, of policies and of upkeep."""

    def __init__(self, connection: Connection, ended: EndedSessions | None = None) -> None:
        self._objects = Objects(connection, BackupSession)
        self._ended = EndedSessions() if ended is None else ended

    async def find(self, key: ObjectKey) -> BackupSession | None:
        """Return the session as stored, or None."""
        return await self._objects.find(key)

    async def of_policy(self, policy: ObjectKey) -> Sequence[BackupSession]:
        """Return every session with the policy's label in its namespace, ended ones too."""
        found = await self._objects.listed(
            policy.namespace, selectors={"labelSelector": f"{POLICY_LABEL}={policy.name}"}
        )
        self._ended.take_list(found, lambda each: each.policy == policy)
        return found

    async def of_repository(self, repository: ObjectKey) -> Sequence[BackupSession]:
        """Return every session that upkeep made for the repository, ended ones too."""
        label = f"{REPOSITORY_LABEL}={repository_label(repository.name)}"
        found = await self._objects.listed(repository.namespace, selectors={"labelSelector": label})
        # Of two repositories whose names are long the labels may be alike.
        return [
            each
            for each in found
            if each.spec.stored_in.key_from(each.metadata.namespace) == repository
        ]

    async def all(self) -> Sequence[BackupSession]:
        """Return every session, ended ones too."""
        found = await self._objects.listed()
        self._ended.take_list(found, lambda each: each.type != "Restore")
        return found

    async def unfinished(self) -> Sequence[BackupSession]:
        """Return every session without an outcome, read from the API server."""
        return await self._objects.listed(selectors={"fieldSelector": "status.outcome="})

    async def create(self, session: BackupSession) -> BackupSession:
        """Create the session; where one of that name is there, return that one unchanged."""
        return await self._objects.create(session)

    async def write_status(self, session: BackupSession) -> BackupSession:
        """Replace the status and return what is stored; raise Conflict where it was stale.

        Phase and columns are computed here, and texts cut to what the schema takes, so that nobody
        who writes a status has to think of it.
        """
        bounded = replace(session, status=within_bounds(session.status))
        return await self._objects.write_status(with_display(bounded))

    async def write_finalizers(self, session: BackupSession) -> BackupSession:
        """Replace ``metadata.finalizers`` alone and return what is stored; raise Conflict."""
        return await self._objects.write_finalizers(session)

    async def delete(self, session: BackupSession) -> None:
        """Delete the object if it is still the one with this uid; gone already is no error."""
        await self._objects.delete(session)
        self._ended.forget(session.key)
