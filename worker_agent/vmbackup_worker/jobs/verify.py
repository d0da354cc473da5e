"""A verify job: what a repository holds of one disk is read back, and blocks beside its snapshot.

Nothing is written. What is not as it was stored is told and goes on; what cannot be reached ends
the job, and it is asked for again.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

from typing_extensions import override

from vmbackup_core.protocol import SampleToRead, VerifyJob, VerifyResult, WorkJob
from vmbackup_core.repository.crew import work_through
from vmbackup_core.repository.data.index_reader import open_manifest
from vmbackup_core.repository.data.manifest import Manifest
from vmbackup_core.repository.data.read_back import PackReadBack, read_pack
from vmbackup_core.repository.data.sample_back import SampleBack, Sampled
from vmbackup_core.repository.data.sections_back import SectionsBack
from vmbackup_core.repository.primitives.failures import NotUnderstood
from vmbackup_core.repository.primitives.identities import PackId
from vmbackup_core.stores.port import ObjectUnreadable
from vmbackup_worker.access import Renewable
from vmbackup_worker.jobs.given_keys import keys_of
from vmbackup_worker.jobs.verify_findings import Findings
from vmbackup_worker.meter import Meter
from vmbackup_worker.page_blob import export_pool
from vmbackup_worker.renewable_store import JobContainer, OpenStore, container_store
from vmbackup_worker.running import Work
from vmbackup_worker.settings import Rhythm
from vmbackup_worker.source import Export

_PACKS, _SECTIONS = "packs", "sections"


class Verify(Work):
    """One job's work; run again, it reads everything anew."""

    def __init__(
        self,
        job: VerifyJob,
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
        self._snapshot = Renewable("" if job.sample is None else job.sample.snapshot_url)
        # Twice the processors: while one thread of a pair waits for the network the other works.
        self._threads = job.threads or 2 * (os.cpu_count() or 1)
        self._pool = export_pool(self._threads)
        self._keys = keys_of(job.chain_id, job.keys)

    @override
    def renew(self, job: WorkJob) -> None:
        if not isinstance(job, VerifyJob):
            raise TypeError(f"job {job.job_id} is no verify job")
        self._container.renew(job.repository)
        if job.sample is not None:
            self._snapshot.renew(job.sample.snapshot_url)

    @override
    def run(self) -> VerifyResult:
        began, found = time.monotonic(), Findings()
        self._meter.expect(_PACKS, self._job.read_bytes)
        try:
            manifest = self._manifest()
            if manifest is not None:
                self._read_sections(manifest, found)
            self._read_packs(found)
            sampled = self._compare(manifest, self._job.sample, found)
        finally:
            self._pool.clear()
        return found.result(sampled, seconds=round(time.monotonic() - began, 3))

    def _manifest(self) -> Manifest | None:
        """Return the manifest where it is needed: the operator has opened it before."""
        job = self._job
        if job.sections is None and job.sample is None:
            return None
        return open_manifest(
            self._store, self._keys, job.manifest, bytes.fromhex(job.manifest_sha256)
        )

    def _read_sections(self, manifest: Manifest, found: Findings) -> None:
        if self._job.sections is None:
            return
        after = self._job.sections.after_slot
        read = 0

        def done(section_bytes: int) -> None:
            nonlocal read
            read += section_bytes
            self._meter.expect(_SECTIONS, read)
            self._meter.count_read(_SECTIONS, section_bytes)

        back = SectionsBack(self._store, self._keys, manifest, after, found, self._threads)
        back.read(done)

    def _read_packs(self, found: Findings) -> None:
        """Read the packs in their order, several side by side, until too much was found."""

        def read(pack: tuple[int, PackId]) -> None:
            number, named = pack
            back = self._read_pack(named, number, found)
            if back is not None:
                self._meter.count_read(_PACKS, back.read_bytes)
                found.pack(number, back)

        work_through(self._until_full(found), read, self._threads)

    def _read_pack(self, pack: PackId, number: int, found: Findings) -> PackReadBack | None:
        try:
            return read_pack(self._store, self._keys, pack, None)
        except ObjectUnreadable:
            found.unread(number, pack, "unreadable")
        except NotUnderstood:
            found.unread(number, pack, "notUnderstood")
        return None

    def _until_full(self, found: Findings) -> Iterator[tuple[int, PackId]]:
        number = 0
        for each in self._job.packs:
            for at in range(each.first, each.last + 1):
                if found.packs_are_full:
                    found.stop()
                    return
                found.begin_pack()
                yield number, PackId(each.slot, each.session, at)
                number += 1

    def _compare(
        self, manifest: Manifest | None, sample: SampleToRead | None, found: Findings
    ) -> Sampled:
        if sample is None or manifest is None:
            return Sampled(0, ())
        name = f"the snapshot of {manifest.said.disk.name}"
        disk = Export(
            name,
            self._snapshot,
            sample.disk_bytes,
            self._pool,
            self._stop,
            renewal_s=self._renewal_s,
        )
        back = SampleBack(self._store, self._keys, manifest, found, self._threads)
        return back.compare(disk, sample.blocks, sample.used)


def make(job: WorkJob, meter: Meter, stop: threading.Event, rhythm: Rhythm) -> Work:
    """Return the work of *job*."""
    if not isinstance(job, VerifyJob):
        raise TypeError(f"job {job.job_id} is no verify job")
    return Verify(job, meter, stop, renewal_s=rhythm.renewal_s)
