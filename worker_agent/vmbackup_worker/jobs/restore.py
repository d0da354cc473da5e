"""A restore job: each disk of a point, from its manifest into its target.

Every block is compared with its hash before it is written, and the first that is lost ends the job.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from typing_extensions import override

from vmbackup_core.protocol import (
    DiskRestored,
    DiskToRestore,
    RestoreJob,
    RestoreResult,
    WorkJob,
)
from vmbackup_core.repository.data.copied_packs import CopiedPacks
from vmbackup_core.repository.data.named_disk import Patient
from vmbackup_worker.jobs.disks_at_once import DisksAtOnce
from vmbackup_worker.jobs.restore_in_place import THIS_MACHINE, InPlace, Machine
from vmbackup_worker.jobs.restore_targets import Target, Targets, pointed_disk
from vmbackup_worker.jobs.restore_uploads import Uploads
from vmbackup_worker.meter import Meter
from vmbackup_worker.renewable_store import JobContainer, OpenStore, container_store
from vmbackup_worker.running import Work
from vmbackup_worker.settings import Rhythm


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A disk whose manifest opens and whose target is open, and as long as it must be."""

    disk_id: str
    target: Target


class Restore(Work):
    """One job's work; run again, it writes everything anew, or in place what is still missing."""

    def __init__(
        self,
        job: RestoreJob,
        meter: Meter,
        stop: threading.Event,
        *,
        renewal_s: float,
        open_store: OpenStore = container_store,
        machine: Machine = THIS_MACHINE,
    ) -> None:
        self._job = job
        self._meter = meter
        self._container = JobContainer(
            job.repository, stop, renewal_s=renewal_s, open_store=open_store
        )
        self._store = Patient(CopiedPacks(self._container.store, job.run_id))
        self._disks = DisksAtOnce(len(job.disks), job.threads, stop)
        self._targets: Targets
        if any(disk.target_lun is not None for disk in job.disks):
            self._targets = InPlace(machine, stop)
        else:
            self._targets = Uploads(job, self._disks, renewal_s=renewal_s)

    @override
    def renew(self, job: WorkJob) -> None:
        if not isinstance(job, RestoreJob):
            raise TypeError(f"job {job.job_id} is no restore job")
        self._container.renew(job.repository)
        self._targets.renew(job)

    @override
    def run(self) -> RestoreResult:
        try:
            prepared = self._disks.work(self._job.disks, self._prepare)
            return RestoreResult(self._disks.work(prepared, self._restore))
        finally:
            self._targets.close()

    def _prepare(self, disk: DiskToRestore) -> _Prepared:
        """Return what is written of a disk; nothing is before all of them are known."""
        target = self._targets.open(pointed_disk(self._store, disk))
        self._meter.expect(disk.disk_id, target.to_read_bytes())
        return _Prepared(disk.disk_id, target)

    def _restore(self, prepared: _Prepared) -> DiskRestored:
        began = time.monotonic()
        with self._meter.during(prepared.disk_id):
            written = prepared.target.write(self._meter, self._disks.threads_each)
        return DiskRestored(
            prepared.disk_id,
            written.written_bytes,
            round(time.monotonic() - began, 3),
            written.compared_bytes,
            written.differing_bytes,
        )


def make(job: WorkJob, meter: Meter, stop: threading.Event, rhythm: Rhythm) -> Work:
    """Return the work of *job*."""
    if not isinstance(job, RestoreJob):
        raise TypeError(f"job {job.job_id} is no restore job")
    return Restore(job, meter, stop, renewal_s=rhythm.renewal_s)
