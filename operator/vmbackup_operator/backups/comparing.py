"""What was asked for against what is there: disks that a point or the VM lacks are named. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from vmbackup_operator.model.backup_session import BackupSessionSpec
from vmbackup_operator.sessions.seen import DiskSeen, PointSeen, VirtualMachineSeen


def differences(
    spec: BackupSessionSpec, point: PointSeen, machine: VirtualMachineSeen | None
) -> str:
    """Say how an existing point differs from what the session asks for, empty where it does not.

    *machine* is the VM as it is now, None where there is none, or none that can be read. A point is
    of its own moment, so it is adopted all the same.
    """
    excluded = set(spec.exclude_data_disk_luns)
    held = {disk.lun: disk.unique_id for disk in point.disks}
    said = [f"holds the excluded data disk at LUN {lun}" for lun in _sorted(excluded & held.keys())]
    for disk in () if machine is None else machine.disks:
        if disk.lun in excluded:
            continue
        if disk.lun not in held:
            said.append(f"lacks {_words(disk.lun)}")
        elif held[disk.lun] != disk.unique_id:
            said.append(f"holds {_words(disk.lun)} as another disk than it is now")
    return ", ".join(said)


def unknown_luns(spec: BackupSessionSpec, disks: Iterable[DiskSeen]) -> str:
    """Name the LUNs that are excluded and that the VM has no disk at, empty where there is none."""
    unknown = set(spec.exclude_data_disk_luns) - {disk.lun for disk in disks}
    return ", ".join(map(str, sorted(unknown)))


def _sorted(luns: Iterable[int | None]) -> list[int]:
    return sorted(lun for lun in luns if lun is not None)


def _words(lun: int | None) -> str:
    return "the OS disk" if lun is None else f"the data disk at LUN {lun}"
