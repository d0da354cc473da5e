"""Recovery points: the objects that say which commits make up one state of a VM."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import ChainId, CommitSlot, DiskUniqueId, RunId, SnapshotUniqueId
from vmbackup_core.repository.envelope import seal, unseal
from vmbackup_core.repository.names import POINTS, is_id, point_name
from vmbackup_core.repository.records import Manifest, PointKind, parsed
from vmbackup_core.stores.port import NotStored, Store

#: Bounds on the texts that a point carries for others; it stays one small object.
MOST_DESCRIPTION = 256 * 1024
MOST_RETENTION = 16 * 1024
MOST_DISKS = 256


class RecoveryPointDisk(msgspec.Struct, frozen=True, rename="camel"):
    """One disk of a recovery point; *lun* is None for the OS disk.

    *snapshot_unique_id* is None in points of format 1.0 only; none is recorded without it.
    """

    disk_id: str
    name: str
    lun: int | None
    size_bytes: int
    unique_id: DiskUniqueId
    chain_id: ChainId
    slot: CommitSlot
    commit_digest: str
    snapshot_id: str
    read_bytes: int
    stored_bytes: int
    snapshot_unique_id: SnapshotUniqueId | None = None


class RecoveryPoint(msgspec.Struct, frozen=True, rename="camel"):
    """One restorable state of a VM; *created_at* is when its snapshots were taken."""

    run_id: RunId
    appliance_id: str
    vm_id: str
    vm_name: str
    vm_region: str
    vm_description: str
    created_at: datetime
    policy_namespace: str
    policy_name: str
    retention: str
    kind: PointKind
    disks: tuple[RecoveryPointDisk, ...]

    def __post_init__(self) -> None:
        if self.created_at.tzinfo is None:
            raise ValueError("created_at without a time zone")
        if len(self.vm_description) > MOST_DESCRIPTION or len(self.retention) > MOST_RETENTION:
            raise ValueError("a description or a retention that is too long")
        if not 0 < len(self.disks) <= MOST_DISKS:
            raise ValueError(f"a recovery point of {len(self.disks)} disks")


def is_of_snapshot(disk: RecoveryPointDisk, manifest: Manifest) -> bool:
    """Tell whether *manifest* holds the snapshot that the point has for *disk*, where it says."""
    return disk.snapshot_unique_id in {None, manifest.snapshot_unique_id}


def seal_point(point: RecoveryPoint, *, secret: bytes, epoch: int) -> bytes:
    """Return the object that holds *point*."""
    payload = msgspec.json.encode(point)
    return seal("RPNT", point_name(point.run_id), payload, secret=secret, epoch=epoch)


def find_point(store: Store, run: RunId, *, secret: bytes, epoch: int) -> RecoveryPoint | None:
    """Return the recovery point of *run*, or None."""
    name = point_name(run)
    try:
        stored = store.get(name)
    except NotStored:
        return None
    payload = unseal("RPNT", name, stored, secret=secret, epoch=epoch)
    point = parsed(name, payload, RecoveryPoint)
    if point.run_id != run:
        raise CorruptRepository(f"{name}: is the point of run {point.run_id}")
    return point


def runs_with_point(store: Store) -> Iterator[RunId]:
    """Yield the runs that have a recovery point; objects with other names are left alone."""
    for each in store.list(POINTS):
        run = each.name[len(POINTS) :]
        if is_id(run):
            yield RunId(run)
