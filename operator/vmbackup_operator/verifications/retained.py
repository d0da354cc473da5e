"""The snapshots that what is stored is compared with: of the sets that there are, one in turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import ChainId, CommitSlot
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.backup_session import BackupSession, BackupSessionStatus
from vmbackup_operator.model.conditions import cut
from vmbackup_operator.model.display import counted
from vmbackup_operator.model.session_findings import SnapshotMember, Verified, position_of
from vmbackup_operator.naming import ArmId, name_of, subscription_of
from vmbackup_operator.reconciling.other_subscriptions import subscription_refused
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.sessions.findings import resolved_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.seen import PointSeen, SnapshotSeen
from vmbackup_operator.sessions.snapshot_sets import SetSeen, plain_run, sets_of_machine
from vmbackup_operator.sessions.steps.crossing import crossing_refused

#: So many sets are looked for in the repository, the newest first: a policy keeps ten at most.
_MOST_SETS = 12

#: The schema's bound.
_WHY_CHARS = 300

_NONE_LEFT = "no snapshot of what is stored of this VM is retained"
_IN_USE = "another session is at the snapshots that are retained"


@dataclass(frozen=True, slots=True)
class Retained:
    """The snapshots of one set, and the region that they can be read in; else *why* there is none.

    They hold what the point of the set's run says that its disks were stored of.
    """

    members: tuple[SnapshotMember, ...] = ()
    region: str | None = None
    why: str = ""


async def find_retained(
    ground: Ground, session: BackupSession, repository: BackupRepository
) -> Retained | Waiting:
    """Return the set of the VM whose turn it is, of those that are ours and of recovery points.

    Each session takes one. It is the newest that is older than the one that was compared last, else
    the newest of all: so all that are retained come in turn, and new ones soon.
    """
    vm_id = ArmId(session.spec.virtual_machine_id)
    sets = await _find_sets(ground, vm_id)
    if isinstance(sets, Retained):
        return sets
    free = [each for each in sets if not _is_in_use(ground, each)]
    if not free:
        return Retained(why=_IN_USE if sets else _NONE_LEFT)
    sampled = await ground.verifications.sampled(repository, vm_id)
    if isinstance(sampled, Waiting):
        return sampled
    newest: Retained | None = None
    for found in free[:_MOST_SETS]:
        point = await ground.points.find(repository, vm_id, found.run_id)
        if isinstance(point, Waiting):
            return point
        members = () if point is None else _members(found.snapshots, point)
        if point is None or not members:
            continue
        this = Retained(members, found.snapshots[0].region)
        if _is_older(point, members, sampled):
            return this
        newest = newest or this
    return newest or Retained(why=_NONE_LEFT if len(free) == len(sets) else _IN_USE)


async def _find_sets(ground: Ground, vm_id: ArmId) -> list[SetSeen] | Retained:
    """Return the VM's sets that are whole, newest first, else why none can be read."""
    refused = subscription_refused(ground.settings, vm_id)
    if refused is not None:
        return _none(refused.message)
    try:
        group = ground.settings.snapshot_group(subscription_of(vm_id))
        seen = await ground.snapshots.of_group(*group)
    except PermanentError as error:  # of a VM that has gone with all rights to its subscription
        return _none(f"snapshots cannot be listed: {error}")
    ended = [each for each in seen if not ground.book.goes_on(plain_run(each))]
    sets = [each for each in sets_of_machine(ground, ended, vm_id) if each.fault is None]
    if sets:
        refused = await crossing_refused(ground, vm_id, sets[0].snapshots[0].region)
    return sets if refused is None else _none(refused.message)


def _none(why: str) -> Retained:
    return Retained(why=cut(why, _WHY_CHARS))


def _is_older(
    point: PointSeen, members: Sequence[SnapshotMember], sampled: Mapping[ChainId, CommitSlot]
) -> bool:
    """Tell whether *members* are of a backup before the one that a disk of it was compared in."""
    ours = {each.unique_id for each in members}
    return any(
        disk.slot < sampled.get(disk.chain_id, 0)
        for disk in point.disks
        if disk.snapshot_unique_id in ours
    )


async def without_lost(ground: Ground, session: BackupSession) -> BackupSessionStatus | None:
    """Return the status without the snapshots that are gone meanwhile; None: all are there.

    One that was taken anew under the name of another is none that anything was stored of.
    """
    resolved, status = resolved_of(session), session.status
    left, lost = list[SnapshotMember](), list[SnapshotMember]()
    for member in resolved.retained:
        seen = await ground.snapshots.find(ArmId(member.snapshot_id))
        is_there = seen is not None and seen.unique_id == member.unique_id
        (left if is_there else lost).append(member)
    if not lost:
        return None
    verified = status.verified or Verified()
    gone = [each.snapshot_id for each in lost]
    why = f"{counted(len(lost), 'snapshot')} gone meanwhile, as {name_of(ArmId(gone[0]))}"
    return replace(
        status,
        resolved=replace(resolved, retained=tuple(left)),
        exports=tuple(each for each in status.exports if each.snapshot_id not in gone),
        verified=replace(verified, unsampled=why),
    )


def _is_in_use(ground: Ground, found: SetSeen) -> bool:
    """Tell whether a session is at the set, whose end would end this one's access to it too."""
    return any(ground.book.names(each.id) for each in found.snapshots)


def _members(snapshots: Sequence[SnapshotSeen], point: PointSeen) -> tuple[SnapshotMember, ...]:
    """Return the snapshots, of those of one set, that the disks of its point were stored of."""
    luns = {disk.snapshot_unique_id: disk.lun for disk in point.disks}
    return tuple(
        SnapshotMember(
            disk=position_of(luns[each.unique_id]),
            snapshot_id=each.id,
            unique_id=each.unique_id,
            size_bytes=each.size_bytes,
            taken_at=each.created_at,
        )
        for each in snapshots
        if each.ready and each.unique_id in luns
    )
