"""BackupSession objects as the frame sees them: read from the API server, listed in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from typing_extensions import override

from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.sessions.allocator import Allocator
from vmbackup_operator.sessions.book import SessionBook
from vmbackup_operator.sessions.findings import region_of
from vmbackup_operator.sessions.ports import Sessions, StoredSessions


class BookedSessions(Sessions):
    """Keeps the picture as new as every read and write of ours, and wakes who waited.

    *stirred* is called whenever anything has happened to a session: what looks after workers and
    records without a session has a reason to look then, and hardly another.
    """

    def __init__(
        self,
        stored: StoredSessions,
        book: SessionBook,
        allocator: Allocator,
        stirred: Callable[[], None],
    ) -> None:
        self._stored = stored
        self._book = book
        self._allocator = allocator
        self._stirred = stirred

    def seen(self, session: BackupSession) -> bool:
        """Take in what the watch tells; return whether that is news.

        What is deleted goes with its last finalizer: watch and answer may come in either order.
        """
        if session.metadata.deletion_timestamp is not None and not session.metadata.finalizers:
            self.gone(session.metadata.key)
            return True
        news = self._book.note(session)
        if news:
            self._settle(session)
            self._stirred()
        return news

    def gone(self, key: ObjectKey) -> None:
        """Take in that the session has gone, or has ended: both leave what is watched."""
        known = self._book.forget(key)
        if known is not None:
            self._wake_others(known)
        self._stirred()

    def known(self, key: ObjectKey) -> BackupSession | None:
        """Return the unfinished session as it was last seen or written; nothing is asked for it."""
        return self._book.find(key)

    @override
    async def find(self, key: ObjectKey) -> BackupSession | None:
        session = await self._stored.find(key)
        if session is None:
            self.gone(key)
        else:
            self.seen(session)
        return session

    @override
    async def unfinished(self) -> Sequence[BackupSession]:
        return self._book.unfinished()

    @override
    async def write_status(self, session: BackupSession) -> BackupSession:
        written = await self._stored.write_status(session)
        self.seen(written)
        return written

    @override
    async def write_finalizers(self, session: BackupSession) -> BackupSession:
        written = await self._stored.write_finalizers(session)
        self.seen(written)
        return written

    def _settle(self, session: BackupSession) -> None:
        self._allocator.settle(session)
        if session.status.outcome is not None:
            self._wake_others(session)

    def _wake_others(self, session: BackupSession) -> None:
        """Have those looked at who waited for the session's VM or for its worker."""
        self._allocator.drop(session.metadata.key)
        self._allocator.wake_for_vm(session.spec.virtual_machine_id)
        region = region_of(session)
        if region is not None:
            self._allocator.wake_next(region)
