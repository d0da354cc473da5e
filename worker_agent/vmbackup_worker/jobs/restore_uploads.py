"""The targets of a restore job that are made for upload: all but zeros is written, and a footer.

What one attempt has written the next one writes again: it is the same.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass

from typing_extensions import override

from vmbackup_core.protocol import DiskToRestore, RestoreJob
from vmbackup_core.repository.data.restore import restore_manifest
from vmbackup_core.vhd_footer import EPOCH, FOOTER_BYTES, footer
from vmbackup_worker.access import Renewable
from vmbackup_worker.jobs.disks_at_once import DISKS_AT_ONCE, DisksAtOnce
from vmbackup_worker.jobs.restore_targets import PointedDisk, Target, Targets, Written
from vmbackup_worker.meter import Meter, Totals
from vmbackup_worker.page_blob import export_pool
from vmbackup_worker.upload_target import UploadTarget
from vmbackup_worker.uploaded_disk import UploadedDisk


class Uploads(Targets):
    """Targets behind write SAS, each of which may be renewed."""

    def __init__(self, job: RestoreJob, disks: DisksAtOnce, *, renewal_s: float) -> None:
        self._urls = {disk.disk_id: Renewable(_url_of(disk)) for disk in job.disks}
        self._stop = disks.stop
        self._renewal_s = renewal_s
        self._pool = export_pool(DISKS_AT_ONCE * disks.threads_each)

    @override
    def renew(self, job: RestoreJob) -> None:
        for disk in job.disks:
            if disk.disk_id in self._urls:
                self._urls[disk.disk_id].renew(_url_of(disk))

    @override
    def open(self, pointed: PointedDisk) -> Target:
        url = self._urls[pointed.disk.disk_id]
        target = UploadTarget(pointed.name, url, self._pool, self._stop, renewal_s=self._renewal_s)
        pointed.check_size(target.size_bytes(), pointed.disk.target_bytes + FOOTER_BYTES)
        return _Upload(pointed, target)

    @override
    def close(self) -> None:
        self._pool.clear()


@dataclass(frozen=True, slots=True)
class _Upload(Target):
    """Every block that is not zero is written."""

    pointed: PointedDisk
    target: UploadTarget

    @override
    def to_read_bytes(self) -> int:
        manifest = self.pointed.manifest
        return manifest.lines.used_blocks * manifest.said.block_bytes

    @override
    def write(self, meter: Meter, threads: int) -> Written:
        pointed, disk = self.pointed, self.pointed.disk

        def stored(written: int) -> None:
            meter.set_stored(disk.disk_id, written)

        sink = UploadedDisk(self.target, disk.disk_bytes, threads, stored)
        restore_manifest(
            pointed.store,
            pointed.keys,
            pointed.manifest,
            pointed.healed(),
            sink,
            threads=threads,
            progress=Totals(meter, disk.disk_id).count_read,
        )
        return Written(sink.finish(disk.target_bytes, _footer_of(disk)))


def _url_of(disk: DiskToRestore) -> str:
    if disk.target_url is None:
        raise TypeError(f"{disk!r} was not made for upload")
    return disk.target_url


def _footer_of(disk: DiskToRestore) -> bytes:
    """Return the target's footer, the same whenever the disk is written."""
    named = hashlib.sha256(disk.disk_id.lower().encode()).digest()
    return footer(disk.target_bytes, EPOCH, uuid.UUID(bytes=named[:16]))
