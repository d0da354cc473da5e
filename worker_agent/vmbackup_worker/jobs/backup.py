"""A backup job: each disk of a snapshot set, from its export into its chain."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from typing_extensions import override

from vmbackup_core.errors import PermanentError
from vmbackup_core.protocol import BackupJob, BackupResult, DiskDone, DiskToBackUp
from vmbackup_core.repository import (
    Chain,
    ChainKeys,
    ChainParameters,
    CommittedDisk,
    Progress,
    back_up_disk,
    find_committed,
    open_chain,
)
from vmbackup_core.stores.azure_blob import AzureBlobStore, container_client
from vmbackup_core.stores.port import Store
from vmbackup_worker.access import Renewable, Stopped
from vmbackup_worker.disk_reader import DiskReader
from vmbackup_worker.meter import Meter
from vmbackup_worker.page_ranges import ExtentTable
from vmbackup_worker.renewable_store import RenewableStore
from vmbackup_worker.running import DiskFailure, Work
from vmbackup_worker.settings import Rhythm
from vmbackup_worker.source import Export, export_pool
from vmbackup_worker.trust import ca_file

#: One export gives 60 to 150 MB/s, whatever reads it; several disks share the machine's network.
#: Each holds a pack for every thread and a shard of its index in memory.
DISKS_AT_ONCE = 4

T = TypeVar("T")

Maker = Callable[[BackupJob, Meter, threading.Event, Rhythm], Work]


def container_store(url: str) -> Store:
    """Return the store of the container at *url*, which carries its SAS."""
    return AzureBlobStore(container_client(url, ca_file=ca_file()))


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A disk that is to be read, and whose allocated extents are known."""

    disk: DiskToBackUp
    chain: Chain
    export: Export
    table: ExtentTable


