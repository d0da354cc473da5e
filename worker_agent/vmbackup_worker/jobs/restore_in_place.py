"""The targets of a restore job that have content and are attached here: what differs is written.

Each block of a disk is compared with the point's index, each that differs is written, and then the
whole disk is read back. A job that begins again finds what was written, and goes on with the rest.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from typing_extensions import override

from vmbackup_core.errors import PermanentError
from vmbackup_core.protocol import RestoreJob
from vmbackup_core.repository.data.differences import Comparison
from vmbackup_worker.attached_disk import APPEARS_WITHIN_S, DEVICES, AttachedDisk, opened
from vmbackup_worker.jobs.restore_targets import PointedDisk, Target, Targets, Written
from vmbackup_worker.meter import Meter


@dataclass(frozen=True, slots=True)
class Machine:
    """Where this machine shows its disks, and how long one that is attached takes to appear."""

    devices: Path = DEVICES
    appears_within_s: float = APPEARS_WITHIN_S


THIS_MACHINE: Final = Machine()


class InPlace(Targets):
    """Targets at LUNs of this machine."""

    def __init__(self, machine: Machine, stop: threading.Event) -> None:
        self._machine = machine
        self._stop = stop
        self._opened = ExitStack()

    @override
    def renew(self, job: RestoreJob) -> None:
        """Do nothing: a disk that is attached takes no credentials."""

    @override
    def open(self, pointed: PointedDisk) -> Target:
        disk = pointed.disk
        if disk.target_lun is None:
            raise TypeError(f"{disk!r} is not attached")
        target = self._opened.enter_context(
            opened(
                pointed.name,
                disk.target_lun,
                self._stop,
                devices=self._machine.devices,
                within_s=self._machine.appears_within_s,
            )
        )
        pointed.check_size(target.size_bytes(), disk.target_bytes)
        return _Attached(pointed, target)

    @override
    def close(self) -> None:
        self._opened.close()


@dataclass(frozen=True, slots=True)
class _Attached(Target):
    """What differs is written."""

    pointed: PointedDisk
    target: AttachedDisk

    @override
    def to_read_bytes(self) -> int:
        # Once to compare it, once to read it back.
        return 2 * self.pointed.disk.target_bytes

    @override
    def write(self, meter: Meter, threads: int) -> Written:
        pointed, disk = self.pointed, self.pointed.disk
        comparison = Comparison(
            pointed.store,
            pointed.keys,
            pointed.manifest,
            self.target,
            disk.target_bytes,
            threads,
            lambda read: meter.count_read(disk.disk_id, read),
        )
        rewritten = comparison.rewrite(
            pointed.healed(), lambda written: meter.set_stored(disk.disk_id, written)
        )
        self.target.flush()
        self._check_same(comparison.differing_bytes())
        return Written(rewritten.written_bytes, disk.target_bytes, rewritten.differing_bytes)

    def _check_same(self, differing_bytes: int) -> None:
        if differing_bytes:
            found = f"read back, {differing_bytes} bytes are not what was written"
            raise PermanentError(f"{self.pointed.name}: {found}", reason="DiskDiffers")
