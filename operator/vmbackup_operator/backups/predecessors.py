"""From which earlier snapshot each disk's changes are counted, or why the disk is read whole. Pure.

A predecessor is a snapshot that is still there and still proves to be ours, with the recovery point
that was stored of it: the newest such point of the disk, whichever policy or person asked for it. A
snapshot set is used whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from vmbackup_core.ids import DiskUniqueId
from vmbackup_core.repository.control.points.points import PointDisk
from vmbackup_operator.arm_ids import folded, same_id
from vmbackup_operator.arm_tags import tag_value
from vmbackup_operator.model.session_findings import FullRead, Predecessor, ResolvedDisk
from vmbackup_operator.naming import APPLIANCE_TAG, RUN_TAG
from vmbackup_operator.sessions.keys import KeyRing
from vmbackup_operator.sessions.seen import PointSeen, SnapshotSeen
from vmbackup_operator.sessions.snapshot_sets import SetSeen
from vmbackup_operator.sessions.tags import MemberFacts, TagsNotGenuine, verified_set

#: Azure tells no differences between snapshots of a disk that was resized across it.
CHAIN_BREAKS_AT = 4 * 2**40


@dataclass(frozen=True, slots=True)
class Known:
    """What a VM's disks may go on from.

    *points* are recovery points that count, the newest first. *snapshots* are those that they name,
    by ARM id in lower case: whatever lies there at this moment. *unstored* are whole snapshot sets
    of the same policy whose runs have no recovery point.
    """

    appliance_id: str
    ring: KeyRing
    points: Sequence[PointSeen]
    snapshots: Mapping[str, SnapshotSeen]
    unstored: Sequence[SetSeen] = ()


@dataclass(frozen=True, slots=True)
class Chosen:
    """What each disk goes on from: every disk is in just one of both."""

    predecessors: tuple[Predecessor, ...] = ()
    full_reads: tuple[FullRead, ...] = ()


@dataclass(frozen=True, slots=True)
class _Doubt:
    """Why a point's snapshot set is not used."""

    reason: str
    message: str

    def of(self, disk: ResolvedDisk) -> FullRead:
        return FullRead.of(disk.position, reason=self.reason, message=self.message)


#: The members of a point's snapshot set by their disks, once it verifies.
_Members = Mapping[DiskUniqueId, MemberFacts]


def choose_predecessors(disks: Iterable[ResolvedDisk], known: Known) -> Chosen:
    """Return what each of *disks* goes on from, or why it is read whole."""
    sets = [(point, _members_of(point, known)) for point in known.points]
    found = [_choose(disk, sets, known) for disk in disks]
    return Chosen(
        tuple(each for each in found if isinstance(each, Predecessor)),
        tuple(each for each in found if isinstance(each, FullRead)),
    )


def all_anew(disks: Iterable[ResolvedDisk]) -> Chosen:
    """Return that all *disks* are read whole, since a person wants new chains."""
    message = "newChain: nothing that is stored is gone on from"
    return Chosen(
        full_reads=tuple(
            FullRead.of(disk.position, reason="NewChain", message=message) for disk in disks
        )
    )


def _choose(
    disk: ResolvedDisk, sets: Sequence[tuple[PointSeen, _Members | _Doubt]], known: Known
) -> Predecessor | FullRead:
    """Return the newest point's of the disk whose snapshot set is there; else why there is none."""
    newest_doubt: _Doubt | None = None
    for point, members in sets:
        held = next((each for each in point.disks if each.unique_id == disk.unique_id), None)
        if held is None:
            continue
        if isinstance(members, _Doubt):
            newest_doubt = newest_doubt or members
            continue
        doubt = _doubt_differences(disk, point, held, members[held.unique_id])
        return _predecessor(disk, point, held) if doubt is None else doubt.of(disk)
    return (newest_doubt or _never_stored(disk, known)).of(disk)


