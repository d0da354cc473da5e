"""``vmbackup repository list``."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from vmbackup_core.repository.control.points.points import PointDisk, RecoveryPoint
from vmbackup_core.repository.primitives.json_payloads import encode
from vmbackup_operator.cli.choosing import Found, name_of, read_points
from vmbackup_operator.cli.commands import ListPoints
from vmbackup_operator.cli.complaints import DAMAGE, GOOD, complaint_of
from vmbackup_operator.cli.opening import complain_of_log, open_at
from vmbackup_operator.cli.printing import Console, size
from vmbackup_operator.cli.progress import ProgressLine, counted


class ListedDisk(msgspec.Struct, frozen=True, rename="camel"):
    """A disk as ``--output json`` has it: docs/operations.md promises these fields."""

    name: str
    disk_id: str
    lun: int | None
    size_bytes: int
    read_bytes: int
    stored_bytes: int
    snapshot_id: str


class ListedPoint(msgspec.Struct, frozen=True, rename="camel"):
    """A recovery point as ``--output json`` has it: docs/operations.md promises these fields."""

    run_id: str
    name: str
    kind: str
    created_at: datetime
    vm_name: str
    vm_id: str
    vm_region: str
    vm_description: str
    appliance_id: str
    policy_namespace: str
    policy_name: str
    retention: str
    disks: list[ListedDisk]


def list_points(asked: ListPoints, console: Console) -> int:
    """Print recovery points, the oldest first; damaged ones are named."""
    repository = open_at(asked.where, console)
    line = ProgressLine("list", console, quiet=asked.where.quiet)
    with counted(line, "recovery point") as one_more:
        found = read_points(repository, asked.point, asked.vm, one_more)
    if asked.where.output == "json":
        console.write_json([_listed(each) for each in found.points])
    else:
        _write_table(found, console)
    for error in found.damaged.values():
        console.complain(complaint_of(error))
    is_log_damaged = complain_of_log(repository, console)
    return DAMAGE if found.damaged or is_log_damaged else GOOD


def _write_table(found: Found, console: Console) -> None:
    rows = [
        (
            each.run_id,
            each.vm_name,
            each.created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            each.kind,
            ",".join(disk.name for disk in each.disks),
            size(sum(disk.size_bytes for disk in each.disks)),
            size(sum(disk.stored_bytes for disk in each.disks)),
        )
        for each in found.points
    ]
    console.write_table(("RUN", "VM", "CREATED", "KIND", "DISKS", "SIZE", "STORED"), rows)


def _listed(point: RecoveryPoint) -> ListedPoint:
    return ListedPoint(
        run_id=point.run_id,
        name=name_of(point),
        kind=point.kind,
        created_at=datetime.combine(point.created_at.date(), point.created_at.time(), UTC),
        vm_name=point.vm_name,
        vm_id=point.vm_id,
        vm_region=point.vm_region,
        vm_description=point.vm_description,
        appliance_id=point.appliance_id,
        policy_namespace=point.policy_namespace or "",
        policy_name=point.policy_name or "",
        retention=encode(point.retention).decode(),
        disks=[_listed_disk(disk) for disk in point.disks],
    )


def _listed_disk(disk: PointDisk) -> ListedDisk:
    return ListedDisk(
        name=disk.name,
        disk_id=disk.id,
        lun=disk.lun,
        size_bytes=disk.size_bytes,
        read_bytes=disk.read_bytes,
        stored_bytes=disk.stored_bytes,
        snapshot_id=disk.snapshot_id,
    )
