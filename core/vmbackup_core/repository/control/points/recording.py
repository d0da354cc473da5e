"""Makes recovery points count, and finds those that were put and never logged; section 31."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from vmbackup_core.errors import CorruptRepository, LostAttempt, PermanentError
from vmbackup_core.ids import RunId
from vmbackup_core.repository.control.commits.commits import find_commit
from vmbackup_core.repository.control.commits.locking import Locking, moment_of
from vmbackup_core.repository.control.log.log import Log
from vmbackup_core.repository.control.log.log_entries import Entry, Point, Recorded
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.points.points import (
    OpenedPoint,
    RecoveryPoint,
    open_point,
    stored_points,
)
from vmbackup_core.repository.control.sealed_objects import is_there
from vmbackup_core.repository.primitives.identities import VmId
from vmbackup_core.repository.primitives.names import commit_name, point_name
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.stores.port import UNREADABLE_NOW, NotStored, Store, delete_unless_locked


class RecoveryPointExpired(PermanentError):
    """The run's commits were let go before its point counted: the run begins anew."""

    def __init__(self, run: RunId, why: str) -> None:
        super().__init__(
            f"the recovery point of run {run} cannot be recorded any more: {why}; "
            "the disks are backed up again",
            reason="RecoveryPointExpired",
        )


class RecoveryPointDiffers(PermanentError):
    """The run has a recovery point of other content."""

    def __init__(self, run: RunId) -> None:
        super().__init__(
            f"run {run} has a recovery point of other disks or commits already",
            reason="RecoveryPointDiffers",
        )


@dataclass(frozen=True, slots=True)
class Examined:
    """A point that did not count, and what became of it."""

    point: Point
    outcome: Literal["recorded", "deleted", "damaged", "left"]
    why: str = ""


def record(log: Log, data: Store, point: RecoveryPoint) -> Recorded:
    """Make *point* count and return its entry; counted already with these disks is done.

    Raise RecoveryPointExpired where its commits were let go, RecoveryPointDiffers where the run has
    another point. The caller releases the run's holds afterwards.
    """
    until = _check_commits(log, point)
    state = log.read().state
    vm = log.control.master_of(state.newest_epoch).vm_name(point.vm_id)
    known = _counted(state, point)
    if known is not None:
        _lock(log, data, known, until)
        return known
    if any(run == point.run_id for _, run in state.counted):
        raise RecoveryPointDiffers(point.run_id)
    _check(log, data, state, OpenedPoint(vm, point, "0" * 64))
    put = _put(log, vm, point, state.newest_epoch)
    return _append(log, data, put, until)


def examine_unlogged(log: Log, data: Store, vm: VmId) -> Iterator[Examined]:
    """Yield what became of each point of *vm* that lies there and does not count.

    Whoever put it may have died before it logged it: then it is recorded, or deleted where it never
    can be. Damaged ones stay for a person to look at.
    """
    state = log.read().state
    for named in stored_points(log.control, vm):
        if named not in state.counted and (named, ()) not in state.expiring:
            yield _examine(log, data, named)


def counted_points(state: LogState, vms: Iterable[VmId]) -> list[Recorded]:
    """Return the points that count under any of the names of a VM, the newest first (S12)."""
    wanted = frozenset(vms)
    found = (entry for entry in state.counted.values() if entry.vm in wanted)
    return sorted(found, key=lambda entry: (entry.created_at, entry.run), reverse=True)


def _check_commits(log: Log, point: RecoveryPoint) -> datetime | None:
    """Return until when what the point needs is locked, None where one of its disks is not.

    Raise LostAttempt unless every disk has its commit, of this run and of its snapshot.
    """
    ends = []
    for disk in point.disks:
        found = find_commit(log.control, disk.chain_id, disk.slot)
        commit = None if found is None else found.commit
        said = None if commit is None else (commit.run_id, commit.snapshot_unique_id)
        if (
            found is None
            or found.sha256 != disk.commit_sha256
            or said != (point.run_id, disk.snapshot_unique_id)
        ):
            raise LostAttempt(
                f"slot {disk.slot} of chain {disk.chain_id} has no commit of run {point.run_id} "
                f"and snapshot {disk.snapshot_unique_id}",
                reason="CommitDiffers",
            )
        ends.append(None if commit is None else moment_of(commit.locked_until))
    locked = [end for end in ends if end is not None]
    return max(locked) if len(locked) == len(ends) else None


