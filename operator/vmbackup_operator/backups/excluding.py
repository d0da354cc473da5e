"""Which disks of a VM a session leaves out, and why; pure."""

from __future__ import annotations

from vmbackup_operator.model.backup_session import BackupSessionSpec
from vmbackup_operator.model.conditions import cut
from vmbackup_operator.model.exclusions import ExcludedDisk, TagWanted
from vmbackup_operator.model.session_findings import position_of
from vmbackup_operator.sessions.seen import DiskSeen, UnmanagedDisk, VirtualMachineSeen

#: The schema's bound.
MAX_WHY = 256


def excluded_disks(
    spec: BackupSessionSpec, machine: VirtualMachineSeen
) -> tuple[ExcludedDisk, ...]:
    """Return the disks of *machine* that *spec* leaves out, in the VM's order, managed or not."""
    disks: tuple[DiskSeen | UnmanagedDisk, ...] = (*machine.disks, *machine.unmanaged)
    whys = ((disk, why_excluded(spec, disk)) for disk in disks)
    return tuple(
        ExcludedDisk(position_of(disk.lun), disk.name, cut(why, MAX_WHY))
        for disk, why in whys
        if why
    )


def why_excluded(spec: BackupSessionSpec, disk: DiskSeen | UnmanagedDisk) -> str:
    """Return why *spec* leaves the disk out, empty where it does not."""
    if disk.lun is not None and spec.disks == "OSDiskOnly":
        return "only the OS disk is backed up"
    if disk.lun is not None and disk.lun in spec.exclude_data_disk_luns:
        return f"LUN {disk.lun} is excluded"
    if isinstance(disk, UnmanagedDisk):
        return ""
    tag = next((each for each in spec.exclude_disk_tags if each.is_met_by(disk.tags)), None)
    return "" if tag is None else f"it has the excluded tag {_words(tag)}"


def _words(tag: TagWanted) -> str:
    return f"{tag.name}={' or '.join(tag.values)}" if tag.values else tag.name
