"""A repository whose VM is verified: what is planned is read by what workers run, and judged."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from typing_extensions import override

from tests.unit.repository.control.log_bench import numbered
from tests.unit.repository.data.bench import noise
from tests.unit.repository.opened.whole_bench import VM_ID, WholeBench
from tests.unit.worker.export_host import export_host
from vmbackup_core.ids import ChainId, JobId, RunId, SnapshotUniqueId
from vmbackup_core.protocol import (
    PackRange,
    RepositoryAccess,
    SampleToRead,
    SectionsToOpen,
    VerifyJob,
    VerifyResult,
    read_job,
    read_result,
    write_message,
)
from vmbackup_core.repository.control.log.log_entries import Bad, Proven
from vmbackup_core.repository.control.verify.verify_work import (
    Judged,
    SampleOf,
    VerifyAsked,
    VerifyWork,
)
from vmbackup_core.repository.data.ports import DataStore
from vmbackup_core.repository.data.verify_told import (
    VerifyTold,
)
from vmbackup_core.repository.opened_verify import Verification
from vmbackup_core.repository.primitives.identities import PackId
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_worker.jobs.verify import Verify
from vmbackup_worker.meter import Meter

BLOCK = 4096
#: 64 GiB: all in one job.
ALL = 2**36

#: What answers a job's work; None asks nobody.
Worker = Callable[[VerifyWork], VerifyTold]


def verify_run(number: int = 1) -> RunId:
    return RunId(numbered(0xE000 + number))


def job_of(work: VerifyWork, run: RunId, snapshot_url: str = "http://127.0.0.1:1/s") -> VerifyJob:
    """Return the job that asks for *work*, as it comes out of a message."""
    assert work.at is not None
    sample = work.sample
    job = VerifyJob(
        job_id=JobId(f"{run}-verify-{work.fingerprint}"),
        run_id=run,
        chain_id=work.chain,
        keys=work.keys,
        repository=RepositoryAccess("http://127.0.0.1:1/data?sig=x"),
        packs=[PackRange(each.slot, each.session, each.first, each.last) for each in work.packs],
        read_bytes=work.read_bytes,
        manifest=work.at.name,
        manifest_sha256=work.at.sha256,
        sections=SectionsToOpen(work.so_far.slot) if work.sections else None,
        sample=None if sample is None else _to_read(sample, snapshot_url),
        threads=2,
    )
    read = read_job(write_message(job))
    assert isinstance(read, VerifyJob)
    return read


def _to_read(sample: SampleOf, url: str) -> SampleToRead:
    return SampleToRead(url, sample.disk_bytes, list(sample.blocks), list(sample.used))


def answered(job: VerifyJob, data: DataStore, meter: Meter | None = None) -> VerifyResult:
    """Return what an honest worker says of *job*, as it comes out of a message."""
    work = Verify(
        job, meter or Meter(), threading.Event(), renewal_s=0.05, open_store=lambda _url: data
    )
    result = read_result(write_message(work.run()))
    assert isinstance(result, VerifyResult)
    return result


@dataclass
class VerifyBench(WholeBench):
    """One VM that is backed up, and verified by sessions of which each has a number."""

    @property
    def data(self) -> MemoryStore:
        store = self.places.data
        assert isinstance(store, MemoryStore)
        return store

    def started(self, *disks: dict[str, bytes]) -> VerifyBench:
        """Back up *disks*, one run after the other, and return the bench."""
        self.begun()
        for number, each in enumerate(disks, 1):
            self.back_up(number, each)
        return self

    def verification(self, places: Places | None = None) -> Verification:
        return Verification(self.opened(places).work)

    def honest(self, work: VerifyWork) -> VerifyTold:
        """Answer as the agent does, with the snapshot's export where a sample is asked for."""
        if work.sample is None:
            return answered(job_of(work, verify_run()), self.data).told()
        with export_host(self.snapshot(work), []) as host:
            return answered(job_of(work, verify_run(), host.url), self.data).told()

    def snapshot(self, work: VerifyWork) -> bytes:
        """Return the disk as the snapshot that *work* samples has it."""
        assert work.sample is not None
        _, number, name = work.sample.snapshot_unique_id.split("-")
        return self.disks[self.run(int(number)), name]

    def session(self, asked: VerifyAsked | None = None, worker: Worker | None = None) -> Session:
        """Have everything done that a session asks for, one job after the other."""
        asked, done = asked or asking(), Session()
        for _ in range(100):
            verification = self.verification()
            work = verification.plan(VM_ID, asked)
            if work is None:
                verification.let_go(asked.run)
                return done
            told = (worker or self.honest)(work) if work.is_for_worker else None
            judged = verification.judge(work, told)
            done.works.append(work)
            done.judged.append(judged)
            asked = replace(asked, cursor=judged.cursor)
        raise AssertionError("a session without end")

    @override
    def copied(self) -> VerifyBench:
        copy = super().copied()
        return VerifyBench(copy.places, key=self.key, disks=self.disks)

    def bad(self) -> list[Bad]:
        return list(self.opened().reading().state.bad.values())

    def proven(self, what: str) -> dict[ChainId, Proven]:
        """Return the last entry of each chain that says how far it was read."""
        known = self.opened().reading().state.proven.values()
        return {each.chain: each for each in known if each.what == what}

    def packs(self) -> list[str]:
        return [each.name for each in self.data.list("c/") if "/p/" in each.name]

    def damage(self, name: str, at: int = 100) -> None:
        """Have one bit of an object be another."""
        content = bytearray(self.data.get(name))
        content[at] ^= 1
        self.data.overwrite(name, bytes(content))


@dataclass
class Session:
    """What a session did, job by job."""

    works: list[VerifyWork] = field(default_factory=list)
    judged: list[Judged] = field(default_factory=list)

    def sum(self, what: str) -> int:
        return sum(getattr(each, what) for each in self.judged)

    @property
    def says(self) -> str:
        return "\n".join(line for each in self.judged for line in each.says)

    @property
    def packs(self) -> list[PackId]:
        """The packs that workers were asked for, in order."""
        return [pack for work in self.works for run in work.packs for pack, _ in run.packs()]


def asking(
    *,
    number: int = 1,
    new: bool = True,
    rota_share: float = 0.0,
    sample: int = 0,
    most_bytes: int = ALL,
    retained: Iterable[str] = (),
) -> VerifyAsked:
    snapshots = frozenset(SnapshotUniqueId(each) for each in retained)
    return VerifyAsked(verify_run(number), new, rota_share, sample, most_bytes, snapshots)


def a_disk(seed: int, blocks: int = 700) -> dict[str, bytes]:
    """Return a disk of three packs and eleven shards, of which the last but one is zero."""
    shard = 64 * BLOCK
    content = bytearray(noise(seed, blocks * BLOCK))
    content[-2 * shard : -shard] = bytes(shard)
    return {"os": bytes(content)}