def _counted(state: LogState, point: RecoveryPoint) -> Recorded | None:
    """Return the entry by which *point* counts, under whichever of its VM's names."""
    first = point.disks[0]
    named = state.counted_places.get((first.chain_id, first.slot))
    entry = None if named is None else state.counted[named]
    if entry is None or entry.run != point.run_id or entry.disks != point.commits():
        return None
    return entry


def _check(log: Log, data: Store, state: LogState, opened: OpenedPoint) -> None:
    """Raise RecoveryPointExpired where the log or a manifest says that it is too late (S20)."""
    why = log.refuse(state, opened.entry()) or _missing(data, opened.point)
    if why is not None:
        raise RecoveryPointExpired(opened.point.run_id, why)


def _missing(data: Store, point: RecoveryPoint) -> str | None:
    for disk in point.disks:
        if not is_there(data, disk.manifest_name):
            return f"the manifest of slot {disk.slot} of chain {disk.chain_id} is not there"
    return None


def _put(log: Log, vm: VmId, point: RecoveryPoint, epoch: int) -> OpenedPoint:
    """Put *point*, or return the one that is there where it is of the same disks and commits."""
    name = point_name(vm, point.run_id)
    made = log.control.seal("PONT", name, point, epoch)
    if log.control.put(made):
        return OpenedPoint(vm, point, made.sha256)
    try:
        there = open_point(log.control, (vm, point.run_id))
    except (CorruptRepository, NotStored):  # cut by a crash: it never counted
        log.control.store.delete(name)
        return _put(log, vm, point, epoch)
    if there.point.commits() != point.commits():
        raise RecoveryPointDiffers(point.run_id)
    return there


def _append(log: Log, data: Store, put: OpenedPoint, until: datetime | None) -> Recorded:
    """Log the point that lies there, as long as nothing of it was let go, looked at at each try.

    It is locked *until* then before it counts, and the log behind it.
    """
    entry = put.entry()
    if until is not None:
        _locking(log, data).lock_control([point_name(*entry.point)], until)

    def decide(state: LogState) -> Sequence[Entry]:
        if _counted(state, put.point) is not None:
            return ()
        _check(log, data, state, put)
        return (entry,)

    appended = log.append(decide)
    known = _counted(appended.state, put.point)
    if known is None:
        raise RecoveryPointExpired(entry.run, "; ".join(why for _, why in appended.refused))
    _lock(log, data, known, until)
    return known


def _lock(log: Log, data: Store, recorded: Recorded, until: datetime | None) -> None:
    """Lock a point that counts, its commits, and all that the log is read from; twice is once."""
    if until is None:
        return
    commits = (commit_name(disk.chain, disk.slot) for disk in recorded.disks)
    locking = _locking(log, data)
    locking.lock_control([point_name(*recorded.point), *commits], until)
    lock_frame(log, data, until)


def lock_frame(log: Log, data: Store, until: datetime) -> None:
    """Lock headers, wraps of user keys that are not removed, and what the log is read from."""
    state = log.read().state
    gone = {name for name, key in state.keys.items() if key.action == "removed"}
    _locking(log, data).lock_frame(until, log.reader.state_every, gone)


def _locking(log: Log, data: Store) -> Locking:
    return Locking(Places(data, log.control.store), log.clock)


def _examine(log: Log, data: Store, named: Point) -> Examined:
    try:
        opened = open_point(log.control, named)
    except CorruptRepository as error:
        return Examined(named, "damaged", str(error))
    except NotStored:
        return Examined(named, "left", "it has gone")
    except UNREADABLE_NOW as error:
        return Examined(named, "left", str(error))
    try:
        _append(log, data, opened, _locked_until(log, opened.point))
    except RecoveryPointExpired as error:
        return _delete(log, named, str(error))
    return Examined(named, "recorded")


def _delete(log: Log, named: Point, why: str) -> Examined:
    """Delete a point that can never count, unless it does, expires, or history is unclear (S22).

    Raise ReadOnly where the repository is another appliance's (S31).
    """
    reading = log.read()
    if named in reading.state.counted or (named, ()) in reading.state.expiring:
        return Examined(named, "left", "it counts, or it did")
    reading.check_history()
    log.check_owner(reading.state)
    locked = delete_unless_locked(log.control.store, point_name(*named))
    if locked is not None:
        return Examined(named, "left", f"{why}; {locked}")
    return Examined(named, "deleted", why)


def _locked_until(log: Log, point: RecoveryPoint) -> datetime | None:
    """Return what the commits of a point say that lies there, where they are what it names."""
    try:
        return _check_commits(log, point)
    except LostAttempt:
        return None
