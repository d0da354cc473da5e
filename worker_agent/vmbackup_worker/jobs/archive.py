"""An archive job: each disk of a point, from the repository that has it into another one.

Blocks are opened, compared with their hashes, and sealed anew: nothing is copied as it is. Once a
disk is written all of it is read back from where it was put. A job that begins again reads what it
has read before, and stores no pack again that the operator gives it as left.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from typing_extensions import override

from vmbackup_core.extents import Extents
from vmbackup_core.ids import CommitSlot, DiskUniqueId
from vmbackup_core.protocol import (
    ArchiveJob,
    ArchiveResult,
    DiskArchived,
    DiskToArchive,
    WorkJob,
)
from vmbackup_core.repository.data.disk_writer import DiskToRead, WrittenDisk, write_disk
from vmbackup_core.repository.data.healing import HealingIndex, NothingHealed
from vmbackup_core.repository.data.index_reader import open_manifest
from vmbackup_core.repository.data.named_disk import NamedDisk, Patient
from vmbackup_core.repository.data.restore import restore_manifest
from vmbackup_core.repository.data.stored_disk import StoredDisk
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.transfer import DiskSink
from vmbackup_core.stores.port import Buffer
from vmbackup_worker.jobs.disks_at_once import DisksAtOnce
from vmbackup_worker.jobs.given_keys import keys_of
from vmbackup_worker.meter import Meter, Totals
from vmbackup_worker.renewable_store import JobContainer, OpenStore, container_store
from vmbackup_worker.running import Work
from vmbackup_worker.settings import Rhythm


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A disk whose manifest opens, and what of it is not zero."""

    disk: DiskToArchive
    keys: ChainKeys
    source: StoredDisk
    used: Extents

    @property
    def disk_id(self) -> str:
        return self.disk.disk_id


class _ReadBack(DiskSink):
    """Takes what was compared with its hash, and keeps how much it was."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.read_bytes = 0

    @override
    def write_at(self, offset: int, data: Buffer) -> None:
        with self._lock:
            self.read_bytes += len(data)


class Archive(Work):
    """One job's work, by the grants that it was made with."""

    def __init__(
        self,
        job: ArchiveJob,
        meter: Meter,
        stop: threading.Event,
        *,
        renewal_s: float,
        open_store: OpenStore = container_store,
    ) -> None:
        self._job = job
        self._meter = meter
        self._source, self._target = (
            JobContainer(access, stop, renewal_s=renewal_s, open_store=open_store)
            for access in (job.source, job.target)
        )
        self._disks = DisksAtOnce(len(job.disks), job.threads, stop)

    @override
    def renew(self, job: WorkJob) -> None:
        if not isinstance(job, ArchiveJob):
            raise TypeError(f"job {job.job_id} is no archive job")
        self._source.renew(job.source)
        self._target.renew(job.target)

    @override
    def run(self) -> ArchiveResult:
        prepared = self._disks.work(self._job.disks, self._prepare)
        return ArchiveResult(self._disks.work(prepared, self._archive))

    def _prepare(self, disk: DiskToArchive) -> _Prepared:
        """Return what is read of a disk; nothing is written before all of them are known."""
        source, name, store = disk.source, disk.grant.disk.name, Patient(self._source.store)
        keys = keys_of(source.chain_id, source.keys, name)
        digest = bytes.fromhex(source.manifest_sha256)
        manifest = open_manifest(store, keys, source.manifest, digest)
        _said_of(disk).check(source.manifest, manifest)
        healed = HealingIndex.load(store, keys, (each.as_stored() for each in source.healed))
        stored = StoredDisk(store, keys, manifest, healed)
        target_keys = keys_of(disk.chain_id, disk.keys, name)
        prepared = _Prepared(disk, target_keys, stored, stored.used())
        # All of it is read twice: here, and then there.
        self._meter.expect(disk.disk_id, 2 * prepared.used.total_bytes)
        return prepared

    def _archive(self, prepared: _Prepared) -> DiskArchived:
        disk_id, began = prepared.disk_id, time.monotonic()
        with self._meter.during(disk_id):
            written = self._write(prepared)
            verified = self._read_back(prepared, written)
        return DiskArchived(
            disk_id=disk_id,
            manifest=written.manifest,
            manifest_sha256=written.sha256,
            statistics=written.statistics,
            verified_bytes=verified,
            seconds=round(time.monotonic() - began, 3),
        )

    def _write(self, prepared: _Prepared) -> WrittenDisk:
        return write_disk(
            self._target.store,
            prepared.keys,
            prepared.disk.grant,
            DiskToRead(prepared.source, prepared.used),
            threads=self._disks.threads_each,
            progress=Totals(self._meter, prepared.disk_id).count_both,
        )

    def _read_back(self, prepared: _Prepared, written: WrittenDisk) -> int:
        """Read all that was written as a restore reads it; return how many bytes it was."""
        store, keys, sink = self._target.store, prepared.keys, _ReadBack()
        manifest = open_manifest(store, keys, written.manifest, bytes.fromhex(written.sha256))
        restore_manifest(
            store,
            keys,
            manifest,
            NothingHealed(),
            sink,
            threads=self._disks.threads_each,
            progress=Totals(self._meter, prepared.disk_id).count_read,
        )
        return sink.read_bytes


def make(job: WorkJob, meter: Meter, stop: threading.Event, rhythm: Rhythm) -> Work:
    """Return the work of *job*."""
    if not isinstance(job, ArchiveJob):
        raise TypeError(f"job {job.job_id} is no archive job")
    return Archive(job, meter, stop, renewal_s=rhythm.renewal_s)


def _said_of(disk: DiskToArchive) -> NamedDisk:
    """Return what the point says of the disk that is read."""
    grant = disk.grant
    return NamedDisk(
        grant.disk.name,
        CommitSlot(disk.source.slot),
        DiskUniqueId(grant.disk.unique_id),
        grant.snapshot_unique_id,
        grant.disk_bytes,
    )
