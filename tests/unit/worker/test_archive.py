"""An archive job in one process: a point's disks in another repository, sealed anew, read back."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import msgspec
import pytest
from typing_extensions import override

from tests.unit.repository.data.bench import Disk, noise, silent
from tests.unit.repository.opened.archiving_bench import RUN, SOURCE, TARGET, ArchivingBench
from tests.unit.repository.opened.whole_bench import WholeBench
from tests.unit.repository.stores_that_fail import Killed
from tests.unit.worker.data_place import DataPlace, Expired
from vmbackup_core.errors import CorruptRepository
from vmbackup_core.extents import Extent
from vmbackup_core.ids import ChainId
from vmbackup_core.protocol import (
    ArchiveJob,
    ArchiveResult,
    RepositoryAccess,
    read_result,
    write_message,
)
from vmbackup_core.repository.control.backup.preparing import PreparedDisk
from vmbackup_core.repository.control.points.points import RecoveryPoint
from vmbackup_core.repository.data.disk_writer import DiskToRead, WrittenDisk, write_disk
from vmbackup_core.repository.data.footer import ARCHIVE, read_pack_start
from vmbackup_core.repository.opened_restore import RestoreWork
from vmbackup_core.repository.primitives.parsed_names import PackName, parse_data
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import Buffer
from vmbackup_worker.access import AccessRefused
from vmbackup_worker.jobs.archive import Archive
from vmbackup_worker.meter import Meter
from vmbackup_worker.running import DiskFailure

BLOCK = 4096
MIB = 2**20
#: Several packs, a hole of more than a shard, and an end within a block.
DISKS = {
    "os": noise(1, 2 * MIB + 5 * BLOCK) + bytes(MIB) + noise(2, 3 * BLOCK),
    "data": bytes(12 * BLOCK) + noise(3, BLOCK + 700),
}


class Target(DataPlace):
    """The archive repository's data; its process is killed at the *last*-th put, or never."""

    def __init__(self, behind: MemoryStore) -> None:
        super().__init__()
        self.behind = behind
        self.puts: list[str] = []
        self.last: int | None = None

    @override
    def put_new(self, name: str, data: Buffer) -> None:
        if len(self.puts) + 1 == self.last:
            raise Killed
        self.puts.append(name)
        super().put_new(name, data)


@dataclass
class Case:
    """A point, and a repository that gets it."""

    bench: ArchivingBench
    point: RecoveryPoint
    source: DataPlace = field(default_factory=DataPlace)
    meter: Meter = field(default_factory=Meter)
    stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.source.behind = _memory(self.bench.source.places.data)
        self.target = Target(_memory(self.bench.target.places.data))

    def archived(self, job: ArchiveJob) -> ArchiveResult:
        result = read_result(write_message(self.work(job).run()))
        assert isinstance(result, ArchiveResult)
        return result

    def work(self, job: ArchiveJob, renewal_s: float = 0.05) -> Archive:
        def opened(access: RepositoryAccess) -> DataPlace:
            return self.source if access == SOURCE else self.target

        return Archive(job, self.meter, self.stop, renewal_s=renewal_s, open_store=opened)

    def packs(self) -> list[str]:
        """Return the packs of the target."""
        names = (each.name for each in self.target.behind.list(""))
        return [name for name in names if isinstance(parse_data(name), PackName)]


def _memory(store: object) -> MemoryStore:
    assert isinstance(store, MemoryStore)
    return store


def _of(place: DataPlace, chain: str) -> list[str]:
    names = (each.name for each in place.behind.list(f"c/{chain}/p/"))
    return [name for name in names if isinstance(parse_data(name), PackName)]


@pytest.fixture
def case() -> Case:
    bench = ArchivingBench()
    return Case(bench, bench.begun(DISKS))


def planned(case: Case) -> tuple[RestoreWork, ArchiveJob]:
    work = case.bench.plan(case.point)
    return work, case.bench.job(work)


