"""Who gets which worker of a region, and which disk access: decided in memory, without waiting.

The steps look at Azure first, then ask here, and write what they were given; between the two what
was given is reserved, so that nobody else is given the same. A reservation ends with the write that
records it, with the session, or with the next thing that the same session is given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from vmbackup_core.ids import WorkerId
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.backup_session import TAKES_SNAPSHOTS, BackupSession
from vmbackup_operator.model.conditions import is_true
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.session import Session
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.sessions.book import SessionBook
from vmbackup_operator.sessions.deadlines import NAMESPACE_BUSY, VM_BUSY, WORKER_BUSY
from vmbackup_operator.sessions.findings import region_of, waits_with, zone_wanted
from vmbackup_operator.sessions.seen import Region, SnapshotSeen, WorkerSeen
from vmbackup_operator.sessions.sharing import (
    EXPORTS_PER_DISK_ACCESS,
    ExportsWanted,
    exports_in_use,
    other_ways,
    spread,
    turns,
)

#: A session that waits for its turn is woken when it comes; this is for a waking that was lost.
TURN_AGAIN_S = 300.0


@dataclass(frozen=True, slots=True)
class Displaced:
    """An idle worker that has to be deleted before the session has room for one of its own."""

    worker: WorkerId
    vm_id: ArmId


class Allocator:
    """Gives out what sessions compete for; lives in one event loop."""

    def __init__(self, book: SessionBook, wake: Callable[[ObjectKey], None]) -> None:
        self._book = book
        self._wake = wake
        self._workers: dict[ObjectKey, WorkerId] = {}
        self._exports: dict[ObjectKey, Mapping[ArmId, ArmId]] = {}
        #: Who stops or deletes each worker: two may be at it, and the first to end is not the last.
        self._leaving: dict[WorkerId, set[ObjectKey]] = {}
        self._displaced: dict[ObjectKey, Displaced] = {}
        #: Backups that may begin in their namespaces, and have not written down that they did.
        self._begun: set[ObjectKey] = set()

    def turn_of_vm(self, session: Session, vm_id: str) -> Waiting | None:
        """Return that the session has to wait for another one of its VM; None where it may go on.

        One session of a VM runs at a time; who began first goes first.
        """
        own = _age(session)
        ahead = [other for other in self._backups_of(vm_id) if _age(other) < own]
        if not ahead:
            return None
        first = min(ahead, key=_age).key
        message = f"another session of the VM is unfinished: {first}"
        return Waiting(TURN_AGAIN_S, message, VM_BUSY)

    def turn_of_namespace(self, session: BackupSession, most: int) -> Waiting | None:
        """Return that *most* backups of the session's namespace are under way; None: it may begin.

        Snapshots are taken before a worker is had: what bounds workers bounds those not. Who began
        first goes first.
        """
        key, namespace = session.key, session.metadata.namespace
        if key in self._begun:
            return None
        others = [each for each in self._backups_in(namespace) if each.key != key]
        begun = sum(self._is_begun(each) for each in others)
        waiting = sorted(filter(self._is_held_back, others), key=_age)
        ahead = [each for each in waiting if _age(each) < _age(session)]
        # Whoever looks may be the only one who knows that others may begin.
        for other in ahead[: max(0, most - begun)]:
            self._wake(other.key)
        if begun + len(ahead) < most:
            self._begun.add(key)
            if begun + len(ahead) + 1 < most:
                # Several may have ended at once, and only the first one waiting was woken.
                self.wake_in_namespace(namespace)
            return None
        message = f"namespace {namespace} may have {most} backups under way, and has"
        return Waiting(TURN_AGAIN_S, message, NAMESPACE_BUSY)

    def choose_worker(
        self,
        existing: Sequence[WorkerSeen],
        session: Session,
        region: Region,
        own: WorkerId,
    ) -> WorkerId | Displaced | Waiting:
        """Return the worker that the session gets: an idle one, else *own* where there is room.

        Where others have waited for longer, or of a namespace that holds less, they come first.
        Who reads a VM's backups back gets none that may have written them, and who has disks of a
        zone none of another: where those leave no room, one of them has to go.
        """
        key = session.key
        self._workers.pop(key, None)
        going = self._going_for(key, existing)
        if going is not None:
            return going
        holders = self._holders(key)
        usable = [worker for worker in existing if worker.state not in {"failed", "deleting"}]
        # What is deleted to make room for others is theirs until it has gone.
        going_for_others = {each.worker for each in self._displaced.values()}
        taken = holders.keys() | self._leaving.keys() | going_for_others
        free = [worker for worker in usable if worker.id not in taken and not worker.doubt]
        room = region.max_workers - len(
            {each.id for each in usable}
            | self._held_in(region, holders)
            | (going_for_others & {each.id for each in existing})
        )
        ahead = self._ahead(session, region, holders)
        # Whoever finds that it is not its turn may be the only one who knows that there is room.
        for other in ahead[: len(free) + max(0, room)]:
            self._wake(other)
        if len(ahead) >= len(free) + max(0, room):
            message = f"all workers of {region.region} are busy ({region.max_workers} at most)"
            message += "".join(
                f"; {each.id} is left alone: {each.doubt}" for each in _doubtful(usable)
            )
            return Waiting(TURN_AGAIN_S, message, WORKER_BUSY)
        # One that runs starts nothing; of the others one as good as the next.
        free.sort(key=lambda worker: (worker.state != "running", worker.id))
        mine = [worker for worker in free if not self._is_barred(worker, session)]
        if mine == free:
            chosen = free[len(ahead)].id if len(ahead) < len(free) else own
        elif not mine and room <= 0:
            return self._displaced.setdefault(key, Displaced(free[-1].id, free[-1].vm_id))
        else:
            chosen = mine[min(len(ahead), len(mine) - 1)].id if mine else own
        self._workers[key] = chosen
        if len(ahead) + 1 < len(free) + room:
            # Several may have come free at once, and only the first one waiting was woken.
            self.wake_next(region.region)
        return chosen

    def _going_for(self, key: ObjectKey, existing: Sequence[WorkerSeen]) -> Displaced | None:
        """Return the worker that is deleted to make room for the session, until it has gone."""
        going = self._displaced.pop(key, None)
        if going is None or self.holder_of(going.worker, key) is not None:
            return None
        if all(worker.id != going.worker for worker in existing):
            return None
        self._displaced[key] = going
        return going

    def _is_barred(self, worker: WorkerSeen, session: Session) -> bool:
        """Tell whether the session must not have the worker.

        It would judge its own work, or is not where the disks are that it is to have.
        """
        if zone_wanted(session) not in {None, worker.zone}:
            return True
        if not isinstance(session, BackupSession) or session.spec.type != "Verify":
            return False
        return self._book.past.may_have_written(worker.id, session.spec.virtual_machine_id)

    def holder_of(self, worker: WorkerId, other_than: ObjectKey) -> ObjectKey | None:
        """Return the session, *other_than* this one, that was given the worker; None: nobody."""
        reserved = (key for key, given in self._workers.items() if given == worker)
        served = (each.key for each in self._book.served_by(worker))
        return next((key for key in (*reserved, *served) if key != other_than), None)

    def leave(self, worker: WorkerId, session: ObjectKey) -> ObjectKey | None:
        """Have the worker given to nobody any more: *session* is about to stop or delete it.

        Returned is the session that has it already, where there is one: then it stays.
        """
        holder = self.holder_of(worker, session)
        if holder is None:
            self._leaving.setdefault(worker, set()).add(session)
        return holder

    def left(self, worker: WorkerId, session: ObjectKey) -> None:
        """Have a worker that *session* stopped, or kept after all, given out again.

        While somebody else is still at it, it is not: what that deletes would be the next one's.
        """
        leaving = self._leaving.get(worker, set())
        leaving.discard(session)
        if not leaving:
            self._leaving.pop(worker, None)

    def next_in(self, region: str) -> ObjectKey | None:
        """Return the session whose turn it is for a worker of the region, or None."""
        order = turns(
            self._waiting(region).values(), Counter(self._namespaces(self._holders(None)))
        )
        return next((each.key for each in order), None)

    def wake_next(self, region: str) -> None:
        """Have the session looked at whose turn it is: a worker of the region is free."""
        key = self.next_in(region)
        if key is not None:
            self._wake(key)

    def wake_for_vm(self, vm_id: str) -> None:
        """Have the session of the VM looked at that began first: another one has ended."""
        first = min(self._backups_of(vm_id), key=_age, default=None)
        if first is not None:
            self._wake(first.key)

    def wake_in_namespace(self, namespace: str) -> None:
        """Have the backup looked at that waits for another one of the namespace the longest."""
        waiting = filter(self._is_held_back, self._backups_in(namespace))
        first = min(waiting, key=_age, default=None)
        if first is not None:
            self._wake(first.key)

    def share_exports(
        self,
        session: Session,
        wanted: ExportsWanted,
        exported: Sequence[SnapshotSeen],
        full: Collection[str] = (),
    ) -> Mapping[ArmId, ArmId]:
        """Return through which disk access each snapshot is exported.

        Those with the lowest numbers are filled first, five exports each, but for those that are
        *full* whatever we know of them; what is named and not there yet is for the step to make.
        """
        key = session.key
        self._exports.pop(key, None)
        in_use = exports_in_use(self._book.exporting(), exported, session)
        in_use.update(other_ways(session, wanted.snapshots))
        in_use.update(dict.fromkeys(full, EXPORTS_PER_DISK_ACCESS))
        for others in self._exports.values():
            in_use.update(folded(access) for access in others.values())
        given = spread(wanted, in_use)
        self._exports[key] = given
        return given

    def settle(self, session: Session) -> None:
        """Drop what was reserved for the session and is written in its status, or is not needed."""
        key, status = session.key, session.status
        ended = status.outcome is not None
        if status.worker is not None and status.worker.abandoned:
            self._leaving.setdefault(status.worker.id, set()).add(key)
        if ended or status.worker is not None:
            self._workers.pop(key, None)
            self._displaced.pop(key, None)
        if ended or status.exports:
            self._exports.pop(key, None)
        if ended or is_true(status.conditions, "Accepted"):
            self._begun.discard(key)

    def drop(self, key: ObjectKey) -> None:
        """Drop whatever was reserved for the session, which has ended or has gone.

        One that has ended may still be stopping its worker.
        """
        self._workers.pop(key, None)
        self._displaced.pop(key, None)
        self._exports.pop(key, None)
        self._begun.discard(key)

    def all_left(self, key: ObjectKey) -> None:
        """Have every worker given out again that the session was stopping: it is at none any more.

        Its object has gone, or it has taken its last step.
        """
        for worker in [each for each, by in self._leaving.items() if key in by]:
            self.left(worker, key)

    def _backups_of(self, vm_id: str) -> Iterator[BackupSession]:
        """Return the VM's unfinished sessions that take snapshots; what reads back runs beside."""
        return _taking_snapshots(self._book.of_vm(vm_id))

    def _backups_in(self, namespace: str) -> Iterator[BackupSession]:
        """Return the namespace's unfinished sessions that take snapshots."""
        return _taking_snapshots(self._book.of_namespace(namespace))

    def _is_begun(self, session: BackupSession) -> bool:
        return session.key in self._begun or is_true(session.status.conditions, "Accepted")

    def _is_held_back(self, session: BackupSession) -> bool:
        return session.key not in self._begun and waits_with(session, NAMESPACE_BUSY, "Accepted")

    def _holders(self, other_than: ObjectKey | None) -> dict[WorkerId, ObjectKey]:
        holders = self._book.holders()
        holders.update({worker: key for key, worker in self._workers.items()})
        return {worker: key for worker, key in holders.items() if key != other_than}

    def _held_in(self, region: Region, holders: Mapping[WorkerId, ObjectKey]) -> set[WorkerId]:
        """Return the workers of *holders* that are used in the region."""
        return {
            worker
            for worker, key in holders.items()
            if (known := self._book.find(key)) is not None and region_of(known) == region.region
        }

    def _ahead(
        self, session: Session, region: Region, holders: Mapping[WorkerId, ObjectKey]
    ) -> list[ObjectKey]:
        """Return who waits for a worker of the region and comes before *session*."""
        waiting = self._waiting(region.region)
        waiting.pop(session.key, None)
        order = turns([*waiting.values(), session], Counter(self._namespaces(holders)))
        return [other.key for other in takewhile(lambda other: other is not session, order)]

    def _waiting(self, region: str) -> dict[ObjectKey, Session]:
        """Return who waits for a worker of the region, but for those that have just got one."""
        waiting = self._book.waiting_for_worker(region)
        for key in self._workers:
            waiting.pop(key, None)
        return waiting

    @staticmethod
    def _namespaces(holders: Mapping[WorkerId, ObjectKey]) -> list[str]:
        return [key.namespace for key in holders.values()]


def _doubtful(workers: Sequence[WorkerSeen]) -> list[WorkerSeen]:
    """Return the first few that nobody can tell whether they are ours."""
    return [worker for worker in workers if worker.doubt][:3]


def _taking_snapshots(sessions: Iterator[Session]) -> Iterator[BackupSession]:
    return (
        each
        for each in sessions
        if isinstance(each, BackupSession) and each.spec.type in TAKES_SNAPSHOTS
    )


def _age(session: Session) -> tuple[str, str]:
    began = session.status.start_time
    # Who was not begun yet has not come yet.
    return ("~" if began is None else began.isoformat(), session.metadata.uid)
