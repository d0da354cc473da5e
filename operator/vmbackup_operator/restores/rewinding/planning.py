"""The plan of a rewind: which disk takes the place of which, or why none does. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import RunId
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.environments.bodies import Body, text_at, value_at
from vmbackup_operator.model.restore_session import (
    RestoredDisk,
    RestoreSessionSpec,
    RestoreTarget,
)
from vmbackup_operator.model.rewound import Rewound, RewoundDisk
from vmbackup_operator.model.session_findings import position_of
from vmbackup_operator.naming import ArmId, name_of, resource_group_of, subscription_of
from vmbackup_operator.restores.planning.names import restored_names
from vmbackup_operator.restores.planning.places import id_in, region_name
from vmbackup_operator.sessions.rewind_ports import AttachedDisk, MachineNow
from vmbackup_operator.sessions.seen import DiskOfSet, PointOfSet, SnapshotSeen

GIB = 1 << 30


def plan_rewind(
    machine: MachineNow,
    point: PointOfSet,
    sources: Mapping[str, SnapshotSeen],
    spec: RestoreSessionSpec,
    run: RunId,
    *,
    rewritten: bool,
) -> Rewound:
    """Return what is made so that the VM's disks are those of the *point*.

    *sources* has the snapshot of each position that the point was stored of. Where a disk is to be
    *rewritten* it is made of one that is near to the point, and where there is none of today's.
    PermanentError, with a reason, where the spec, the VM and the point contradict each other.
    """
    _check_target(machine, spec.target)
    pairs = [(disk, _attached(machine, disk)) for disk in _chosen(point.disks, spec.disks)]
    recorded = [(position_of(disk.lun), disk.name) for disk, _ in pairs]
    disks = restored_names(recorded, [None] * len(pairs), run, "disks")
    today = [(position, f"{name[:60]}-before") for position, name in recorded]
    snapshots = restored_names(today, [None] * len(pairs), run, "snapshots")
    return Rewound(
        virtual_machine_id=machine.id,
        was_running=machine.power == "running",
        disks=tuple(
            _rewound(disk, attached, sources.get(position_of(disk.lun)), spec.target, names)
            for (disk, attached), *names in zip(pairs, disks, snapshots, strict=True)
        ),
        rewritten=rewritten,
        zone=_zone(attached for _, attached in pairs) if rewritten else "",
    )


def written_disks(rewound: Rewound) -> tuple[RestoredDisk, ...]:
    """Return the new disks as those that a worker is to write."""
    return tuple(
        RestoredDisk(each.disk, each.disk_id, each.size_gib * GIB) for each in rewound.disks
    )


def ids_used(rewound: Rewound) -> Iterator[ArmId]:
    """Yield every ARM id that is changed, made, or taken the place of."""
    yield ArmId(rewound.virtual_machine_id)
    for each in rewound.disks:
        yield from map(ArmId, (each.replaced_disk_id, each.disk_id, each.snapshot_id))


def made_ids(rewound: Rewound) -> list[ArmId]:
    """Return the ids of the disks and snapshots that are made."""
    return [ArmId(each) for disk in rewound.disks for each in (disk.disk_id, disk.snapshot_id)]


def _check_target(machine: MachineNow, target: RestoreTarget) -> None:
    """Refuse a target that is not where the VM is: whoever names it says which VM is meant."""
    where = (subscription_of(machine.id), folded(resource_group_of(machine.id)), machine.region)
    named = (
        folded(target.subscription_id),
        folded(target.resource_group),
        region_name(target.region),
    )
    if where != named:
        raise PermanentError(
            f"{machine.id} is in {machine.region}, and a rewind happens where its VM is: name that "
            "subscription, resource group and region in spec.target",
            reason="TargetElsewhere",
        )


def _chosen(disks: Sequence[DiskOfSet], wanted: Sequence[str]) -> list[DiskOfSet]:
    there = {position_of(disk.lun) for disk in disks}
    for missing in sorted(set(wanted) - there):
        known = ", ".join(sorted(there))
        message = f"spec names disk {missing}, which the point does not have: {known}"
        raise PermanentError(message, reason="DiskNotInPoint")
    return [disk for disk in disks if not wanted or position_of(disk.lun) in wanted]


def _attached(machine: MachineNow, disk: DiskOfSet) -> AttachedDisk:
    """Return the VM's own disk at the place of the point's, or refuse one that can't be swapped."""
    position = position_of(disk.lun)
    found = machine.disk_at(position)
    if found is None:
        raise PermanentError(
            f"{machine.name} has no disk at {position} any more, where the point has {disk.name}: "
            "name the others in spec.disks, or restore it with mode Disks",
            reason="DiskNotAttached",
        )
    body: Body = dict(found.body)
    shares = value_at(body, "properties", "maxShares")
    if isinstance(shares, int) and shares > 1:
        message = f"disk {found.id} is shared between VMs, and is not swapped in one of them"
        raise PermanentError(message, reason="DiskNotSupported")
    kind = text_at(body, "properties", "securityProfile", "securityType")
    if folded(kind).startswith("confidentialvm"):
        message = f"disk {found.id} is of a confidential VM: its guest state is in no snapshot"
        raise PermanentError(message, reason="SecurityTypeNotSupported")
    return found


def _zone(disks: Iterable[AttachedDisk]) -> str:
    """Return the zone that the disks are in, which is their VM's; empty where they are in none."""
    named = (each.body.get("zones") or () for each in disks)
    return next((str(zone) for zones in named for zone in zones), "")


def _rewound(
    disk: DiskOfSet,
    attached: AttachedDisk,
    source: SnapshotSeen | None,
    target: RestoreTarget,
    names: Sequence[str],
) -> RewoundDisk:
    disk_name, snapshot_name = names
    snapshot = id_in(target, "Microsoft.Compute/snapshots", snapshot_name)
    return RewoundDisk(
        disk=attached.position,
        replaced_disk_id=attached.id,
        disk_id=id_in(target, "Microsoft.Compute/disks", disk_name),
        snapshot_id=snapshot,
        source_snapshot_id=snapshot if source is None else source.id,
        size_gib=size_gib(disk, attached),
        caching=attached.caching,
        delete_option=attached.delete_option,
        write_accelerator=attached.write_accelerator,
    )


def size_gib(disk: DiskOfSet, attached: AttachedDisk) -> int:
    """Return the size of the new disk: today's, or the point's where that is larger."""
    today = value_at(dict(attached.body), "properties", "diskSizeGB")
    return max(today if isinstance(today, int) else 0, -(-disk.size_bytes // GIB))


def next_backup_of(rewound: Rewound) -> str:
    """Return what is said of the next backup of the disks that are made."""
    names = ", ".join(name_of(ArmId(each.disk_id)) for each in rewound.disks)
    return f"full, of a new chain: {names}"