class Backup(Work):
    """One job's work; run again, it finds the disks that are committed."""

    def __init__(
        self,
        job: BackupJob,
        meter: Meter,
        stop: threading.Event,
        *,
        renewal_s: float,
        open_store: Callable[[str], Store] = container_store,
    ) -> None:
        self._job = job
        self._meter = meter
        self._stop = stop
        self._renewal_s = renewal_s
        self._open_store = open_store
        self._container_url = job.repository.container_url
        self._container = Renewable(open_store(self._container_url))
        self._urls = {disk.disk_id: Renewable(disk.snapshot_url) for disk in job.disks}
        self._pool = export_pool(DISKS_AT_ONCE * self._threads_per_disk)

    @property
    def _disks_at_once(self) -> int:
        return min(DISKS_AT_ONCE, len(self._job.disks))

    @property
    def _threads_per_disk(self) -> int:
        # Twice the processors: while one thread of a pair waits for the network the other works.
        threads = self._job.threads or 2 * (os.cpu_count() or 1)
        return max(1, threads // self._disks_at_once)

    @override
    def renew(self, job: BackupJob) -> None:
        if job.repository.container_url != self._container_url:
            self._container_url = job.repository.container_url
            self._container.renew(self._open_store(self._container_url))
        for disk in job.disks:
            if disk.disk_id in self._urls:
                self._urls[disk.disk_id].renew(disk.snapshot_url)

    @override
    def run(self) -> BackupResult:
        try:
            prepared = [self._of_disk(disk, self._prepare) for disk in self._job.disks]
            return BackupResult(self._all(prepared))
        finally:
            self._pool.clear()

    def _all(self, prepared: list[_Prepared | DiskDone]) -> list[DiskDone]:
        """Return what became of every disk, in order; the first failure ends the others."""
        with ThreadPoolExecutor(self._disks_at_once, thread_name_prefix="disk") as pool:
            futures = [pool.submit(self._back_up_or_stop, one) for one in prepared]
        # The one that failed, rather than those that were stopped by its failure.
        failures = [error for future in futures if (error := future.exception()) is not None]
        for error in sorted(failures, key=lambda error: isinstance(error, Stopped)):
            raise error
        return [future.result() for future in futures]

    def _back_up_or_stop(self, prepared: _Prepared | DiskDone) -> DiskDone:
        if isinstance(prepared, DiskDone):
            return prepared
        try:
            return self._of_disk(prepared.disk, lambda _disk: self._back_up(prepared))
        except BaseException:
            self._stop.set()
            raise

    def _of_disk(self, disk: DiskToBackUp, act: Callable[[DiskToBackUp], T]) -> T:
        """Return what *act* returns; say of a failure which disk it is about."""
        try:
            return act(disk)
        except Stopped:
            raise
        except Exception as error:
            raise DiskFailure(disk.disk_id, error) from error

    def _prepare(self, disk: DiskToBackUp) -> _Prepared | DiskDone:
        """Return what is to be read; of a disk that is committed, that: its export may be gone."""
        if disk.previous is not None:
            detail = f"{disk.name}: this agent reads whole disks only, not changes since a slot"
            raise PermanentError(detail, reason="IncrementalNotSupported")
        chain = self._chain(disk)
        committed = find_committed(chain, self._job.run_id, disk.snapshot_unique_id)
        if committed is not None:
            return _done(disk, committed, committed.read_bytes, 0)
        url = self._urls[disk.disk_id]
        export = Export(
            disk.name, url, disk.size_bytes, self._pool, self._stop, renewal_s=self._renewal_s
        )
        table = export.allocated()
        self._meter.expect(disk.disk_id, table.total_bytes)
        return _Prepared(disk, chain, export, table)

    def _back_up(self, prepared: _Prepared) -> DiskDone:
        disk, began = prepared.disk, time.monotonic()
        self._meter.begin(disk.disk_id)
        try:
            committed = self._commit(prepared)
        finally:
            self._meter.end(disk.disk_id)
        # What another session of the run has committed meanwhile is not read.
        self._meter.expect(disk.disk_id, self._meter.bytes_read_of(disk.disk_id))
        return _done(disk, committed, prepared.table.total_bytes, time.monotonic() - began)

    def _chain(self, disk: DiskToBackUp) -> Chain:
        return open_chain(
            RenewableStore(self._container, self._stop, renewal_s=self._renewal_s),
            disk.chain_id,
            ChainKeys.parse(disk.chain_keys),
            parameters=ChainParameters(block_bytes=disk.block_bytes),
            run_id=self._job.run_id,
        )

    def _commit(self, prepared: _Prepared) -> CommittedDisk:
        disk, meter = prepared.disk, self._meter

        def told(progress: Progress) -> None:
            meter.set_stored(disk.disk_id, progress.stored_bytes)

        return back_up_disk(
            prepared.chain,
            DiskReader(
                prepared.export, prepared.table, lambda n: meter.count_read(disk.disk_id, n)
            ),
            run_id=self._job.run_id,
            snapshot=disk.snapshot_unique_id,
            disk_bytes=disk.size_bytes,
            extents=prepared.table,
            base=None,
            progress=told,
            threads=self._threads_per_disk,
        )


def make(job: BackupJob, meter: Meter, stop: threading.Event, rhythm: Rhythm) -> Work:
    """Return the work of *job*."""
    return Backup(job, meter, stop, renewal_s=rhythm.renewal_s)


def _done(
    disk: DiskToBackUp, committed: CommittedDisk, allocated_bytes: int, seconds: float
) -> DiskDone:
    return DiskDone(
        disk_id=disk.disk_id,
        slot=committed.slot,
        commit_digest=committed.commit_digest,
        kind=committed.kind,
        # The repository counts whole blocks, also what of them was never read from the export.
        read_bytes=min(committed.read_bytes, allocated_bytes),
        stored_bytes=committed.stored_bytes,
        blocks_new=committed.blocks_new,
        blocks_reused=committed.blocks_reused,
        blocks_zero=committed.blocks_zero,
        allocated_bytes=allocated_bytes,
        seconds=round(seconds, 3),
    )
