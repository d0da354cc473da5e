"""Sessions as the frame sees them: read from the API server, listed in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic

from typing_extensions import override

from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.metadata import FINALIZER, ObjectKey
from vmbackup_operator.model.restore_session import RestoreKey, RestoreSession
from vmbackup_operator.model.session import AnySession, Session
from vmbackup_operator.sessions.allocator import Allocator
from vmbackup_operator.sessions.book import SessionBook
from vmbackup_operator.sessions.findings import claimed_vm, region_of
from vmbackup_operator.sessions.ports import Sessions, StoredSessions


class BookedSessions(Generic[AnySession]):
    """Keeps the picture as new as every read and write of one kind, and wakes who waited.

    *stirred* is called whenever anything has happened to a session: what looks after workers and
    records without a session has a reason to look then, and hardly another.
    """

    def __init__(
        self,
        kind: type[AnySession],
        stored: StoredSessions[AnySession],
        book: SessionBook,
        allocator: Allocator,
        stirred: Callable[[], None],
    ) -> None:
        self._kind = kind
        self._stored = stored
        self._book = book
        self._allocator = allocator
        self._stirred = stirred

    def seen(self, session: AnySession) -> bool:
        """Take in what the watch tells; return whether that is news.

        What is deleted goes with its last finalizer: watch and answer may come in either order.
        """
        if session.metadata.deletion_timestamp is not None and not session.metadata.finalizers:
            self._gone_for_good(session.metadata.key)
            return True
        news = self._book.note(session)
        if news:
            self._settle(session)
            self._stirred()
        return news

    def gone(self, key: ObjectKey) -> None:
        """Take in that the session has gone, or has ended: both leave what is watched."""
        known: Session | None = self._book.forget(self._kind.key_at(key))
        if known is not None:
            self._wake_others(known)
        self._stirred()

    def known(self, key: ObjectKey) -> AnySession | None:
        """Return the unfinished session as it was last seen or written; nothing is asked for it."""
        known = self._book.find(self._kind.key_at(key))
        return known if isinstance(known, self._kind) else None

    async def find(self, key: ObjectKey) -> AnySession | None:
        """Return the session as stored, or None."""
        session = await self._stored.find(key)
        if session is None:
            self._gone_for_good(key)
        else:
            self.seen(session)
        return session

    async def write_status(self, session: AnySession) -> AnySession:
        """Replace the status and return what is stored; raise Conflict where it was stale."""
        written = await self._stored.write_status(session)
        self.seen(written)
        return written

    async def write_finalizers(self, session: AnySession) -> AnySession:
        """Replace ``metadata.finalizers`` alone and return what is stored; raise Conflict."""
        written = await self._stored.write_finalizers(session)
        self.seen(written)
        return written

    def _gone_for_good(self, key: ObjectKey) -> None:
        """Take in that the session's object is there no more."""
        self._book.ended.forget(self._kind.key_at(key))
        self._allocator.all_left(self._kind.key_at(key))
        self.gone(key)

    def _settle(self, session: AnySession) -> None:
        self._allocator.settle(session)
        if session.status.outcome is None:
            return
        if FINALIZER not in session.metadata.finalizers:
            self._allocator.all_left(session.key)
        self._wake_others(session)

    def _wake_others(self, session: Session) -> None:
        """Have those looked at who waited for the session's VM or for its worker."""
        self._allocator.drop(session.key)
        vm_id = claimed_vm(session)
        if vm_id is not None:
            self._allocator.wake_for_vm(vm_id)
        self._allocator.wake_in_namespace(session.metadata.namespace)
        region = region_of(session)
        if region is not None:
            self._allocator.wake_next(region)


class SessionsOfAllKinds(Sessions):
    """The sessions of every kind together, each by the key that tells it from all others.

    Without *restores* there are none.
    """

    def __init__(
        self,
        backups: BookedSessions[BackupSession],
        restores: BookedSessions[RestoreSession] | None = None,
    ) -> None:
        self._backups = backups
        self._restores = restores

    def known(self, key: ObjectKey) -> Session | None:
        """Return the unfinished session as it was last seen or written; nothing is asked for it."""
        if isinstance(key, RestoreKey):
            return None if self._restores is None else self._restores.known(key)
        return self._backups.known(key)

    @override
    async def find(self, key: ObjectKey) -> Session | None:
        if isinstance(key, RestoreKey):
            return None if self._restores is None else await self._restores.find(key.at)
        return await self._backups.find(key)

    @override
    async def write_status(self, session: Session) -> Session:
        match session:
            case RestoreSession() if self._restores is not None:
                return await self._restores.write_status(session)
            case BackupSession():
                return await self._backups.write_status(session)
            case _:
                raise AssertionError(f"nobody stores a {session.kind}")
