"""The ids that one attempt to write a disk goes under: drawn just before they are used."""

from __future__ import annotations

import threading
from collections.abc import Callable

from vmbackup_core.ids import CommitSlot, RunId
from vmbackup_core.repository.data.tables import SessionRow
from vmbackup_core.repository.primitives.identities import WritingSession, draw
from vmbackup_core.stores.port import AlreadyStored

#: Whoever draws so often is answered by a store that says of every name that it is taken.
MOST_DRAWS = 8


class WritingIds:
    """Gives packs and index objects their session and number; several threads ask at once."""

    def __init__(
        self,
        slot: CommitSlot,
        run: RunId,
        epoch: int,
        drawn: Callable[[], str] = draw,
        *,
        most: int = MOST_DRAWS,
    ) -> None:
        self._slot = slot
        self._run = run
        self._epoch = epoch
        self._drawn = drawn
        self._most = most
        self._lock = threading.Lock()
        self._sessions: list[SessionRow] = []
        self._packs = self._indexes = 0

    @property
    def sessions(self) -> tuple[SessionRow, ...]:
        """All that were drawn, in order."""
        return tuple(self._sessions)

    def current(self) -> SessionRow:
        """Return the session that goes on now."""
        with self._lock:
            return self._current()

    def next_pack(self) -> tuple[SessionRow, int]:
        """Return the session and the number of another pack."""
        with self._lock:
            session, number = self._current(), self._packs
            self._packs += 1
            return session, number

    def next_index(self) -> tuple[SessionRow, int]:
        """Return the session and the number of another index object."""
        with self._lock:
            session, number = self._current(), self._indexes
            self._indexes += 1
            return session, number

    def give_up(self, session: SessionRow, taken: AlreadyStored) -> None:
        """Go on under another id than *session*'s, one of whose names is *taken* by other bytes.

        Raise *taken* where that has happened too often.
        """
        with self._lock:
            if self._current() != session:
                return  # another thread has met the same
            if len(self._sessions) >= self._most:
                raise taken
            self._draw()

    def _current(self) -> SessionRow:
        if not self._sessions:
            self._draw()
        return self._sessions[-1]

    def _draw(self) -> None:
        session = WritingSession(self._drawn())
        self._sessions.append(SessionRow(self._slot, session, self._run, self._epoch))
        self._packs = self._indexes = 0
