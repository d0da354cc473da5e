"""What a VM's disks go on from: asked of the repository and of Azure once, before anything is made.

`predecessors` decides. What is lost after that has the disk read whole, and is written down.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from vmbackup_core.protocol import FALLBACK_REASONS
from vmbackup_core.repository.control.backup.preparing import LostBase, PreparedDisk
from vmbackup_operator.arm_ids import folded, is_within_group, same_id
from vmbackup_operator.backups.identity import counted_for
from vmbackup_operator.backups.predecessors import Chosen, Known, all_anew, choose_predecessors
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.backup_session import BackupSession, BackupSessionStatus
from vmbackup_operator.model.conditions import MAX_MESSAGE, cut
from vmbackup_operator.model.session_findings import FullRead, Predecessor, ResolvedDisk
from vmbackup_operator.naming import ArmId, subscription_of
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.sessions.findings import predecessors_of, resolved_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.seen import PointSeen, SnapshotSeen
from vmbackup_operator.sessions.snapshot_sets import SetSeen, plain_run, sets_of_machine
from vmbackup_operator.sessions.tags import TagsNotGenuine, open_tags, seal_tags

#: The points of so many sets are looked for in the repository, the newest first.
_MOST_SETS = 5

#: What is said where `without_lost` has found something.
GONE = "a predecessor is gone: its disk is read whole"

#: Full reads that nobody has to be told of: a disk's first backup, and what a person has ordered.
UNREMARKABLE = frozenset({"NoPredecessor", "NewChain"})

#: Those after which what Azure tells as the changes of the disk is not believed any more.
UNTRUSTED = frozenset({"ChangeTrackingOff", "DifferencesUntrue"})


async def find_predecessors(
    ground: Ground,
    session: BackupSession,
    repository: BackupRepository,
    disks: Sequence[ResolvedDisk],
) -> Chosen | Waiting:
    """Return what each of *disks* goes on from, or why it is read whole."""
    if session.spec.new_chain:
        return all_anew(disks)
    settings, vm_id = ground.settings, ArmId(session.spec.virtual_machine_id)
    group = settings.snapshot_group(subscription_of(vm_id))
    seen = await ground.snapshots.of_group(*group)
    # Sets that are being taken or dropped are whole or not from one moment to the next.
    ended = [each for each in seen if not ground.book.goes_on(plain_run(each))]
    sets = [each for each in sets_of_machine(ground, ended, vm_id) if each.fault is None]
    runs = frozenset(each.run_id for each in sets[:_MOST_SETS])
    points = await ground.points.newest(repository, vm_id, runs)
    if isinstance(points, Waiting):
        return points
    known = Known(
        appliance_id=settings.appliance.id,
        ring=ground.ring,
        points=points,
        snapshots=await _named_by(ground, points, seen, group),
        unstored=_unstored(sets[:_MOST_SETS], points, counted_for(session)),
    )
    # In a thread: to open the seals of 65 disks takes a while.
    return await asyncio.to_thread(choose_predecessors, disks, known)


async def _named_by(
    ground: Ground,
    points: Sequence[PointSeen],
    seen: Iterable[SnapshotSeen],
    group: tuple[str, str],
) -> dict[str, SnapshotSeen]:
    """Return the snapshots that the points name: those that lost their plain tags too.

    What an appliance before this one took, in a group of its own, is none of ours: it is not asked
    for, since nobody may have given us a right to see it.
    """
    there = {folded(each.id): each for each in seen}
    named = {folded(disk.snapshot_id): disk for point in points for disk in point.disks}
    ids = [ArmId(disk.snapshot_id) for key, disk in named.items() if key not in there]
    unseen = [each for each in ids if is_within_group(each, *group)]
    found = await asyncio.gather(*map(ground.snapshots.find, unseen))
    there.update({folded(each.id): each for each in found if each is not None})
    return {key: there[key] for key in named if key in there}


def _unstored(
    sets: Iterable[SetSeen], points: Iterable[PointSeen], policy: str
) -> tuple[SetSeen, ...]:
    stored = {point.run_id for point in points}
    return tuple(each for each in sets if each.run_id not in stored and each.policy == policy)


async def tell_full_reads(
    ground: Ground, session: BackupSession, full_reads: Iterable[FullRead]
) -> None:
    """Say which disks are read whole that were not to be, one Event for each reason."""
    by_reason: dict[str, list[FullRead]] = defaultdict(list)
    for each in full_reads:
        if each.reason not in UNREMARKABLE:
            by_reason[each.reason].append(each)
    for reason, reads in by_reason.items():
        disks = ", ".join(each.disk for each in reads)
        said = "; ".join(dict.fromkeys(each.message for each in reads))
        message = cut(f"read whole: {disks}. {said}", MAX_MESSAGE)
        await ground.events.tell(session, "Warning", reason, message)


def read_whole(session: BackupSession, reads: Sequence[FullRead]) -> BackupSessionStatus:
    """Return the status in which these disks have no predecessor any more, nor its export."""
    status, resolved = session.status, resolved_of(session)
    disks = {each.disk for each in reads}
    lost = [each for each in resolved.predecessors if each.disk in disks]
    left = tuple(each for each in resolved.predecessors if each.disk not in disks)
    return replace(
        status,
        resolved=replace(resolved, predecessors=left),
        full_reads=(*(each for each in status.full_reads if each.disk not in disks), *reads),
        exports=tuple(
            export
            for export in status.exports
            if not any(same_id(export.snapshot_id, each.snapshot_id) for each in lost)
        ),
    )


async def without_lost(ground: Ground, session: BackupSession) -> BackupSessionStatus | None:
    """Return the status without the predecessors that nothing more is counted from; None: all are.

    They are gone meanwhile, or an earlier job has found that their changes are not to be believed.
    """
    before = predecessors_of(session)
    untrusted = [each for each in session.status.full_reads if each.reason in UNTRUSTED]
    if any(each.disk in before for each in untrusted):
        return read_whole(session, untrusted)
    resolved = session.status.resolved
    predecessors = () if resolved is None else resolved.predecessors
    ids = (ArmId(each.snapshot_id) for each in predecessors)
    found = await asyncio.gather(*map(ground.snapshots.find, ids))
    lost = [
        _gone(each)
        for each, seen in zip(predecessors, found, strict=True)
        if seen is None or seen.unique_id != each.unique_id
    ]
    if not lost:
        return None
    await tell_full_reads(ground, session, lost)
    return read_whole(session, lost)


def _gone(lost: Predecessor) -> FullRead:
    message = f"snapshot {lost.snapshot_id} of recovery point {lost.run_id} is gone meanwhile"
    return FullRead.of(lost.disk, reason="PredecessorGone", message=message)


async def without_bases(
    ground: Ground, session: BackupSession, prepared: Mapping[str, PreparedDisk]
) -> BackupSessionStatus | None:
    """Return the status without the predecessors that the repository has lost; None: none is."""
    before = predecessors_of(session)
    lost = [
        _lost_base(before[disk], each.lost_base)
        for disk, each in prepared.items()
        if each.lost_base is not None and disk in before
    ]
    if not lost:
        return None
    await tell_full_reads(ground, session, lost)
    return read_whole(session, lost)


def _lost_base(before: Predecessor, lost: LostBase) -> FullRead:
    disk, run_id = before.disk, before.run_id
    match lost:
        case "other chain":
            message = f"the disk's chain was begun anew since recovery point {run_id}"
            return FullRead.of(disk, reason="NewChain", message=message)
        case "let go":
            message = f"recovery point {run_id} was let go meanwhile"
            return FullRead.of(disk, reason="PredecessorGone", message=message)
        case "damaged":
            message = f"the manifest of recovery point {run_id} does not open"
            return FullRead.of(disk, reason="BaseDamaged", message=message)


async def settle_full_reads(ground: Ground, session: BackupSession) -> Waiting | None:
    """Write into the tags of the set whose changes are not believed any more, and tell of it.

    It is where the next session looks, whatever becomes of this one's object. Told is what workers
    have found; None once that is done.
    """
    found = [each for each in session.status.full_reads if each.reason in FALLBACK_REASONS]
    untrusted = {each.disk for each in found if each.reason in UNTRUSTED}
    marked = [
        await _mark(ground, ArmId(member.snapshot_id))
        for member in session.status.snapshot_set
        if member.disk in untrusted
    ]
    if not all(marked):
        message = "written into the snapshots' tags: what Azure tells of changes is not believed"
        return Waiting(1, message)
    await tell_full_reads(ground, session, found)
    return None


async def _mark(ground: Ground, snapshot_id: ArmId) -> bool:
    """Have the snapshot's sealed tags say that changes are not believed; True once they do."""
    seen = await ground.snapshots.find(snapshot_id)
    if seen is None:
        return True
    try:
        facts = open_tags(ground.ring, seen.id, seen.tags)
    except TagsNotGenuine:
        return True  # no session goes on from it
    if facts.changes_untrusted:
        return True
    tags = seal_tags(ground.ring.active, seen.id, replace(facts, changes_untrusted=True))
    return await ground.snapshots.seal(snapshot_id, tags)
