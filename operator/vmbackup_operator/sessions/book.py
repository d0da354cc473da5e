"""The picture of all unfinished sessions, by worker, VM and region: one for the whole operator.

It is fed by the watch and by our own writes, whichever is newer, so that nothing asks the API
server for lists. An ended session is no longer in it, but for what metrics tell (`ended`). What is
decided for one session looks at those that it may compete with, and never at all of them: there may
be thousands.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from vmbackup_core.ids import WorkerId
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.conditions import is_true
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.session import Session
from vmbackup_operator.sessions.deadlines import WORKER_BUSY
from vmbackup_operator.sessions.ended import EndedSessions
from vmbackup_operator.sessions.findings import earlier_snapshots, region_of, waits_with, ways_of
from vmbackup_operator.sessions.workers_past import WorkersPast

Word = TypeVar("Word", bound=Hashable)


class _Index(Generic[Word]):
    """Keys by one thing that their sessions have, or have not."""

    def __init__(self) -> None:
        self._keys: dict[Word, set[ObjectKey]] = {}

    def add(self, word: Word | None, key: ObjectKey) -> None:
        if word is not None:
            self._keys.setdefault(word, set()).add(key)

    def discard(self, word: Word | None, key: ObjectKey) -> None:
        if word is None or word not in self._keys:
            return
        self._keys[word].discard(key)
        if not self._keys[word]:
            del self._keys[word]

    def has(self, word: Word) -> bool:
        return word in self._keys

    def of(self, word: Word) -> Sequence[ObjectKey]:
        return tuple(self._keys.get(word, ()))

    def pairs(self) -> Iterator[tuple[Word, ObjectKey]]:
        return ((word, key) for word, keys in self._keys.items() for key in keys)


class SessionBook:
    """Unfinished sessions as last seen; lives in one event loop and never waits."""

    def __init__(self) -> None:
        self._sessions: dict[ObjectKey, Session] = {}
        self._by_vm = _Index[str]()
        self._by_namespace = _Index[str]()
        self._by_run = _Index[str]()
        self._by_worker = _Index[WorkerId]()
        #: Those that wait until a worker is free, by the region whose workers they may use.
        self._waiting = _Index[str]()
        self._exporting = _Index[bool]()
        self._by_snapshot = _Index[str]()
        #: What workers wrote, for sessions that have ended too.
        self.past = WorkersPast()
        #: What is told of sessions that have ended.
        self.ended = EndedSessions()

    def note(self, session: Session) -> bool:
        """Take the session as it is stored; tell whether that is news.

        What was known already, an echo of our own write among it, is none, and neither is
        what is older: watch and writes overtake each other.
        """
        key = session.key
        known = self._sessions.get(key)
        if known is not None and not _is_newer(session, known):
            return False
        if isinstance(session, BackupSession):
            self.past.note(session)
        self.ended.note(session)
        if session.status.outcome is None:
            self._list(session)
            self._unlist_words(known, session)
        elif known is not None:
            self._unlist(known)
        return True

    def forget(self, key: ObjectKey) -> Session | None:
        """Drop the session, which has ended or has gone; return what was known of it."""
        known = self._sessions.get(key)
        if known is not None:
            self._unlist(known)
        return known

    def find(self, key: ObjectKey) -> Session | None:
        """Return the unfinished session, or None."""
        return self._sessions.get(key)

    def unfinished(self) -> Sequence[Session]:
        """Return every session without an outcome."""
        return list(self._sessions.values())

    def of_vm(self, vm_id: str) -> Iterator[Session]:
        """Return the unfinished sessions of the VM, compared without case."""
        return self._found(self._by_vm.of(folded(vm_id)))

    def of_namespace(self, namespace: str) -> Iterator[Session]:
        """Return the unfinished sessions whose objects are in the namespace."""
        return self._found(self._by_namespace.of(namespace))

    def of_run(self, run_id: str) -> Iterator[Session]:
        """Return the unfinished sessions of the run: one, or none."""
        return self._found(self._by_run.of(run_id))

    def names(self, snapshot_id: str) -> bool:
        """Tell whether an unfinished session takes, exports or goes on from the snapshot."""
        return self._by_snapshot.has(folded(snapshot_id))

    def naming(self, snapshot_id: str) -> Iterator[Session]:
        """Return the unfinished sessions that take, export or go on from the snapshot."""
        return self._found(self._by_snapshot.of(folded(snapshot_id)))

    def goes_on(self, run_id: str) -> bool:
        """Tell whether a session of the run is unfinished."""
        return self._by_run.has(run_id)

    def has_run(self, run_id: str) -> bool:
        """Tell whether a session of the run is unfinished; may be asked from any thread."""
        return self._by_run.has(run_id)

    def served_by(self, worker: WorkerId) -> Iterator[Session]:
        """Return the unfinished sessions that *worker* serves: one, or none."""
        return self._found(self._by_worker.of(worker))

    def holders(self) -> dict[WorkerId, ObjectKey]:
        """Return each worker that an unfinished session has, with that session."""
        return dict(self._by_worker.pairs())

    def waiting_for_worker(self, region: str) -> dict[ObjectKey, Session]:
        """Return the unfinished sessions that wait until a worker of the region is free."""
        return {key: self._sessions[key] for key in self._waiting.of(region)}

    def exporting(self) -> Iterator[Session]:
        """Return the unfinished sessions that were allotted exports."""
        return self._found([key for _, key in self._exporting.pairs()])

    def _found(self, keys: Sequence[ObjectKey]) -> Iterator[Session]:
        return (self._sessions[key] for key in keys)

    def _list(self, session: Session) -> None:
        key = session.key
        self._sessions[key] = session
        for index, word in self._words(session):
            index.add(word, key)

    def _unlist(self, session: Session) -> None:
        key = session.key
        del self._sessions[key]
        for index, word in self._words(session):
            index.discard(word, key)

    def _unlist_words(self, known: Session | None, session: Session) -> None:
        """Drop what *known* was found by and *session*, which is listed, is not.

        What both have stays all the time: another thread may ask just then (`has_run`).
        """
        if known is None:
            return
        there = self._words(session)
        for index, word in self._words(known):
            if (index, word) not in there:
                index.discard(word, session.key)

    def _words(self, session: Session) -> list[tuple[_Index[Any], Hashable]]:
        """Return by what the session is found, and in which index."""
        status = session.status
        return [
            (self._by_vm, _vm_of(session)),
            (self._by_namespace, session.metadata.namespace),
            (self._by_run, status.run_id),
            (self._by_worker, _worker_of(session)),
            (self._waiting, _region_waited_in(session)),
            (self._exporting, any(True for _ in ways_of(session)) or None),
            *((self._by_snapshot, snapshot_id) for snapshot_id in _snapshots_of(session)),
        ]


def _worker_of(session: Session) -> WorkerId | None:
    worker = session.status.worker
    return None if worker is None else worker.id


def _vm_of(session: Session) -> str | None:
    """Return the VM that is backed up or read back; a restore leaves the one it came from alone."""
    return folded(session.spec.virtual_machine_id) if isinstance(session, BackupSession) else None


def _snapshots_of(session: Session) -> set[str]:
    taken = session.status.snapshot_set if isinstance(session, BackupSession) else ()
    members = (each.snapshot_id for each in taken)
    exports = (each.snapshot_id for each in session.status.exports)
    named = (*members, *exports, *earlier_snapshots(session))
    return {folded(snapshot_id) for snapshot_id in named}


def _region_waited_in(session: Session) -> str | None:
    if session.status.worker is not None or is_true(session.status.conditions, "FailureTarget"):
        return None
    return region_of(session) if waits_with(session, WORKER_BUSY, "WorkerReady") else None


def _is_newer(session: Session, known: Session) -> bool:
    """Compare as Kubernetes orders the versions of one object: by their number, of one uid."""
    if session.metadata.uid != known.metadata.uid:
        return True
    one, other = session.metadata.resource_version, known.metadata.resource_version
    if one.isdecimal() and other.isdecimal():
        return int(one) > int(other)
    return one != other
