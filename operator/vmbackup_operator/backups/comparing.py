"""What was asked for against what is there: disks that a point or the VM lacks are named. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from vmbackup_operator.backups.excluding import why_excluded
from vmbackup_operator.model.backup_session import BackupSessionSpec
from vmbackup_operator.sessions.seen import PointSeen, VirtualMachineSeen


def differences(
    spec: BackupSessionSpec, point: PointSeen, machine: VirtualMachineSeen | None
) -> str:
    """Say how an existing point differs from what the session asks for, empty where it does not.

    *machine* is the VM as it is now, None where there is none, or none that can be read. A point is
    of its own moment, so it is adopted all the same.
    """
    held = {disk.lun: disk.unique_id for disk in point.disks}
    there = () if machine is None else machine.disks
    excluded: set[int | None] = set(spec.exclude_data_disk_luns)
    excluded |= {disk.lun for disk in there if why_excluded(spec, disk)}
    if spec.disks == "OSDiskOnly":
        excluded |= held.keys() - {None}
    said = [f"holds the excluded {_plain(lun)}" for lun in _sorted(excluded & held.keys())]
    for disk in there:
        if disk.lun in excluded:
            continue
        if disk.lun not in held:
            said.append(f"lacks {_words(disk.lun)}")
        elif held[disk.lun] != disk.unique_id:
            said.append(f"holds {_words(disk.lun)} as another disk than it is now")
    return ", ".join(said)


def unknown_luns(spec: BackupSessionSpec, machine: VirtualMachineSeen) -> str:
    """Name the LUNs that are excluded and that the VM has no disk at, empty where there is none."""
    there = {disk.lun for disk in machine.disks} | {disk.lun for disk in machine.unmanaged}
    unknown = set(spec.exclude_data_disk_luns) - there
    return ", ".join(map(str, sorted(unknown)))


def _sorted(luns: Iterable[int | None]) -> list[int | None]:
    return sorted(luns, key=lambda lun: -1 if lun is None else lun)


def _words(lun: int | None) -> str:
    return f"the {_plain(lun)}"


def _plain(lun: int | None) -> str:
    return "OS disk" if lun is None else f"data disk at LUN {lun}"