def test_the_archived_point_restores_byte_for_byte_and_says_where_it_came_from(case: Case) -> None:
    work, job = planned(case)
    result = case.archived(job)
    point = case.bench.recorded(work, result.disks)

    assert case.bench.target.restored(point) == []
    assert point.origin is not None
    assert point.origin.run_id == case.point.run_id
    assert [each.verified_bytes for each in result.disks] == [
        2 * MIB + 8 * BLOCK,
        BLOCK + 700,
    ]


def test_each_disk_has_a_chain_of_one_commit_whose_packs_are_an_archives(case: Case) -> None:
    work, job = planned(case)
    point = case.bench.recorded(work, case.archived(job).disks)
    repository = case.bench.target.opened().repository_id
    starts = [
        read_pack_start(name, case.target.behind.get_range(name, 0, 64), repository)
        for name in case.packs()
    ]

    assert [disk.slot for disk in point.disks] == [1, 1]
    assert not {disk.chain_id for disk in point.disks} & {
        disk.chain_id for disk in case.point.disks
    }
    assert {start.purpose for start in starts} == {ARCHIVE}
    assert {start.run for start in starts} == {RUN}


def test_progress_counts_what_is_read_here_and_what_is_read_back_there(case: Case) -> None:
    _, job = planned(case)
    case.archived(job)
    reading = case.meter.reading()

    assert reading.bytes_read == 2 * (2 * MIB + 8 * BLOCK + BLOCK + 700)
    assert reading.bytes_to_read == reading.bytes_read
    assert 0 < reading.bytes_stored <= sum(case.target.sizes().values())


@dataclass
class WithDeltas(WholeBench):
    """Backs a disk up as what has changed since *before*, once that is there."""

    before: bytes | None = None
    deltas: int = 0

    @override
    def write(self, prepared: PreparedDisk, content: bytes) -> WrittenDisk:
        predecessor = None if self.before is None else Disk(self.before)
        to_read = DiskToRead(Disk(content), [Extent(0, len(content))], predecessor)
        grant = msgspec.structs.replace(prepared.grant, deltas=predecessor is not None)
        done = write_disk(
            self.places.data, prepared.keys, grant, to_read, threads=1, progress=silent
        )
        self.deltas = done.statistics.delta_blocks
        return done


def test_deltas_are_resolved() -> None:
    source = WithDeltas()
    bench = ArchivingBench(source)
    bench.begun({"os": DISKS["os"]})
    changed = bytearray(DISKS["os"])
    for block in range(0, 64, 4):
        changed[block * BLOCK + 8] ^= 1
    source.before = DISKS["os"]
    point = source.back_up(2, {"os": bytes(changed)})
    case = Case(bench, point)
    work, job = planned(case)

    result = case.archived(job)
    archived = bench.recorded(work, result.disks)

    assert source.deltas == 16
    assert bench.target.restored(archived) == []
    assert result.disks[0].statistics.delta_blocks == 0


def test_killed_at_every_put_it_goes_on_and_stores_no_pack_twice() -> None:
    bench = ArchivingBench()
    point = bench.begun(DISKS)
    puts, at = _puts_of(bench, point), 1
    while at <= puts:
        copy = ArchivingBench(bench.source, bench.target.copied())
        case = Case(copy, point)
        work, job = planned(case)
        case.target.last = at
        with pytest.raises((Killed, DiskFailure)):
            case.work(job).run()
        left = case.packs()
        case.target.last, before = None, len(case.target.puts)
        case.stop.clear()

        again = copy.job(work, job_id="archive-2")
        archived = copy.recorded(work, case.archived(again).disks)

        assert copy.target.restored(archived) == [], at
        # What a process had in memory when it was killed is all that is stored once more.
        assert set(left) <= set(case.packs()), at
        assert not set(left) & set(case.target.puts[before:]), at
        assert len(case.packs()) <= puts, at
        at += 1


def _puts_of(bench: ArchivingBench, point: RecoveryPoint) -> int:
    case = Case(ArchivingBench(bench.source, bench.target.copied()), point)
    _, job = planned(case)
    case.archived(job)
    return len(case.target.puts)


