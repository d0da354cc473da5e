"""Two repositories, and a point of one on its way into the other: what the operator does of it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace as altered

from tests.unit.repository.control.log_bench import numbered
from tests.unit.repository.data.bench import PARAMETERS
from tests.unit.repository.opened.whole_bench import APPLIANCE, VM_ID, WholeBench
from tests.unit.repository.primitives.keepers import B
from vmbackup_core.ids import JobId, RunId
from vmbackup_core.protocol import (
    ArchiveJob,
    DiskArchived,
    DiskToArchive,
    HealedPack,
    RepositoryAccess,
    StoredSource,
    read_job,
    write_message,
)
from vmbackup_core.repository.control.backup.committing import CommittedDisk
from vmbackup_core.repository.control.backup.disk_asked import DiskAsked
from vmbackup_core.repository.control.log.heads import HeadsOfProcess
from vmbackup_core.repository.control.points.points import RecoveryPoint
from vmbackup_core.repository.control.restore.restore_plan import RestoreDisk
from vmbackup_core.repository.data.grants import Parameters
from vmbackup_core.repository.data.ports import DataStore
from vmbackup_core.repository.data.said import SaidDisk, SaidVm
from vmbackup_core.repository.opened import OpenedRepository
from vmbackup_core.repository.opened_repair import DataAlone
from vmbackup_core.repository.opened_restore import Restores, RestoreWork
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_worker.jobs.archive import Archive
from vmbackup_worker.meter import Meter

RUN = RunId(numbered(0xE001))
SOURCE = RepositoryAccess("https://backups.example/data?sig=source")
TARGET = RepositoryAccess("https://archives.example/data?sig=target", tier="Cold")


@dataclass
class ArchivingBench:
    """*source* has points, *target* gets them; each has a key of its own."""

    source: WholeBench = field(default_factory=WholeBench)
    target: WholeBench = field(default_factory=lambda: WholeBench(key=B))
    parameters: Parameters = PARAMETERS

    def begun(self, disks: Mapping[str, bytes]) -> RecoveryPoint:
        """Begin both, and back *disks* up into the source."""
        self.source.begun()
        self.target.begun()
        return self.source.back_up(1, disks)

    def plan(self, point: RecoveryPoint, run: RunId = RUN) -> RestoreWork:
        """Return the point as it is read, held for *run*."""
        reading = Restores(self.source.opened().work)
        return reading.plan(VM_ID, point.run_id, run, "archive")

    def asked(self, given: RestoreDisk, run: RunId = RUN) -> DiskAsked:
        disk = given.disk
        return DiskAsked(
            run=run,
            snapshot_unique_id=disk.snapshot_unique_id,
            taken_at=given.taken_at,
            disk_bytes=disk.size_bytes,
            disk=SaidDisk(disk.id, disk.unique_id, disk.name, disk.lun),
            vm=SaidVm(VM_ID, "Web", "westeurope"),
            archive=True,
        )

    def job(self, work: RestoreWork, run: RunId = RUN, job_id: str = "archive") -> ArchiveJob:
        """Return the job as it comes out of a message; what was left is given to be adopted."""
        repository = self.target.opened()
        disks = [self._disk(repository, each, run) for each in work.disks]
        made = ArchiveJob(JobId(job_id), run, disks, SOURCE, TARGET, threads=2)
        read = read_job(write_message(made))
        assert isinstance(read, ArchiveJob)
        return read

    def _disk(self, repository: OpenedRepository, given: RestoreDisk, run: RunId) -> DiskToArchive:
        prepared = repository.prepare_disk(self.asked(given, run), self.parameters)
        return DiskToArchive(
            source=StoredSource(
                chain_id=given.disk.chain_id,
                keys=given.keys,
                manifest=given.manifest_name,
                manifest_sha256=given.manifest_sha256,
                slot=given.disk.slot,
                healed=[HealedPack.of(each) for each in given.healed],
            ),
            chain_id=prepared.chain.chain,
            keys=prepared.keys.text,
            grant=prepared.grant,
        )

    def copied(self, job: ArchiveJob) -> list[DiskArchived]:
        """Do what a worker does, and return what it tells of each disk."""

        def opened(access: RepositoryAccess) -> DataStore:
            return (self.source if access == SOURCE else self.target).places.data

        work = Archive(job, Meter(), threading.Event(), renewal_s=0.05, open_store=opened)
        return list(work.run().disks)

    def archived(self, point: RecoveryPoint, run: RunId = RUN) -> RecoveryPoint:
        """Have *point* archived by *run*, and return the point that counts then."""
        work = self.plan(point, run)
        return self.recorded(work, self.copied(self.job(work, run)), run)

    def lose_control_and_make_it_again(self) -> None:
        """Have the target's control lost, and made again from data alone."""
        self.target.places = Places(self.target.places.data, MemoryStore())
        alone = DataAlone(self.target.places, self.target.key, self.target.clock)
        alone.rebuild(APPLIANCE, lambda: "native")
        self.target.heads = HeadsOfProcess()

    def recorded(
        self, work: RestoreWork, told: Iterable[DiskArchived], run: RunId = RUN
    ) -> RecoveryPoint:
        """Commit what a worker has *told*, and have the archived point count."""
        repository, by_id = self.target.opened(), {each.disk_id: each for each in told}
        commits = []
        for given in work.disks:
            done = by_id[given.disk.id]
            asked = self.asked(given, run)
            committed = repository.commit_disk(asked, done.manifest, done.manifest_sha256)
            assert repository.find_committed(asked) == committed
            commits.append(committed)
            self.target.disks[run, given.disk.name] = self.source.disks[
                work.point.run_id, given.disk.name
            ]
        point = altered(
            work.point,
            repository_id=repository.repository_id,
            run_id=run,
            origin=work.origin,
            disks=tuple(
                altered(given.disk, **_committed(commit))
                for given, commit in zip(work.disks, commits, strict=True)
            ),
        )
        repository.record(point)
        return point


def _committed(commit: CommittedDisk) -> dict[str, object]:
    return {
        "chain_id": commit.chain,
        "slot": commit.slot,
        "commit_sha256": commit.sha256,
        "manifest": commit.manifest,
        "manifest_sha256": commit.manifest_sha256,
        "read_bytes": commit.statistics.read_bytes,
        "stored_bytes": commit.stored_bytes,
    }
