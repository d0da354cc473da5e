"""A restore job in one process: every byte comes back, or the job fails by name."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import msgspec
import pytest
from typing_extensions import override

from tests.unit.repository.control.log_bench import numbered
from tests.unit.repository.data.bench import noise
from tests.unit.repository.opened.whole_bench import VM_ID, WholeBench
from tests.unit.worker.data_place import DataPlace
from tests.unit.worker.export_host import Refused
from tests.unit.worker.upload_host import UploadHost, upload_host
from vmbackup_core.errors import CorruptRepository, PermanentError
from vmbackup_core.ids import ChainId, JobId, RunId
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
from vmbackup_core.repository.primitives.parsed_names import PackName, parse_data
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import CredentialsRefused
from vmbackup_worker.access import AccessRefused, Stopped
from vmbackup_worker.jobs.restore import Restore
from vmbackup_worker.meter import Meter
from vmbackup_worker.running import DiskFailure

BLOCK = 4096
RUN = RunId(numbered(0xF001))
URL = "http://127.0.0.1:1/data?sig=x"
#: Blocks, zeros, and blocks again; the last one is no whole page.
DISKS = {
    "os": noise(1, 40 * BLOCK) + bytes(30 * BLOCK) + noise(2, 5 * BLOCK),
    "data": bytes(12 * BLOCK) + noise(3, BLOCK + 700),
}


def to_restore(given: RestoreDisk, url: str, target_bytes: int) -> DiskToRestore:
    """Return a disk of a job for what the operator planned."""
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
        target_url=url,
        target_bytes=target_bytes,
    )


@dataclass
class Case:
    """A point, and a target for each of its disks."""

    bench: WholeBench
    point: RecoveryPoint
    hosts: list[UploadHost]
    place: DataPlace = field(default_factory=DataPlace)
    meter: Meter = field(default_factory=Meter)
    stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.place.behind = self.data

    @property
    def data(self) -> MemoryStore:
        store = self.bench.places.data
        assert isinstance(store, MemoryStore)
        return store

    def job(self) -> RestoreJob:
        """Return the job as it comes out of a message."""
        work = Restores(self.bench.opened().work).plan(VM_ID, self.point.run_id, RUN)
        disks = [
            to_restore(given, host.url, host.size_bytes)
            for given, host in zip(work.disks, self.hosts, strict=True)
        ]
        made = RestoreJob(JobId("restore"), RUN, disks, RepositoryAccess(URL), threads=4)
        read = read_job(write_message(made))
        assert isinstance(read, RestoreJob)
        return read

    def work(self, job: RestoreJob | None = None, renewal_s: float = 0.05) -> Restore:
        return Restore(
            job or self.job(),
            self.meter,
            self.stop,
            renewal_s=renewal_s,
            open_store=lambda _url: self.place,
        )

    def restored(self, job: RestoreJob | None = None) -> RestoreResult:
        result = read_result(write_message(self.work(job).run()))
        assert isinstance(result, RestoreResult)
        return result

    def expected(self) -> list[bytes]:
        """Return every target as it is to be: the disk, then zeros."""
        return [
            content.ljust(host.size_bytes, b"\0")
            for content, host in zip(DISKS.values(), self.hosts, strict=True)
        ]

    @property
    def is_right(self) -> bool:
        """Whether every target has every byte, and Azure would take it."""
        found = [host.disk for host in self.hosts]
        return found == self.expected() and all(host.is_whole for host in self.hosts)

    @property
    def is_no_disk(self) -> bool:
        """Whether Azure would take none of the targets."""
        return not any(host.is_whole for host in self.hosts)


@pytest.fixture
def case() -> Iterator[Case]:
    bench = WholeBench()
    bench.begun()
    point = bench.back_up(1, DISKS)
    with ExitStack() as hosts:
        made = [hosts.enter_context(upload_host(-(-len(c) // 512) * 512)) for c in DISKS.values()]
        yield Case(bench, point, made)


def test_every_disk_comes_back_and_only_what_is_not_zero_is_written(case: Case) -> None:
    result = case.restored()

    assert case.is_right
    assert [each.disk_id for each in result.disks] == ["/targets/os", "/targets/data"]
    assert [each.written_bytes for each in result.disks] == [45 * BLOCK, BLOCK + 1024]
    for host, told in zip(case.hosts, result.disks, strict=True):
        assert host.puts[-1].first == host.size_bytes
        assert sum(put.length for put in host.puts[:-1]) == told.written_bytes


def test_progress_is_of_the_blocks_that_are_not_zero(case: Case) -> None:
    case.restored()
    reading = case.meter.reading()

    assert reading.bytes_to_read == 47 * BLOCK
    assert reading.bytes_read == 46 * BLOCK + 700
    assert reading.bytes_stored == 46 * BLOCK + 1024
    assert reading.disk is None


def test_a_larger_target_has_its_footer_at_its_own_end(case: Case) -> None:
    with upload_host(4 * 1024 * 1024) as larger:
        case.hosts[0] = larger
        case.restored()

        assert case.is_right


def test_the_same_job_again_writes_the_same_bytes(case: Case) -> None:
    job = case.job()
    case.restored(job)
    first = [bytes(host.pages) for host in case.hosts]
    case.restored(job)

    assert [bytes(host.pages) for host in case.hosts] == first


def test_a_target_of_another_size_is_refused_before_anything_is_written(case: Case) -> None:
    case.hosts[1].said_bytes = case.hosts[1].whole_bytes + 512

    with pytest.raises(DiskFailure) as failed:
        case.work().run()

    assert failed.value.disk_id == "/targets/data"
    assert isinstance(failed.value.cause, PermanentError)
    assert failed.value.cause.reason == "DiskSizeDiffers"
    assert [host.puts for host in case.hosts] == [[], []]


def packs(case: Case, disk: int) -> list[str]:
    chain = case.point.disks[disk].chain_id
    names = (each.name for each in case.data.list(f"c/{chain}/p/"))
    return [name for name in names if isinstance(parse_data(name), PackName)]


def cut(case: Case, name: str) -> None:
    case.data.overwrite(name, case.data.get(name)[:-4000])


def flip(case: Case, name: str) -> None:
    content = bytearray(case.data.get(name))
    content[5000] ^= 1
    case.data.overwrite(name, bytes(content))


def lose(case: Case, name: str) -> None:
    case.data.delete(name)


@pytest.mark.parametrize("damage", [flip, cut, lose])
def test_a_lost_block_fails_the_job_by_name_and_makes_no_disk(
    case: Case, damage: Callable[[Case, str], None]
) -> None:
    job, name = case.job(), packs(case, 0)[0]
    damage(case, name)

    with pytest.raises(DiskFailure) as failed:
        case.work(job).run()

    assert failed.value.disk_id == "/targets/os"
    assert isinstance(failed.value.cause, CorruptRepository)
    assert name in str(failed.value.cause)
    assert not case.hosts[0].is_whole


@pytest.mark.parametrize(
    "wrong",
    [
        {"slot": 2},
        {"unique_id": "another"},
        {"snapshot_unique_id": "another"},
        {"disk_bytes": BLOCK},
        {"manifest_sha256": "0" * 64},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_manifest_that_is_not_what_the_point_says_ends_the_job(
    case: Case, wrong: dict[str, object]
) -> None:
    job = case.job()
    job.disks[0] = msgspec.structs.replace(job.disks[0], **wrong)

    with pytest.raises(DiskFailure) as failed:
        case.work(job).run()

    assert isinstance(failed.value.cause, CorruptRepository)
    assert [host.puts for host in case.hosts] == [[], []]


def test_keys_of_another_chain_end_the_job(case: Case) -> None:
    job = case.job()
    job.disks[0] = msgspec.structs.replace(job.disks[0], chain_id=ChainId("0" * 32))

    with pytest.raises(DiskFailure, match="the keys of chain"):
        case.work(job).run()


def test_a_refusal_for_good_ends_the_job_with_status_and_code(case: Case) -> None:
    case.hosts[0].faults = [Refused(409, "InvalidBlobType")] * 9

    with pytest.raises(DiskFailure, match="os: the upload is refused for good: HTTP 409 Inv"):
        case.work().run()
    assert not case.hosts[0].is_whole


def test_a_sas_that_is_refused_under_the_job_is_taken_from_a_newer_message(case: Case) -> None:
    job = case.job()
    work = case.work(job, renewal_s=30)
    for host in case.hosts:
        host.sas = "sig=fresh"
    renewed = threading.Timer(0.3, lambda: work.renew(case.job()))
    renewed.start()
    work.run()
    renewed.join(60)

    assert case.is_right


def test_without_a_fresh_sas_the_job_ends_and_may_be_tried_again(case: Case) -> None:
    job = case.job()
    case.hosts[1].sas = "sig=fresh"

    with pytest.raises(DiskFailure) as failed:
        case.work(job).run()
    assert isinstance(failed.value.cause, AccessRefused)
    assert "sig=" not in str(failed.value)

    case.stop.clear()
    case.restored()
    assert case.is_right


class Expired(DataPlace):
    """What a SAS that has expired reaches: nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.refused = threading.Event()

    @override
    def get(self, name: str, *, most: int) -> bytes:
        self.refused.set()
        raise CredentialsRefused("status 403", reason="AuthenticationFailed")


def test_the_repositorys_sas_is_renewed_as_well(case: Case) -> None:
    expired, job = Expired(), case.job()
    fresh = RepositoryAccess("http://127.0.0.1:1/data?sig=fresh")
    places: dict[str, DataPlace] = {URL: expired, fresh.container_url: case.place}
    work = Restore(
        job,
        case.meter,
        case.stop,
        renewal_s=30,
        open_store=lambda access: places[access.container_url],
    )

    def renew() -> None:
        assert expired.refused.wait(60)
        work.renew(msgspec.structs.replace(job, repository=fresh))

    renewer = threading.Thread(target=renew)
    renewer.start()
    work.run()
    renewer.join(60)

    assert case.is_right


def test_a_job_that_is_told_to_stop_leaves_no_disk(case: Case) -> None:
    class Stopping(DataPlace):
        @override
        def get_range(self, name: str, offset: int, length: int) -> bytes:
            case.stop.set()
            return super().get_range(name, offset, length)

    case.place = Stopping()
    case.place.behind = case.data

    with pytest.raises(Stopped):
        case.work().run()
    assert case.is_no_disk
