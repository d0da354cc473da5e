"""Who gets what sessions compete for: workers of a region, and exports of its disk accesses.

Pure. It is called while `Ground.sharing` is held, up to the status write that records the answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from vmbackup_core.ids import WorkerId
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.conditions import find_condition, is_true
from vmbackup_operator.model.session import Session
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.sessions.deadlines import WORKER_BUSY
from vmbackup_operator.sessions.seen import RegionSeen, SnapshotSeen, WorkerSeen

#: Azure lets at most five snapshots or disks be exported at once through one disk access.
EXPORTS_PER_DISK_ACCESS = 5


def choose_worker(
    existing: Sequence[WorkerSeen],
    unfinished: Iterable[BackupSession],
    session: Session,
    region: RegionSeen,
    own: WorkerId,
) -> WorkerId | Waiting:
    """Return the worker that *session* gets: one that is idle, else *own* where there is room."""
    others = [other for other in unfinished if other.metadata.key != session.metadata.key]
    holders = {
        other.status.worker.id: other
        for other in others
        if other.status.worker is not None and _in_region(other, region)
    }
    usable = [worker for worker in existing if worker.state not in {"failed", "deleting"}]
    free = [worker for worker in usable if worker.id not in holders]
    if free:
        # One that runs starts nothing; of the others one as good as the next.
        return min(free, key=lambda worker: (worker.state != "running", worker.id)).id
    count = len({worker.id for worker in usable} | holders.keys())
    if count < region.max_workers:
        return own
    busy = ", ".join(f"{holder.metadata.key}" for holder in holders.values())
    return Waiting(15, f"all {count} workers of {region.region} are busy with {busy}", WORKER_BUSY)


def next_waiting(unfinished: Iterable[BackupSession], session: Session) -> BackupSession | None:
    """Return the session that waits longest for a worker of the region that *session* had."""
    resolved = session.status.resolved
    environment = None if resolved is None else resolved.environment
    if environment is None:
        return None
    waiting = [other for other in unfinished if _waits_in(other, environment.region)]
    return min(waiting, key=lambda other: str(other.status.start_time), default=None)


def _waits_in(other: BackupSession, region: str) -> bool:
    resolved, conditions = other.status.resolved, other.status.conditions
    environment = None if resolved is None else resolved.environment
    said = find_condition(conditions, "WorkerReady")
    return (
        environment is not None
        and environment.region == region
        and other.status.worker is None
        and said is not None
        and said.reason == WORKER_BUSY
        and not is_true(conditions, "FailureTarget")
    )


def _in_region(other: BackupSession, region: RegionSeen) -> bool:
    resolved = other.status.resolved
    environment = None if resolved is None else resolved.environment
    return environment is not None and environment.region == region.region


@dataclass(frozen=True, slots=True)
class Allotment:
    """Which snapshot is exported through which disk access; by number where one is to be made."""

    through: Mapping[ArmId, ArmId]
    without: tuple[ArmId, ...]
    owed: int


def exports_in_use(
    unfinished: Iterable[BackupSession], snapshots: Iterable[SnapshotSeen], session: Session
) -> Counter[str]:
    """Return how many exports each disk access holds for others, by its id in lower case.

    What sessions were allotted counts, and what Azure says is exported: it may be a leftover.
    """
    own = {export.snapshot_id.lower() for export in session.status.exports}
    held: dict[str, str] = {}
    for other in unfinished:
        if other.metadata.key != session.metadata.key:
            for export in other.status.exports:
                held[export.snapshot_id.lower()] = (export.disk_access_id or "").lower()
    for seen in snapshots:
        if seen.exported and seen.disk_access_id is not None and seen.id.lower() not in own:
            held.setdefault(seen.id.lower(), seen.disk_access_id.lower())
    return Counter(access for access in held.values() if access)


def allot(
    wanted: Sequence[ArmId], disk_accesses: Sequence[ArmId], in_use: Mapping[str, int]
) -> Allotment:
    """Spread *wanted* over what is free of *disk_accesses*; *owed* says how many more it takes."""
    through: dict[ArmId, ArmId] = {}
    rest = list(wanted)
    for access in disk_accesses:
        free = EXPORTS_PER_DISK_ACCESS - in_use.get(access.lower(), 0)
        for snapshot in rest[: max(0, free)]:
            through[snapshot] = access
        rest = rest[max(0, free) :]
    owed = -(-len(rest) // EXPORTS_PER_DISK_ACCESS)
    return Allotment(through, tuple(rest), owed)
