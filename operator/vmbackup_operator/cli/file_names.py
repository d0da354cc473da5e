"""A file name for each disk of a recovery point, no two alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from vmbackup_core.errors import PermanentError
from vmbackup_core.repository.control.points.points import PointDisk


def file_names(disks: Sequence[PointDisk]) -> list[str]:
    """Return a name for each of *disks*: its own, with the LUN and a number where that is taken.

    Names that differ in case alone are alike, since on some file systems they are one.
    """
    often = Counter(disk.name.casefold() for disk in disks)
    taken = {name for name, count in often.items() if count == 1}
    names: list[str] = []
    for disk in disks:
        stem = disk.name
        if often[stem.casefold()] > 1:
            stem = _free(f"{disk.name}-{_place(disk)}", taken)
            taken.add(stem.casefold())
        names.append(f"{_checked(stem)}.img")
    return names


def _free(stem: str, taken: set[str]) -> str:
    number, found = 1, stem
    while found.casefold() in taken:
        number += 1
        found = f"{stem}-{number}"
    return found


def _place(disk: PointDisk) -> str:
    return "os" if disk.lun is None else f"lun{disk.lun}"


def _checked(name: str) -> str:
    if "/" in name or "\0" in name or name.startswith("."):
        raise PermanentError(
            f"disk {name!r} makes no file name: bring it back by itself, with --disk",
            reason="NoSuchDisk",
        )
    return name
