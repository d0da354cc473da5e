"""A restore job into attached disks: what differs is written, all is read back, or it fails."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest
from typing_extensions import override

from tests.unit.repository.control.log_bench import numbered
from tests.unit.repository.data.bench import noise
from tests.unit.repository.opened.whole_bench import VM_ID, WholeBench
from tests.unit.worker.data_place import DataPlace
from tests.unit.worker.sample_jobs import settings
from vmbackup_core.errors import CorruptRepository, PermanentError
from vmbackup_core.ids import JobId, RunId
from vmbackup_core.protocol import (
    DiskToRestore,
    HealedPack,
    RepositoryAccess,
    RestoreJob,
    RestoreResult,
    read_job,
    read_result,
    write_message,
)
from vmbackup_core.repository.control.points.points import RecoveryPoint
from vmbackup_core.repository.control.restore.restore_plan import RestoreDisk
from vmbackup_core.repository.opened_restore import Restores
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import CredentialsRefused
from vmbackup_worker.access import Stopped
from vmbackup_worker.jobs import Desk
from vmbackup_worker.jobs.restore_in_place import Machine, RestoreInPlace
from vmbackup_worker.meter import Meter
from vmbackup_worker.running import DiskFailure

BLOCK = 4096
RUN = RunId(numbered(0xF001))
URL = "http://127.0.0.1:1/data?sig=x"
THEN = {
    "os": noise(1, 40 * BLOCK) + bytes(30 * BLOCK) + noise(2, 10 * BLOCK),
    "data": bytes(12 * BLOCK) + noise(3, 4 * BLOCK),
}


def changed(content: bytes, *blocks: int) -> bytes:
    disk = bytearray(content)
    for block in blocks:
        disk[block * BLOCK + 100] ^= 1
    return bytes(disk)


#: Three blocks of the one have other content, one that was zero is not, and one is zero.
NOW = {
    "os": changed(THEN["os"], 0, 7, 50, 79)[: 79 * BLOCK] + bytes(BLOCK),
    "data": THEN["data"],
}
DIFFERING_BYTES = {"os": 4 * BLOCK, "data": 0}


def to_restore(given: RestoreDisk, lun: int, target_bytes: int) -> DiskToRestore:
    disk = given.disk
    return DiskToRestore(
        disk_id=f"/targets/{disk.name}",
        chain_id=disk.chain_id,
        keys=given.keys,
        manifest=given.manifest_name,
        manifest_sha256=given.manifest_sha256,
        slot=disk.slot,
        unique_id=disk.unique_id,
        snapshot_unique_id=disk.snapshot_unique_id,
        disk_bytes=disk.size_bytes,
        healed=[HealedPack.of(each) for each in given.healed],
        target_lun=lun,
        target_bytes=target_bytes,
    )


@dataclass
class Case:
    """A point, and a disk with what it holds now at a LUN for each of its disks."""

    bench: WholeBench
    point: RecoveryPoint
    devices: Path
    place: DataPlace = field(default_factory=DataPlace)
    meter: Meter = field(default_factory=Meter)
    stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.place.behind = self.data
        folder = self.devices / "disk/azure/scsi1"
        folder.mkdir(parents=True)
        for lun, (name, content) in enumerate(NOW.items()):
            (self.devices / name).write_bytes(content)
            (folder / f"lun{lun}").symlink_to(self.devices / name)

    @property
    def data(self) -> MemoryStore:
        store = self.bench.places.data
        assert isinstance(store, MemoryStore)
        return store

    def job(self) -> RestoreJob:
        """Return the job as it comes out of a message."""
        work = Restores(self.bench.opened().work).plan(VM_ID, self.point.run_id, RUN)
        disks = [
            to_restore(given, lun, (self.devices / given.disk.name).stat().st_size)
            for lun, given in enumerate(work.disks)
        ]
        made = RestoreJob(JobId("restore"), RUN, disks, RepositoryAccess(URL), threads=4)
        read = read_job(write_message(made))
        assert isinstance(read, RestoreJob)
        return read

    def work(self, job: RestoreJob | None = None, renewal_s: float = 0.05) -> RestoreInPlace:
        return RestoreInPlace(
            job or self.job(),
            self.meter,
            self.stop,
            renewal_s=renewal_s,
            open_store=lambda _url: self.place,
            machine=Machine(self.devices, appears_within_s=0),
        )

    def restored(self, job: RestoreJob | None = None) -> RestoreResult:
        result = read_result(write_message(self.work(job).run()))
        assert isinstance(result, RestoreResult)
        return result

    def failure(self, job: RestoreJob | None = None) -> DiskFailure:
        with pytest.raises(DiskFailure) as failed:
            self.work(job).run()
        return failed.value

    def found(self) -> dict[str, bytes]:
        return {name: (self.devices / name).read_bytes() for name in THEN}


@pytest.fixture
def case(tmp_path: Path) -> Case:
    bench = WholeBench()
    bench.begun()
    return Case(bench, bench.back_up(1, THEN), tmp_path / "dev")


def test_disks_of_today_become_the_points_and_only_what_differs_is_written(case: Case) -> None:
    result = case.restored()

    assert case.found() == THEN
    told = {each.disk_id.rsplit("/", 1)[-1]: each for each in result.disks}
    for name, disk in told.items():
        assert disk.compared_bytes == len(THEN[name])
        assert disk.written_bytes == disk.differing_bytes == DIFFERING_BYTES[name]


def test_progress_is_of_what_is_compared_and_read_back(case: Case) -> None:
    case.restored()
    reading, both = case.meter.reading(), 2 * sum(map(len, THEN.values()))

    assert (reading.bytes_to_read, reading.bytes_read) == (both, both)
    assert reading.bytes_stored == sum(DIFFERING_BYTES.values())
    assert reading.disk is None


def test_the_same_job_again_writes_nothing(case: Case) -> None:
    case.restored()
    result = case.restored()

    assert case.found() == THEN
    assert [each.written_bytes for each in result.disks] == [0, 0]
    assert [each.differing_bytes for each in result.disks] == [0, 0]


def test_a_larger_target_is_zero_behind_the_points_end(case: Case) -> None:
    (case.devices / "data").write_bytes(NOW["data"] + noise(5, BLOCK) + bytes(BLOCK))

    result = case.restored()

    assert (case.devices / "data").read_bytes() == THEN["data"] + bytes(2 * BLOCK)
    assert result.disks[1].written_bytes == BLOCK


def test_a_target_of_another_size_is_refused_before_anything_is_written(case: Case) -> None:
    job = case.job()
    (case.devices / "data").write_bytes(NOW["data"] + bytes(512))

    failed = case.failure(job)

    assert failed.disk_id == "/targets/data"
    assert isinstance(failed.cause, PermanentError)
    assert failed.cause.reason == "DiskSizeDiffers"
    assert (case.devices / "os").read_bytes() == NOW["os"]


def test_a_disk_that_is_not_attached_ends_the_job_before_anything_is_written(case: Case) -> None:
    (case.devices / "disk/azure/scsi1/lun1").unlink()

    failed = case.failure()

    assert failed.disk_id == "/targets/data"
    assert isinstance(failed.cause, PermanentError)
    assert failed.cause.reason == "DiskNotAttached"
    assert case.found() == NOW


@pytest.mark.parametrize(
    "wrong",
    [{"slot": 2}, {"unique_id": "another"}, {"snapshot_unique_id": "another"}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_manifest_that_is_not_what_the_point_says_ends_the_job(
    case: Case, wrong: dict[str, object]
) -> None:
    job = case.job()
    job.disks[0] = msgspec.structs.replace(job.disks[0], **wrong)

    assert isinstance(case.failure(job).cause, CorruptRepository)
    assert case.found() == NOW


def test_a_block_that_is_lost_ends_the_job_by_name(case: Case) -> None:
    job = case.job()
    chain = case.point.disks[0].chain_id
    for each in [*case.data.list(f"c/{chain}/p/")]:
        case.data.delete(each.name)

    failed = case.failure(job)

    assert failed.disk_id == "/targets/os"
    assert isinstance(failed.cause, CorruptRepository)


class OnFirstPack(DataPlace):
    """Does something once, as the first block that differs is asked for."""

    def __init__(self, case: Case, act: Callable[[], None]) -> None:
        super().__init__()
        self.behind = case.data
        self._acts = [act]

    @override
    def get_range(self, name: str, offset: int, length: int) -> bytes:
        if "/p/" in name and self._acts:
            self._acts.pop()()
        return super().get_range(name, offset, length)


def test_what_is_not_read_back_as_it_was_written_ends_the_job(case: Case) -> None:
    """Somebody else writes a block that was compared already."""
    path = case.devices / "os"

    def write() -> None:
        with path.open("r+b") as disk:
            disk.seek(20 * BLOCK)
            disk.write(b"another's")

    case.place = OnFirstPack(case, write)

    failed = case.failure()

    assert isinstance(failed.cause, PermanentError)
    assert failed.cause.reason == "DiskDiffers"
    assert f"{BLOCK} bytes" in str(failed.cause)


def test_a_job_that_is_told_to_stop_is_gone_on_with_by_the_next(case: Case) -> None:
    case.place = OnFirstPack(case, case.stop.set)
    with pytest.raises(Stopped):
        case.work().run()
    assert case.found() != THEN

    case.stop.clear()
    case.restored()

    assert case.found() == THEN


class Expired(DataPlace):
    """What a SAS that has expired reaches: nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.refused = threading.Event()

    @override
    def get(self, name: str, *, most: int) -> bytes:
        self.refused.set()
        raise CredentialsRefused("status 403", reason="AuthenticationFailed")


def test_the_repositorys_sas_is_renewed(case: Case) -> None:
    expired, job = Expired(), case.job()
    fresh = RepositoryAccess("http://127.0.0.1:1/data?sig=fresh")
    places: dict[str, DataPlace] = {URL: expired, fresh.container_url: case.place}
    work = RestoreInPlace(
        job,
        case.meter,
        case.stop,
        renewal_s=30,
        open_store=lambda access: places[access.container_url],
        machine=Machine(case.devices),
    )

    def renew() -> None:
        assert expired.refused.wait(60)
        work.renew(msgspec.structs.replace(job, repository=fresh))

    renewer = threading.Thread(target=renew)
    renewer.start()
    work.run()
    renewer.join(60)

    assert case.found() == THEN


def test_the_agent_makes_this_work_of_a_job_whose_targets_are_attached(case: Case) -> None:
    made = Desk(settings()).make(case.job(), Meter(), threading.Event())

    assert isinstance(made, RestoreInPlace)
