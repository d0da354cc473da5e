"""Where a disk is restored to: what is there already, and whether it may be written to."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vmbackup_core.errors import PermanentError

Kind = Literal["nothing", "file", "device", "folder", "other"]

#: What a disk is in a file: its bytes alone, or what hypervisors know.
Format = Literal["raw", "qcow2", "vhd"]


@dataclass(frozen=True, slots=True)
class Target:
    """A place, and what is there; *size_bytes* is a device's."""

    path: Path
    kind: Kind
    size_bytes: int = 0


def look_at(path: Path) -> Target:
    """Return what is at *path*, behind links; a link that leads nowhere is a file to replace."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if error.errno not in {errno.ENOENT, errno.ELOOP}:
            raise PermanentError(f"{path}: {error.strerror}", reason="RestoreFailed") from error
        return Target(path, "file" if os.path.lexists(path) else "nothing")
    if stat.S_ISBLK(mode):
        return Target(path, "device", _device_bytes(path))
    if stat.S_ISREG(mode):
        return Target(path, "file")
    return Target(path, "folder" if stat.S_ISDIR(mode) else "other")


def objection(
    target: Target, disk: str, disk_bytes: int, *, force: bool, image: Format = "raw"
) -> PermanentError | None:
    """Return why *disk*, of *disk_bytes*, may not be restored to *target*, or None where it may."""
    path, kind = target.path, target.kind
    if kind == "folder":
        return PermanentError(f"{path} is a folder", reason="NotAFile")
    if kind == "other":
        return PermanentError(f"{path} is neither a file nor a block device", reason="NotAFile")
    if kind == "file" and not force:
        return PermanentError(f"{path} exists; --force replaces it", reason="FileExists")
    if kind == "device":
        return _objection_to_device(target, disk, disk_bytes, force=force, image=image)
    return None


def _objection_to_device(
    target: Target, disk: str, disk_bytes: int, *, force: bool, image: Format
) -> PermanentError | None:
    path = target.path
    if image != "raw":
        return PermanentError(
            f"{path} is a block device, and a {image} image is a file: leave out --format",
            reason="NotAFile",
        )
    if not force:
        return PermanentError(
            f"{path} is a block device; --force writes into it", reason="FileExists"
        )
    if target.size_bytes < disk_bytes:
        return PermanentError(
            f"{path} holds {target.size_bytes} bytes, {disk} has {disk_bytes}",
            reason="DeviceTooSmall",
        )
    return None


def _device_bytes(path: Path) -> int:
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            return os.lseek(descriptor, 0, os.SEEK_END)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise PermanentError(f"{path}: {error.strerror}", reason="RestoreFailed") from error