def _predecessor(disk: ResolvedDisk, point: PointSeen, held: PointDisk) -> Predecessor:
    return Predecessor(
        disk=disk.position,
        snapshot_id=held.snapshot_id,
        unique_id=held.snapshot_unique_id,
        run_id=point.run_id,
        slot=held.slot,
        manifest=held.manifest_name,
        manifest_sha256=held.manifest_sha256,
    )


def _members_of(point: PointSeen, known: Known) -> _Members | _Doubt:
    """Return the members of the set that the point was stored of, unless one is gone or doubtful.

    They are looked for by the ids that the point names, so that no tag has to be believed for it.
    """
    seen: list[SnapshotSeen] = []
    for disk in point.disks:
        there = known.snapshots.get(folded(disk.snapshot_id))
        if there is None or there.unique_id != disk.snapshot_unique_id:
            became = "is gone" if there is None else "has given way to another one of its name"
            message = f"snapshot {disk.snapshot_id} of recovery point {point.run_id} {became}"
            return _Doubt(reason="PredecessorGone", message=message)
        seen.append(there)
    try:
        members = verified_set(known.ring, seen)
        _check_open_tags(known.appliance_id, point, seen)
    except TagsNotGenuine as error:
        return _Doubt(reason="TagsNotVerified", message=f"snapshot {error}")
    found = {facts.disk_unique_id: facts for _, facts in members.members}
    is_its_set = members.run_id == point.run_id and found.keys() == _disks_of(point)
    if not is_its_set or not same_id(members.virtual_machine_id, point.virtual_machine_id):
        message = f"snapshot {seen[0].id} is of another set than recovery point {point.run_id} says"
        return _Doubt(reason="TagsNotVerified", message=message)
    return found


def _disks_of(point: PointSeen) -> set[DiskUniqueId]:
    return {disk.unique_id for disk in point.disks}


def _check_open_tags(appliance_id: str, point: PointSeen, seen: Iterable[SnapshotSeen]) -> None:
    """Raise TagsNotGenuine unless the plain tags are as they were made: altered is altered."""
    wanted = {APPLIANCE_TAG: appliance_id, RUN_TAG: point.run_id}
    for snapshot in seen:
        for name, value in wanted.items():
            if tag_value(snapshot.tags, name) != value:
                raise TagsNotGenuine(
                    f"{snapshot.id}: tag {name} is missing or was altered", reason="TagsAltered"
                )


def _doubt_differences(
    disk: ResolvedDisk, point: PointSeen, held: PointDisk, facts: MemberFacts
) -> _Doubt | None:
    """Return why Azure's differences since this snapshot can't be had, or are not believed."""
    if facts.changes_untrusted:
        return _Doubt(
            reason="ChangeTrackingOff",
            message="what Azure told as the changes of this disk was found to be wrong; a session "
            "with newChain has it believed again",
        )
    small, large = sorted((held.size_bytes, disk.size_bytes))
    if small < large and small <= CHAIN_BREAKS_AT <= large:
        return _Doubt(
            reason="DiskResizedAcross4TiB",
            message=f"resized across 4 TiB since recovery point {point.run_id}: Azure tells no "
            "changes across that",
        )
    return None


def _never_stored(disk: ResolvedDisk, known: Known) -> _Doubt:
    """Return why no recovery point has the disk."""
    for each in known.unstored:
        if any(snapshot.source_unique_id == disk.unique_id for snapshot in each.snapshots):
            message = f"the snapshot set of run {each.run_id} has no recovery point"
            return _Doubt(reason="PointNotCompleted", message=message)
    for point in known.points[:1]:
        before = next((held for held in point.disks if _is_in_place_of(disk, held)), None)
        if before is not None:
            message = f"recovery point {point.run_id} has another disk here: {before.name}"
            return _Doubt(reason="DiskReplaced", message=f"{message} ({before.unique_id})")
    return _Doubt(reason="NoPredecessor", message="no recovery point has the disk yet")


def _is_in_place_of(disk: ResolvedDisk, held: PointDisk) -> bool:
    return disk.lun == held.lun or same_id(disk.id, held.id)
