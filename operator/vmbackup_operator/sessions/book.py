"""The picture of all unfinished sessions, by worker, VM and region: one for the whole operator.

It is fed by the watch and by our own writes, whichever is newer, so that nothing asks the API
server for lists. An ended session is no longer in it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from vmbackup_core.ids import WorkerId
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.metadata import ObjectKey


class SessionBook:
    """Unfinished sessions as last seen; lives in one event loop and never waits."""

    def __init__(self) -> None:
        self._sessions: dict[ObjectKey, BackupSession] = {}
        self._by_vm: defaultdict[str, set[ObjectKey]] = defaultdict(set)
        self._by_worker: defaultdict[WorkerId, set[ObjectKey]] = defaultdict(set)

    def note(self, session: BackupSession) -> bool:
        """Take the session as it is stored; tell whether that is news.

        What was known already, an echo of our own write among it, is none, and neither is
        what is older: watch and writes overtake each other.
        """
        key = session.metadata.key
        known = self._sessions.get(key)
        if known is not None and not _is_newer(session, known):
            return False
        if known is not None:
            self._unlist(known)
        if session.status.outcome is None:
            self._list(session)
        return True

    def forget(self, key: ObjectKey) -> BackupSession | None:
        """Drop the session, which has ended or has gone; return what was known of it."""
        known = self._sessions.get(key)
        if known is not None:
            self._unlist(known)
        return known

    def find(self, key: ObjectKey) -> BackupSession | None:
        """Return the unfinished session, or None."""
        return self._sessions.get(key)

    def unfinished(self) -> Sequence[BackupSession]:
        """Return every session without an outcome."""
        return list(self._sessions.values())

    def of_vm(self, vm_id: str) -> Iterator[BackupSession]:
        """Return the unfinished sessions of the VM, compared without case."""
        return (self._sessions[key] for key in tuple(self._by_vm.get(folded(vm_id), ())))

    def served_by(self, worker: WorkerId) -> Iterator[BackupSession]:
        """Return the unfinished sessions that *worker* serves: one, or none."""
        return (self._sessions[key] for key in tuple(self._by_worker.get(worker, ())))

    def _list(self, session: BackupSession) -> None:
        key, worker = session.metadata.key, session.status.worker
        self._sessions[key] = session
        self._by_vm[folded(session.spec.virtual_machine_id)].add(key)
        if worker is not None:
            self._by_worker[worker.id].add(key)

    def _unlist(self, session: BackupSession) -> None:
        key, vm_id = session.metadata.key, folded(session.spec.virtual_machine_id)
        worker = session.status.worker
        del self._sessions[key]
        self._by_vm[vm_id].discard(key)
        if not self._by_vm[vm_id]:
            del self._by_vm[vm_id]
        if worker is not None:
            self._by_worker[worker.id].discard(key)
            if not self._by_worker[worker.id]:
                del self._by_worker[worker.id]


def _is_newer(session: BackupSession, known: BackupSession) -> bool:
    """Compare as Kubernetes orders the versions of one object: by their number, of one uid."""
    if session.metadata.uid != known.metadata.uid:
        return True
    one, other = session.metadata.resource_version, known.metadata.resource_version
    if one.isdecimal() and other.isdecimal():
        return int(one) > int(other)
    return one != other
