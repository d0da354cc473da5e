"""A restore job into disks that have content, attached to this machine: what differs is written.

Each block of a disk is compared with the point's index, each that differs is written, and then the
whole disk is read back. A job that begins again finds what was written, and goes on with the rest.
"""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

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
from vmbackup_core.repository.data.differences import Comparison
from vmbackup_core.repository.data.healing import HealingIndex
from vmbackup_core.repository.data.manifest import Manifest
from vmbackup_core.repository.data.named_disk import Patient
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_worker.attached_disk import APPEARS_WITHIN_S, DEVICES, AttachedDisk, opened
from vmbackup_worker.jobs.disks_at_once import DisksAtOnce
from vmbackup_worker.jobs.given_keys import keys_of
from vmbackup_worker.jobs.pointed_manifests import name_of, pointed_manifest, size_differs
from vmbackup_worker.meter import Meter
from vmbackup_worker.renewable_store import JobContainer, OpenStore, container_store
from vmbackup_worker.running import Work


@dataclass(frozen=True, slots=True)
class Machine:
    """Where this machine shows its disks, and how long one that is attached takes to appear."""

    devices: Path = DEVICES
    appears_within_s: float = APPEARS_WITHIN_S


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A disk whose manifest opens and whose target is open, and as long as it must be."""

    disk: DiskToRestore
    keys: ChainKeys
    manifest: Manifest
    target: AttachedDisk

    @property
    def disk_id(self) -> str:
        return self.disk.disk_id


class RestoreInPlace(Work):
    """One job's work; run again, it writes what is still missing."""

    def __init__(
        self,
        job: RestoreJob,
        meter: Meter,
        stop: threading.Event,
        *,
        renewal_s: float,
        open_store: OpenStore = container_store,
        machine: Machine = Machine(),
    ) -> None:
        self._job = job
        self._meter = meter
        self._stop = stop
        self._container = JobContainer(
            job.repository, stop, renewal_s=renewal_s, open_store=open_store
        )
        self._store = Patient(CopiedPacks(self._container.store, job.run_id))
        self._disks = DisksAtOnce(len(job.disks), job.threads, stop)
        self._machine = machine

    @override
    def renew(self, job: WorkJob) -> None:
        if not isinstance(job, RestoreJob):
            raise TypeError(f"job {job.job_id} is no restore job")
        self._container.renew(job.repository)

    @override
    def run(self) -> RestoreResult:
        with ExitStack() as targets:
            prepared = self._disks.work(self._job.disks, lambda disk: self._prepare(disk, targets))
            return RestoreResult(self._disks.work(prepared, self._restore))

    def _prepare(self, disk: DiskToRestore, targets: ExitStack) -> _Prepared:
        """Return what is written of a disk; nothing is before all of them are known."""
        if disk.target_lun is None:
            raise TypeError(f"{disk!r} is not attached")
        keys = keys_of(disk.chain_id, disk.keys, name_of(disk))
        manifest = pointed_manifest(self._store, keys, disk)
        target = targets.enter_context(
            opened(
                name_of(disk),
                disk.target_lun,
                self._stop,
                devices=self._machine.devices,
                within_s=self._machine.appears_within_s,
            )
        )
        wrong = size_differs(disk, target.size_bytes(), disk.target_bytes)
        if wrong is not None:
            raise PermanentError(wrong, reason="DiskSizeDiffers")
        # Once to compare it, once to read it back.
        self._meter.expect(disk.disk_id, 2 * disk.target_bytes)
        return _Prepared(disk, keys, manifest, target)

    def _restore(self, prepared: _Prepared) -> DiskRestored:
        disk, began = prepared.disk, time.monotonic()
        self._meter.begin(disk.disk_id)
        try:
            comparison = self._comparison(prepared)
            healed = HealingIndex.load(
                self._store, prepared.keys, (each.as_stored() for each in disk.healed)
            )
            rewritten = comparison.rewrite(
                healed, lambda written: self._meter.set_stored(disk.disk_id, written)
            )
            prepared.target.flush()
            _check_same(disk, comparison.differing_bytes())
        finally:
            self._meter.end(disk.disk_id)
        return DiskRestored(
            disk.disk_id,
            rewritten.written_bytes,
            round(time.monotonic() - began, 3),
            compared_bytes=disk.target_bytes,
            differing_bytes=rewritten.differing_bytes,
        )

    def _comparison(self, prepared: _Prepared) -> Comparison:
        disk_id = prepared.disk_id
        return Comparison(
            self._store,
            prepared.keys,
            prepared.manifest,
            prepared.target,
            prepared.disk.target_bytes,
            self._disks.threads_each,
            lambda read: self._meter.count_read(disk_id, read),
        )


def _check_same(disk: DiskToRestore, differing_bytes: int) -> None:
    if differing_bytes:
        detail = f"{name_of(disk)}: read back, {differing_bytes} bytes are not what was written"
        raise PermanentError(detail, reason="DiskDiffers")