@pytest.mark.parametrize("damage", ["flip", "lose"])
def test_a_block_that_is_lost_in_the_source_fails_the_job_and_names_no_manifest(
    case: Case, damage: str
) -> None:
    _, job = planned(case)
    name = _of(case.source, case.point.disks[0].chain_id)[0]
    if damage == "lose":
        case.source.behind.delete(name)
    else:
        content = bytearray(case.source.behind.get(name))
        content[5000] ^= 1
        case.source.behind.overwrite(name, bytes(content))

    with pytest.raises(DiskFailure) as failed:
        case.work(job).run()

    assert failed.value.disk_id == "/disks/os"
    assert isinstance(failed.value.cause, CorruptRepository)
    assert name in str(failed.value.cause)


class Forgetful(Target):
    """Stores packs with one bit turned, and says that they are well."""

    @override
    def put_new(self, name: str, data: Buffer) -> None:
        content = bytearray(data)
        if isinstance(parse_data(name), PackName):
            content[1000] ^= 1
        super().put_new(name, bytes(content))


def test_what_was_not_stored_as_it_was_put_is_found_by_reading_it_back(case: Case) -> None:
    _, job = planned(case)
    case.target = Forgetful(case.target.behind)

    with pytest.raises(DiskFailure) as failed:
        case.work(job).run()

    assert isinstance(failed.value.cause, CorruptRepository)


@pytest.mark.parametrize(
    "wrong", [{"slot": 2}, {"manifest_sha256": "0" * 64}], ids=lambda wrong: next(iter(wrong))
)
def test_a_manifest_that_is_not_what_the_point_says_ends_the_job_before_anything_is_put(
    case: Case, wrong: dict[str, object]
) -> None:
    _, job = planned(case)
    source = msgspec.structs.replace(job.disks[1].source, **wrong)
    job.disks[1] = msgspec.structs.replace(job.disks[1], source=source)

    with pytest.raises(DiskFailure) as failed:
        case.work(job).run()

    assert isinstance(failed.value.cause, CorruptRepository)
    assert case.target.puts == []


@pytest.mark.parametrize("side", ["source", "target"])
def test_keys_of_another_chain_end_the_job(case: Case, side: str) -> None:
    _, job = planned(case)
    disk, other = job.disks[0], ChainId("0" * 32)
    if side == "source":
        source = msgspec.structs.replace(disk.source, chain_id=other)
        job.disks[0] = msgspec.structs.replace(disk, source=source)
    else:
        job.disks[0] = msgspec.structs.replace(disk, chain_id=other)

    with pytest.raises(DiskFailure, match="the keys of chain"):
        case.work(job).run()
    assert case.target.puts == []


@pytest.mark.parametrize("side", ["source", "target"])
def test_the_sas_of_both_repositories_is_renewed_under_the_job(case: Case, side: str) -> None:
    expired = Expired()
    fresh = RepositoryAccess("https://fresh.example/data?sig=fresh", tier="Cold")
    right = case.source if side == "source" else case.target
    places = {SOURCE: case.source, TARGET: case.target, fresh: right}
    places[SOURCE if side == "source" else TARGET] = expired
    work, job = planned(case)
    running = Archive(
        job, case.meter, case.stop, renewal_s=30, open_store=lambda access: places[access]
    )
    renewed = msgspec.structs.replace(job, **{side: fresh})

    result = expired.run_renewed(running.run, lambda: running.renew(renewed))

    assert case.bench.target.restored(case.bench.recorded(work, result.disks)) == []


def test_without_a_fresh_sas_the_job_ends_and_may_be_tried_again(case: Case) -> None:
    work, job = planned(case)
    places = {SOURCE: case.source, TARGET: Expired()}

    with pytest.raises(DiskFailure) as failed:
        Archive(
            job, case.meter, case.stop, renewal_s=0.05, open_store=lambda access: places[access]
        ).run()
    assert isinstance(failed.value.cause, AccessRefused)
    assert "sig=" not in str(failed.value)

    case.stop.clear()
    point = case.bench.recorded(work, case.archived(job).disks)
    assert case.bench.target.restored(point) == []
