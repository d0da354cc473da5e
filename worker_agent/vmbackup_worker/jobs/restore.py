"""A restore job: each disk of a point, from its manifest into a disk made for upload.

Every block is compared with its hash before it is written, and the first that is lost ends the job.
What one attempt has written the next one writes again: it is the same.
"""

from __future__ import annotations

import hashlib
import threading
import time
import uuid
from dataclasses import dataclass

from typing_extensions import override

from vmbackup_core.errors import PermanentError
from vmbackup_core.protocol import (
    DiskRestored,
    DiskToRestore,
    RestoreJob,
    RestoreResult,
    WorkJob,
)
from vmbackup_core.repository.data.copied_packs import CopiedPacks
from vmbackup_core.repository.data.healing import HealingIndex
from vmbackup_core.repository.data.manifest import Manifest
from vmbackup_core.repository.data.named_disk import Patient
from vmbackup_core.repository.data.restore import restore_manifest
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.transfer import Progress
from vmbackup_core.vhd_footer import EPOCH, FOOTER_BYTES, footer
from vmbackup_worker.access import Renewable
from vmbackup_worker.jobs.disks_at_once import DISKS_AT_ONCE, DisksAtOnce
from vmbackup_worker.jobs.given_keys import keys_of
from vmbackup_worker.jobs.pointed_manifests import name_of, pointed_manifest, size_differs
from vmbackup_worker.jobs.restore_in_place import RestoreInPlace
from vmbackup_worker.meter import Meter
from vmbackup_worker.page_blob import export_pool
from vmbackup_worker.renewable_store import JobContainer, OpenStore, container_store
from vmbackup_worker.running import Work
from vmbackup_worker.settings import Rhythm
from vmbackup_worker.upload_target import UploadTarget
from vmbackup_worker.uploaded_disk import UploadedDisk


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A disk whose manifest opens and whose target is as long as it must be."""

    disk: DiskToRestore
    keys: ChainKeys
    manifest: Manifest
    target: UploadTarget

    @property
    def disk_id(self) -> str:
        return self.disk.disk_id

    @property
    def used_bytes(self) -> int:
        return self.manifest.lines.used_blocks * self.manifest.said.block_bytes


class Restore(Work):
    """One job's work; run again, it writes everything anew."""

    def __init__(
        self,
        job: RestoreJob,
        meter: Meter,
        stop: threading.Event,
        *,
        renewal_s: float,
        open_store: OpenStore = container_store,
    ) -> None:
        self._job = job
        self._meter = meter
        self._stop = stop
        self._renewal_s = renewal_s
        self._container = JobContainer(
            job.repository, stop, renewal_s=renewal_s, open_store=open_store
        )
        self._store = Patient(CopiedPacks(self._container.store, job.run_id))
        self._targets = {disk.disk_id: Renewable(_url_of(disk)) for disk in job.disks}
        self._disks = DisksAtOnce(len(job.disks), job.threads, stop)
        self._pool = export_pool(DISKS_AT_ONCE * self._disks.threads_each)

    @override
    def renew(self, job: WorkJob) -> None:
        if not isinstance(job, RestoreJob):
            raise TypeError(f"job {job.job_id} is no restore job")
        self._container.renew(job.repository)
        for disk in job.disks:
            if disk.disk_id in self._targets:
                self._targets[disk.disk_id].renew(_url_of(disk))

    @override
    def run(self) -> RestoreResult:
        try:
            prepared = self._disks.work(self._job.disks, self._prepare)
            return RestoreResult(self._disks.work(prepared, self._restore))
        finally:
            self._pool.clear()

    def _prepare(self, disk: DiskToRestore) -> _Prepared:
        """Return what is written of a disk; nothing is before all of them are known."""
        keys = keys_of(disk.chain_id, disk.keys, name_of(disk))
        manifest = pointed_manifest(self._store, keys, disk)
        url = self._targets[disk.disk_id]
        target = UploadTarget(name_of(disk), url, self._pool, self._stop, renewal_s=self._renewal_s)
        wrong = size_differs(disk, target.size_bytes(), disk.target_bytes + FOOTER_BYTES)
        if wrong is not None:
            raise PermanentError(wrong, reason="DiskSizeDiffers")
        prepared = _Prepared(disk, keys, manifest, target)
        self._meter.expect(disk.disk_id, prepared.used_bytes)
        return prepared

    def _restore(self, prepared: _Prepared) -> DiskRestored:
        disk, began = prepared.disk, time.monotonic()
        self._meter.begin(disk.disk_id)
        try:
            written = self._write(prepared)
        finally:
            self._meter.end(disk.disk_id)
        return DiskRestored(disk.disk_id, written, round(time.monotonic() - began, 3))

    def _write(self, prepared: _Prepared) -> int:
        """Write every block and the footer; return how many bytes of blocks were written."""
        disk, keys, threads = prepared.disk, prepared.keys, self._disks.threads_each
        read = 0

        def told(progress: Progress) -> None:
            nonlocal read
            self._meter.count_read(disk.disk_id, progress.done_bytes - read)
            read = progress.done_bytes

        def stored(written: int) -> None:
            self._meter.set_stored(disk.disk_id, written)

        sink = UploadedDisk(prepared.target, disk.disk_bytes, threads, stored)
        healed = HealingIndex.load(self._store, keys, (each.as_stored() for each in disk.healed))
        restore_manifest(
            self._store, keys, prepared.manifest, healed, sink, threads=threads, progress=told
        )
        return sink.finish(disk.target_bytes, _footer_of(disk))


def make(job: WorkJob, meter: Meter, stop: threading.Event, rhythm: Rhythm) -> Work:
    """Return the work of *job*."""
    if not isinstance(job, RestoreJob):
        raise TypeError(f"job {job.job_id} is no restore job")
    if any(disk.target_lun is not None for disk in job.disks):
        return RestoreInPlace(job, meter, stop, renewal_s=rhythm.renewal_s)
    return Restore(job, meter, stop, renewal_s=rhythm.renewal_s)


def _url_of(disk: DiskToRestore) -> str:
    if disk.target_url is None:
        raise TypeError(f"{disk!r} was not made for upload")
    return disk.target_url


def _footer_of(disk: DiskToRestore) -> bytes:
    """Return the target's footer, the same whenever the disk is written."""
    named = hashlib.sha256(disk.disk_id.lower().encode()).digest()
    return footer(disk.target_bytes, EPOCH, uuid.UUID(bytes=named[:16]))
