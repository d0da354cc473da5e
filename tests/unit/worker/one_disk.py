"""A backup job of one disk in one process, from an export host into a place in memory."""

from __future__ import annotations

import threading

import msgspec
import pytest

from tests.unit.worker.data_place import DataPlace
from tests.unit.worker.export_host import ExportHost
from tests.unit.worker.sample_jobs import job
from tests.worlds.hand_made_grants import HandMadeChain
from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import RunId
from vmbackup_core.protocol import BackupJob, DiskDone, DiskToBackUp
from vmbackup_core.repository.data.grants import DiskGrant
from vmbackup_worker.jobs.backup import Backup
from vmbackup_worker.meter import Meter
from vmbackup_worker.running import DiskFailure

RUN = RunId("a" * 32)


class Case:
    """One disk and the place that it is written to."""

    def __init__(self, host: ExportHost) -> None:
        self.host = host
        self.place = DataPlace()
        self.chain = HandMadeChain("one", len(host.disk))
        self.meter = Meter()
        self.stop = threading.Event()

    def disk(self, grant: DiskGrant | None = None, before: str | None = None) -> DiskToBackUp:
        return self.chain.disk(grant or self.chain.grant(RUN), self.host.url, before)

    def work(self, disk: DiskToBackUp) -> Backup:
        return Backup(
            job_of(disk), self.meter, self.stop, renewal_s=0.05, open_store=lambda _url: self.place
        )

    def run(self, disk: DiskToBackUp | None = None) -> DiskDone:
        (done,) = self.work(disk or self.disk()).run().disks
        return done

    def failure(self, disk: DiskToBackUp) -> Exception:
        """Return how the job of *disk* fails; it is said of that disk."""
        with pytest.raises(DiskFailure) as failed:
            self.run(disk)
        assert failed.value.disk_id == disk.disk_id
        return failed.value.cause


def job_of(disk: DiskToBackUp) -> BackupJob:
    return msgspec.structs.replace(job(), run_id=disk.grant.run_id, disks=[disk], threads=2)


def reason_of(error: Exception) -> str:
    assert isinstance(error, PermanentError)
    return error.reason
