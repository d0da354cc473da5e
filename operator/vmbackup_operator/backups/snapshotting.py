"""SnapshotsReady: an incremental snapshot of every disk, asked for together: the snapshot set."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta

from msgspec.structs import replace

from vmbackup_core.ids import RunId
from vmbackup_core.retention.in_force import Stamp
from vmbackup_operator.arm_tags import joined_tags
from vmbackup_operator.backups.identity import counted_for
from vmbackup_operator.backups.tracking import UNTRUSTED
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.display import counted
from vmbackup_operator.model.session_findings import Predecessor, ResolvedDisk, SnapshotMember
from vmbackup_operator.naming import APPLIANCE_TAG, RUN_TAG, ArmId
from vmbackup_operator.reconciling.outcome import Done, Waiting
from vmbackup_operator.sessions.findings import (
    machine_of,
    predecessors_of,
    repository_of,
    run_of,
    snapshot_ids,
)
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.seen import SnapshotSeen, SnapshotWanted
from vmbackup_operator.sessions.step import Answer, Taken, TryAgain
from vmbackup_operator.sessions.tags import MemberFacts, seal_tags, verified_set

#: How far apart the members of one set may be: a crash may fall between two of its requests.
SAME_MOMENT_S = 120

#: Tells what the set of a session says of how long sets of its VM and policy stay.
StampOf = Callable[[Ground, BackupSession], Awaitable[Stamp]]


async def take_snapshots(
    ground: Ground, session: BackupSession, stamp_of: StampOf | None = None
) -> Taken:
    """Have the set made; Done once every member is whole and its tags verify.

    *stamp_of* tells for how long a set stays that stands alone; without it the set is a backup's.
    """
    disks = snapshot_ids(ground.settings, session)
    found = dict(zip(disks, await asyncio.gather(*map(ground.snapshots.find, disks)), strict=True))
    seen = [each for each in found.values() if each is not None]
    missing = [snapshot for snapshot, each in found.items() if each is None]
    if missing:
        if _is_late(ground, seen):
            await asyncio.gather(*(ground.snapshots.delete(each.id) for each in seen))
            message = "part of the set was taken too long ago: all of it is taken again"
            return Taken(session.status, TryAgain("SnapshotsTooFarApart", message))
        stamp = None if stamp_of is None else await stamp_of(ground, session)
        # One moment for all: none is asked for after another has been waited for.
        wanted = _wanted(ground, session, disks, stamp)
        for each in missing:
            ground.grants.pop(each, None)  # a SAS of what had this id before opens nothing
        await asyncio.gather(*(ground.snapshots.request(wanted[each]) for each in missing))
        return Taken(session.status, Waiting(1, f"asked for {counted(len(disks), 'snapshot')}"))
    answer = await _judge_set(ground, seen)
    if not isinstance(answer, Done):
        return Taken(session.status, answer)
    members = (
        SnapshotMember(disk.position, snapshot, each.unique_id, each.size_bytes, each.created_at)
        for (snapshot, disk), each in zip(disks.items(), seen, strict=True)
    )
    return Taken(replace(session.status, snapshot_set=tuple(members)), answer)


def _is_late(ground: Ground, seen: Sequence[SnapshotSeen]) -> bool:
    """Tell whether what is there is too old for the rest to be of the same moment."""
    limit = timedelta(seconds=SAME_MOMENT_S)
    return any(ground.clock.now() - each.created_at > limit for each in seen)


async def _judge_set(ground: Ground, seen: Sequence[SnapshotSeen]) -> Answer:
    broken = [each for each in seen if each.failure is not None]
    if broken:
        # All of them: a set is of one moment, and its other members are of an earlier one by now.
        await asyncio.gather(*(ground.snapshots.delete(each.id) for each in seen))
        return TryAgain("SnapshotFailed", f"{broken[0].id}: {broken[0].failure}")
    growing = [each for each in seen if not each.ready]
    if growing:
        message = f"{len(growing)} of {len(seen)} snapshots are not complete yet"
        return Waiting(ground.pacing.look_again_s, message)
    # What does not verify is not deleted either, so it can't be taken again under its ids.
    verified_set(ground.ring, seen)
    return Done(counted(len(seen), "snapshot"))


def _wanted(
    ground: Ground,
    session: BackupSession,
    disks: Mapping[ArmId, ResolvedDisk],
    stamp: Stamp | None,
) -> dict[ArmId, SnapshotWanted]:
    """Return what is asked for; a set that stands alone has the *stamp* in its first member."""
    machine, run_id = machine_of(session), run_of(session)
    before = predecessors_of(session)
    untrusted = {each.disk for each in session.status.full_reads if each.reason in UNTRUSTED}
    return {
        snapshot: SnapshotWanted(
            id=snapshot,
            region=machine.region,
            disk_id=ArmId(disk.id),
            tags={
                **_open_tags(ground, run_id),
                **seal_tags(
                    ground.ring.active,
                    snapshot,
                    MemberFacts(
                        run_id=run_id,
                        virtual_machine_id=ArmId(machine.id),
                        disk_id=ArmId(disk.id),
                        disk_unique_id=disk.unique_id,
                        lun=disk.lun,
                        position=position,
                        members=len(disks),
                        previous_snapshot_id=_snapshot_of(before.get(disk.position)),
                        policy=counted_for(session),
                        changes_untrusted=disk.position in untrusted,
                        repository_id=None if stamp else repository_of(session).id,
                        alone=stamp is not None,
                        stamp=None if position else stamp,
                    ),
                ),
            },
        )
        for position, (snapshot, disk) in enumerate(disks.items())
    }


def _snapshot_of(before: Predecessor | None) -> ArmId | None:
    return None if before is None else ArmId(before.snapshot_id)


def _open_tags(ground: Ground, run_id: RunId) -> dict[str, str]:
    """Return the tags by which our resources are found again; they prove nothing."""
    own = {APPLIANCE_TAG: ground.settings.appliance.id, RUN_TAG: run_id}
    return joined_tags(ground.settings.tags, own)
