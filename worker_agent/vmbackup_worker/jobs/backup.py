"""A backup job: each disk of a snapshot set, from its export to a manifest that may be committed.

What is written and referred to is the operator's to say, in the disk's grant; nothing is committed
or looked for here.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace

from typing_extensions import override

from vmbackup_core.protocol import BackupJob, BackupResult, DiskDone, DiskToBackUp, WorkJob
from vmbackup_core.repository.data.disk_writer import DiskToRead, WrittenDisk, write_disk
from vmbackup_core.repository.transfer import DiskSource, Progress
from vmbackup_worker.access import Renewable
from vmbackup_worker.disk_reader import DiskReader, PerhapsReadable
from vmbackup_worker.jobs.disks_at_once import DISKS_AT_ONCE, DisksAtOnce
from vmbackup_worker.jobs.given_keys import keys_of
from vmbackup_worker.jobs.planning import Plan, Planner
from vmbackup_worker.meter import Meter
from vmbackup_worker.page_blob import export_pool
from vmbackup_worker.renewable_store import JobContainer, OpenStore, container_store
from vmbackup_worker.running import Work
from vmbackup_worker.settings import Rhythm
from vmbackup_worker.source import Export, PredecessorExport


@dataclass(frozen=True, slots=True)
class _Ways:
    """The renewable SAS of a disk's exports."""

    snapshot: Renewable[str]
    predecessor: Renewable[str] | None

    @staticmethod
    def to(disk: DiskToBackUp) -> _Ways:
        before = disk.predecessor_url
        return _Ways(Renewable(disk.snapshot_url), None if before is None else Renewable(before))

    def renew(self, disk: DiskToBackUp) -> None:
        """Go on by the SAS of *disk*."""
        self.snapshot.renew(disk.snapshot_url)
        if self.predecessor is not None and disk.predecessor_url is not None:
            self.predecessor.renew(disk.predecessor_url)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A disk of which it is known what is to be read."""

    planner: Planner
    plan: Plan

    @property
    def disk(self) -> DiskToBackUp:
        return self.planner.disk

    @property
    def disk_id(self) -> str:
        return self.disk.disk_id

    def whole(self, changed_outside: int) -> _Prepared:
        """Return the same disk, to be read whole."""
        return replace(self, plan=self.planner.untrue(self.plan, changed_outside))


class Backup(Work):
    """One job's work, by the grants that it was made with; run again, it writes everything anew."""

    def __init__(
        self,
        job: BackupJob,
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
        self._store = self._container.store
        self._ways = {disk.disk_id: _Ways.to(disk) for disk in job.disks}
        self._disks = DisksAtOnce(len(job.disks), job.threads, stop)
        self._pool = export_pool(DISKS_AT_ONCE * self._disks.threads_each)

    @override
    def renew(self, job: WorkJob) -> None:
        if not isinstance(job, BackupJob):
            raise TypeError(f"job {job.job_id} is no backup job")
        self._container.renew(job.repository)
        for disk in job.disks:
            if disk.disk_id in self._ways:
                self._ways[disk.disk_id].renew(disk)

    @override
    def run(self) -> BackupResult:
        try:
            prepared = self._disks.work(self._job.disks, self._prepare)
            return BackupResult(self._disks.work(prepared, self._back_up))
        finally:
            self._pool.clear()

    def _prepare(self, disk: DiskToBackUp) -> _Prepared:
        """Return what is to be read, and with which keys it is written."""
        name, ways, disk_bytes = (
            disk.grant.disk.name,
            self._ways[disk.disk_id],
            disk.grant.disk_bytes,
        )
        pool, stop, renewal_s = self._pool, self._stop, self._renewal_s
        before: PredecessorExport | None = None
        if ways.predecessor is not None:
            before = PredecessorExport(
                f"{name} before", ways.predecessor, pool, stop, renewal_s=renewal_s
            )
        planner = Planner(
            self._store,
            keys_of(disk.chain_id, disk.keys, name),
            disk,
            Export(name, ways.snapshot, disk_bytes, pool, stop, renewal_s=renewal_s),
            before,
            self._meter,
            self._disks.threads_each,
        )
        return _Prepared(planner, planner.plan())

    def _back_up(self, prepared: _Prepared) -> DiskDone:
        disk_id, began = prepared.disk_id, time.monotonic()
        with self._meter.during(disk_id):
            written = self._write(prepared)
            if prepared.plan.is_incremental and written.changed_outside:
                prepared = prepared.whole(written.changed_outside)
                written = self._write(prepared)
        plan = prepared.plan
        return DiskDone(
            disk_id=disk_id,
            manifest=written.manifest,
            manifest_sha256=written.sha256,
            statistics=written.statistics,
            changed_outside=plan.changed_outside + written.changed_outside,
            allocated_bytes=plan.allocated_bytes,
            seconds=round(time.monotonic() - began, 3),
            read="Incremental" if plan.is_incremental else "Full",
            fallback=plan.fallback,
            changed_bytes=plan.changed_bytes,
        )

    def _write(self, prepared: _Prepared) -> WrittenDisk:
        disk_id, planner, plan = prepared.disk_id, prepared.planner, prepared.plan
        expected = self._meter.expect_more(disk_id, plan.to_read)
        planned_bytes = plan.extents.total_bytes  # a sum over all of them

        def told(progress: Progress) -> None:
            self._meter.set_stored(disk_id, progress.stored_bytes)
            if plan.is_incremental:  # what is to be read beside the changed extents turns up late
                more = max(0, progress.total_bytes - planned_bytes)
                self._meter.expect(disk_id, expected + more)

        source = DiskReader(planner.export, plan.readable, planner.count_read)
        disk = DiskToRead(source, plan.extents, self._predecessor(planner, plan))
        return write_disk(
            self._store,
            planner.keys,
            plan.grant,
            disk,
            threads=self._disks.threads_each,
            progress=told,
        )

    def _predecessor(self, planner: Planner, plan: Plan) -> DiskSource | None:
        """Return the disk as the newest manifest has it, where deltas may be made from it."""
        grant, fallback = planner.disk.grant, plan.fallback
        if planner.before is None or not grant.deltas or grant.base not in {None, grant.newest}:
            return None
        if fallback is not None and fallback.reason == "PredecessorUnreadable":
            return None
        return PerhapsReadable(planner.before)


def make(job: WorkJob, meter: Meter, stop: threading.Event, rhythm: Rhythm) -> Work:
    """Return the work of *job*."""
    if not isinstance(job, BackupJob):
        raise TypeError(f"job {job.job_id} is no backup job")
    return Backup(job, meter, stop, renewal_s=rhythm.renewal_s)
