"""A verify job in one process: bounded in what it tells, stopped and renewed as any other."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import msgspec
import pytest
from typing_extensions import override

from tests.unit.repository.opened.whole_bench import VM_ID
from tests.unit.repository.verify.verify_bench import (
    BLOCK,
    VerifyBench,
    a_disk,
    answered,
    asking,
    job_of,
    verify_run,
)
from tests.unit.worker.data_place import DataPlace, Expired
from tests.unit.worker.export_host import export_host
from vmbackup_core.errors import CorruptRepository, PermanentError
from vmbackup_core.ids import ChainId
from vmbackup_core.protocol import PackRange, RepositoryAccess, SectionsToOpen, VerifyJob
from vmbackup_core.repository.control.verify.verify_work import VerifyAsked, VerifyWork
from vmbackup_core.repository.data.verify_told import OFFSETS_MOST
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_worker.access import AccessRefused, Stopped
from vmbackup_worker.jobs.verify import Verify
from vmbackup_worker.jobs.verify_findings import SECTIONS_MOST
from vmbackup_worker.meter import Meter


@dataclass
class Case:
    """A repository, and a job that reads of it."""

    bench: VerifyBench = field(default_factory=lambda: VerifyBench().started(a_disk(1)))
    meter: Meter = field(default_factory=Meter)
    stop: threading.Event = field(default_factory=threading.Event)

    def planned(self, asked: VerifyAsked | None = None) -> VerifyWork:
        work = self.bench.verification().plan(VM_ID, asked or asking())
        assert work is not None
        return work

    def job(self, asked: VerifyAsked | None = None, url: str = "http://127.0.0.1:1/s") -> VerifyJob:
        return job_of(self.planned(asked), verify_run(), url)

    def place(self) -> DataPlace:
        """Return the data place as a worker has it: without listing."""
        place = DataPlace()
        place.behind = self.bench.data
        return place


@pytest.fixture
def case() -> Case:
    return Case()


def test_what_is_read_is_counted(case: Case) -> None:
    result = answered(case.job(), case.place(), case.meter)
    reading = case.meter.reading()

    packs = sum(len(case.bench.data.get(name)) for name in case.bench.packs())
    assert (result.packs, result.records, result.read_bytes) == (3, 636, packs)
    assert reading.bytes_read == reading.bytes_to_read > packs
    assert (reading.bytes_stored, reading.disk) == (0, None)


def test_a_job_that_is_told_to_stop_ends_at_its_next_request(case: Case) -> None:
    class Stopping(DataPlace):
        @override
        def get_range(self, name: str, offset: int, length: int) -> bytes:
            case.stop.set()
            return super().get_range(name, offset, length)

    place = Stopping()
    place.behind = case.bench.data
    work = Verify(case.job(), case.meter, case.stop, renewal_s=0.05, open_store=lambda _url: place)

    with pytest.raises(Stopped):
        work.run()


def test_a_sas_that_expired_under_the_job_is_taken_from_a_newer_message(case: Case) -> None:
    expired, asked = Expired(), case.job()
    fresh = RepositoryAccess("http://127.0.0.1:1/data?sig=fresh")
    places = {asked.repository.container_url: expired, fresh.container_url: case.place()}
    work = Verify(
        asked,
        case.meter,
        case.stop,
        renewal_s=30,
        open_store=lambda access: places[access.container_url],
    )
    renewed = msgspec.structs.replace(asked, repository=fresh, packs=[])

    result = expired.run_renewed(work.run, lambda: work.renew(renewed))

    assert (result.packs, result.lost) == (3, [])


def test_a_sas_that_stays_refused_ends_the_job(case: Case) -> None:
    with pytest.raises(AccessRefused):
        answered(case.job(), Expired())


def test_a_snapshot_whose_sas_is_refused_ends_the_job(case: Case) -> None:
    asked = asking(new=False, sample=5, retained=["snapshot-1-os"])
    with export_host(a_disk(1)["os"], []) as host, pytest.raises(AccessRefused):
        answered(case.job(asked, host.url.replace("first", "gone")), case.place())


def test_a_sample_reads_its_blocks_and_no_others(case: Case) -> None:
    asked = asking(new=False, sample=5, retained=["snapshot-1-os"])
    with export_host(a_disk(1)["os"], []) as host:
        result = answered(case.job(asked, host.url), case.place())

        assert result.sampled == len(host.read) <= 7
        assert {length for _, length in host.read} == {BLOCK}
    assert (result.packs, result.differing) == (0, [])


def test_a_sample_that_differs_names_the_blocks_of_the_disk(case: Case) -> None:
    disk = bytearray(a_disk(1)["os"])
    disk[3 * BLOCK] ^= 1
    zero_shard = len(disk) // BLOCK - 100
    disk[zero_shard * BLOCK] ^= 1
    asked = asking(new=False, sample=5, retained=["snapshot-1-os"])
    job = case.job(asked)
    assert job.sample is not None
    with export_host(bytes(disk), []) as host:
        sample = msgspec.structs.replace(
            job.sample, snapshot_url=host.url, blocks=[zero_shard, 2], used=[3, 4]
        )
        result = answered(msgspec.structs.replace(job, sample=sample), case.place())

    assert (result.sampled, result.differing) == (4, [3, zero_shard])


def test_sampled_blocks_that_there_are_not_are_passed_over(case: Case) -> None:
    asked = asking(new=False, sample=5, retained=["snapshot-1-os"])
    job = case.job(asked)
    assert job.sample is not None
    sample = msgspec.structs.replace(job.sample, blocks=[2**34 - 1], used=[2**34 - 1])

    assert answered(msgspec.structs.replace(job, sample=sample), case.place()).sampled == 0


def test_a_result_tells_no_more_than_fits(case: Case) -> None:
    name = case.bench.packs()[0]
    for at in range(100, 2**20 - 2**14, 2**12):
        case.bench.damage(name, at)
    job, pack = case.job(), case.job().packs[0]
    many = [PackRange(pack.slot, pack.session, 0, 0)] * 40

    result = answered(msgspec.structs.replace(job, packs=many, sections=None), case.place())

    assert result.stopped
    assert 0 < result.packs < 40
    assert all(len(each.offsets) == OFFSETS_MOST for each in result.lost)
    assert result.packs == len(result.lost) == 1_000 // OFFSETS_MOST


def test_missing_packs_are_told_until_there_are_too_many(case: Case) -> None:
    job, pack = case.job(), case.job().packs[0]
    many = [PackRange(pack.slot, pack.session, 100, 2**32 - 1)]

    result = answered(msgspec.structs.replace(job, packs=many, sections=None), case.place())

    assert result.stopped
    assert result.packs == len(result.lost) == SECTIONS_MOST
    assert {each.what for each in result.lost} == {"missing"}


def test_keys_of_another_chain_are_refused_before_anything_is_read(case: Case) -> None:
    job = msgspec.structs.replace(case.job(), chain_id=ChainId("0" * 32))

    with pytest.raises(PermanentError) as refused:
        answered(job, Expired())
    assert refused.value.reason == "InvalidKey"


def test_a_manifest_of_another_digest_ends_the_job(case: Case) -> None:
    job = msgspec.structs.replace(case.job(), manifest_sha256="0" * 64)

    with pytest.raises(CorruptRepository):
        answered(job, case.place())


def test_sections_of_slots_that_were_read_are_not_opened_again(case: Case) -> None:
    class Watched(DataPlace):
        def __init__(self, behind: MemoryStore) -> None:
            self.behind = behind
            self.asked: set[str] = set()

        @override
        def get_range(self, name: str, offset: int, length: int) -> bytes:
            self.asked.add(name)
            return super().get_range(name, offset, length)

    place = Watched(case.bench.data)
    job = msgspec.structs.replace(case.job(), packs=[], sections=SectionsToOpen(1))

    assert answered(job, place).objects == []
    assert place.asked == set()
