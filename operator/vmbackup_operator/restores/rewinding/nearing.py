"""What a disk is made of that a worker is to write: what was taken nearest to the point.

The less time lies between, the less differs as a rule, and only what differs is written. Whatever
it is, the disk holds the point in the end: the worker compares every block and reads all back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from msgspec.structs import replace

from vmbackup_operator.arm_ids import same_id
from vmbackup_operator.model.rewound import Rewound, RewoundDisk
from vmbackup_operator.model.session_findings import position_of
from vmbackup_operator.naming import ArmId, subscription_of
from vmbackup_operator.restores.rewinding.planning import GIB, size_gib
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.rewind_ports import MachineNow
from vmbackup_operator.sessions.seen import DiskOfSet, PointOfSet, SnapshotSeen
from vmbackup_operator.sessions.snapshot_sets import sets_of_machine
from vmbackup_operator.sessions.tags import verified_set


async def find_nearer(
    ground: Ground, point: PointOfSet, machine: MachineNow
) -> Mapping[str, SnapshotSeen]:
    """Return by position the snapshot of the point's disk that is nearer to the point than today.

    Of sets that backups retain and that verify, and that fits into the new disk. None where there
    is no nearer one: a snapshot of today is what is left then.
    """
    if point.created_at is None:
        return {}
    group = ground.settings.snapshot_group(subscription_of(point.virtual_machine_id))
    seen = await ground.snapshots.of_group(*group)
    whole = [
        each
        for each in sets_of_machine(ground, seen, point.virtual_machine_id)
        if each.fault is None and not each.alone
    ]
    taken = [
        (snapshot, facts.disk_id)
        for each in whole
        for snapshot, facts in verified_set(ground.ring, each.snapshots).members
        if snapshot.ready
    ]
    longest = abs(ground.clock.now() - point.created_at)
    nearest = {
        position_of(disk.lun): _nearest(
            (
                snapshot
                for snapshot, disk_id in taken
                if same_id(disk_id, ArmId(disk.id)) and _fits(snapshot, disk, machine)
            ),
            point.created_at,
            longest,
        )
        for disk in point.disks
    }
    return {position: each for position, each in nearest.items() if each is not None}


async def still_there(ground: Ground, rewound: Rewound) -> Rewound:
    """Return the rewind with the snapshots of today for those that have gone before their use."""

    async def sourced(disk: RewoundDisk) -> RewoundDisk:
        if (
            not disk.is_of_retained
            or await ground.copies.find(ArmId(disk.disk_id)) is not None
            or await ground.snapshots.find(ArmId(disk.source_snapshot_id)) is not None
        ):
            return disk
        return replace(disk, source_snapshot_id=disk.snapshot_id)

    if not rewound.rewritten:
        return rewound
    return replace(rewound, disks=tuple(await asyncio.gather(*map(sourced, rewound.disks))))


def _fits(snapshot: SnapshotSeen, disk: DiskOfSet, machine: MachineNow) -> bool:
    attached = machine.disk_at(position_of(disk.lun))
    return attached is not None and snapshot.size_bytes <= size_gib(disk, attached) * GIB


def _nearest(
    snapshots: Iterable[SnapshotSeen], moment: datetime, longest: timedelta
) -> SnapshotSeen | None:
    """Return the snapshot nearest to the moment, if less than the *longest* time lies between."""

    def distance(snapshot: SnapshotSeen) -> timedelta:
        return abs(snapshot.created_at - moment)

    near = (each for each in snapshots if distance(each) < longest)
    return min(near, key=distance, default=None)
