"""A backup job in one process: from export hosts into a repository in a directory."""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec
import pytest

from tests.unit.worker.export_host import ExportHost
from tests.unit.worker.sample_jobs import job
from vmbackup_core.clock import SystemClock
from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import ChainId, DiskUniqueId
from vmbackup_core.protocol import BackupJob, BackupResult
from vmbackup_core.repository import ChainKeys, RepositoryKey, initialise
from vmbackup_core.stores.directory import DirectoryStore
from vmbackup_worker.jobs.backup import Backup
from vmbackup_worker.meter import Meter, Reading
from vmbackup_worker.running import DiskFailure

KEY = RepositoryKey(b"\7" * 32)


class Case:
    """One disk and a repository in *folder*."""

    def __init__(self, host: ExportHost, folder: Path) -> None:
        self.host = host
        self.store = DirectoryStore(folder)
        self.repository = initialise(self.store, KEY, appliance_id="a", clock=SystemClock())
        self.meter = Meter()

    def job(self, chain: str = "one", **changes: object) -> BackupJob:
        chain_id = self.repository.chain_id(DiskUniqueId(chain))
        disk = msgspec.structs.replace(
            job().disks[0],
            size_bytes=len(self.host.disk),
            snapshot_url=self.host.url,
            chain_id=chain_id,
            chain_keys=self.repository.chain_keys(chain_id).text,
            **changes,
        )
        return msgspec.structs.replace(job(), disks=[disk], threads=2)

    def run(self, asked: BackupJob) -> BackupResult:
        stop = threading.Event()
        return Backup(
            asked, self.meter, stop, renewal_s=0.05, open_store=lambda _url: self.store
        ).run()


@pytest.fixture
def case(export_host: ExportHost, tmp_path: Path) -> Case:
    return Case(export_host, tmp_path / "repository")


def test_the_bytes_read_are_the_allocated_extents(case: Case) -> None:
    (disk,) = case.run(case.job()).disks
    allocated = 4096 + 6 * 2**20 + 512

    assert sum(length for _, length in case.host.read) == allocated
    assert (disk.read_bytes, disk.allocated_bytes) == (allocated, allocated)
    assert case.meter.reading() == Reading(allocated, allocated, disk.stored_bytes, None)


def test_what_was_committed_is_neither_read_again_nor_counted_as_owed(case: Case) -> None:
    first = case.run(case.job())
    case.host.read.clear()
    case.meter = Meter()
    second = case.run(case.job())

    assert case.host.read == []
    assert second.disks[0].commit_digest == first.disks[0].commit_digest
    assert case.meter.reading().bytes_to_read == 0


def test_what_was_committed_is_answered_for_after_its_export_has_ended(case: Case) -> None:
    asked = case.job()
    first = case.run(asked)
    case.host.sas = "sig=another"
    case.meter = Meter()

    (again,) = case.run(asked).disks

    assert (again.slot, again.commit_digest) == (1, first.disks[0].commit_digest)
    # Whole blocks: which bytes of them were allocated only the export could say.
    assert again.allocated_bytes == again.read_bytes >= first.disks[0].read_bytes
    assert case.meter.reading() == Reading(0, 0, 0, None)


def test_another_snapshot_under_the_same_id_is_read_again(case: Case) -> None:
    case.run(case.job())
    (disk,) = case.run(case.job(snapshot_unique_id="another")).disks

    assert (disk.slot, disk.blocks_new) == (2, 0)


def test_a_second_run_stores_no_block_again(case: Case) -> None:
    case.run(case.job())
    (disk,) = case.run(msgspec.structs.replace(case.job(), run_id="b" * 32)).disks

    assert (disk.slot, disk.stored_bytes, disk.blocks_new) == (2, 0, 0)


def test_a_failing_disk_is_named_and_the_cause_kept(case: Case) -> None:
    case.host.faults = [404]

    with pytest.raises(DiskFailure) as failed:
        case.run(case.job())
    assert failed.value.disk_id == "disk-1"
    assert isinstance(failed.value.cause, PermanentError)


def test_keys_of_another_chain_open_nothing(case: Case) -> None:
    case.run(case.job())
    other = ChainKeys(1, b"\0" * 32).text

    with pytest.raises(DiskFailure):
        case.run(
            msgspec.structs.replace(
                case.job(), disks=[msgspec.structs.replace(case.job().disks[0], chain_keys=other)]
            )
        )


def test_chain_keys_that_are_none_are_refused_without_being_shown(case: Case) -> None:
    asked = case.job()
    spoilt = msgspec.structs.replace(asked.disks[0], chain_keys="c2VjcmV0")

    with pytest.raises(DiskFailure) as failed:
        case.run(msgspec.structs.replace(asked, disks=[spoilt]))
    assert "c2VjcmV0" not in str(failed.value)


def test_chains_are_apart(case: Case) -> None:
    case.run(case.job())
    (disk,) = case.run(msgspec.structs.replace(case.job("two"), run_id="b" * 32)).disks

    assert disk.slot == 1
    assert case.job("two").disks[0].chain_id != ChainId(case.job().disks[0].chain_id)
