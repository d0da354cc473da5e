"""A repository in a directory, written by workers' jobs and committed as the operator does it."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from vmbackup_core.clock import SystemClock
from vmbackup_core.ids import DiskUniqueId, JobId, RunId, SnapshotUniqueId
from vmbackup_core.protocol import BackupJob, DiskDone, DiskToBackUp, RepositoryAccess
from vmbackup_core.repository.control.backup.committing import CommittedDisk
from vmbackup_core.repository.control.backup.disk_asked import DiskAsked
from vmbackup_core.repository.control.log.heads import HeadsOfProcess
from vmbackup_core.repository.control.log.log import Author
from vmbackup_core.repository.control.points.points import (
    PointDisk,
    RecoveryPoint,
    StampedRetention,
)
from vmbackup_core.repository.data.grants import LEVEL, ManifestAt, Parameters
from vmbackup_core.repository.data.said import SaidDisk, SaidVm
from vmbackup_core.repository.opened import OpenedRepository, begin_repository
from vmbackup_core.repository.opened_log import Using
from vmbackup_core.repository.primitives.json_payloads import Time
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.repository.primitives.user_key import UserKey
from vmbackup_core.stores.directory import DirectoryStore

APPLIANCE = "bench"
VM = SaidVm("/vms/bench", "bench", "westeurope")
PARAMETERS = Parameters()

_FIRST_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
#: Nothing is copied there: the worker's process is given the folder instead.
_CONTAINER = "https://repository.blob.core.windows.net/backups?sig=none"


@dataclass(frozen=True, slots=True)
class Disk:
    """A state of a disk as the source shows it; *before* and *base* show and name an earlier one.

    With *base* only what changed since is read; with *before* alone, the whole disk, and deltas
    are made of what it shows.
    """

    name: str
    url: str
    size_bytes: int
    before: str | None = None
    base: ManifestAt | None = None


@dataclass(frozen=True, slots=True)
class Ordered:
    """A job as a worker gets it, and what it is that was asked for."""

    number: int
    job: BackupJob
    asked: Sequence[DiskAsked]


class Repository:
    """What operator and operator alone do: begin, prepare, commit, record.

    One that lies in the folder already is gone on with.
    """

    def __init__(self, folder: Path, parameters: Parameters = PARAMETERS) -> None:
        self.folder = folder
        self._parameters = parameters
        self.key_file = folder / "key"
        self._key = UserKey(hashlib.sha256(b"bench").digest())
        folder.mkdir(parents=True, exist_ok=True)
        self.key_file.touch(0o600)
        self.key_file.write_bytes(base64.b64encode(self._key.secret))
        data = DirectoryStore(folder / "data", names_are_random=True)
        self.places = Places(data, DirectoryStore(folder / "control"))
        using = Using(Author(APPLIANCE, APPLIANCE), SystemClock(), HeadsOfProcess())
        self._opened = begin_repository(self.places, self._key, using, "link")

    @property
    def opened(self) -> OpenedRepository:
        """The repository, with its key."""
        return self._opened

    @property
    def data(self) -> Path:
        """Where workers write."""
        return self.folder / "data"

    def order(
        self, number: int, disks: Sequence[Disk], *, deltas: bool = False, level: int = LEVEL
    ) -> Ordered:
        """Return the job of run *number*."""
        asked = [_asked(number, disk) for disk in disks]
        prepared = [
            self._opened.prepare_disk(each, self._parameters, deltas=deltas, level=level)
            for each in asked
        ]
        to_do = [
            DiskToBackUp(each.chain.chain, each.keys.text, each.grant, disk.url, disk.before)
            for disk, each in zip(disks, prepared, strict=True)
        ]
        job = BackupJob(JobId(f"run-{number}"), _run(number), to_do, RepositoryAccess(_CONTAINER))
        return Ordered(number, job, asked)

    def commit(self, ordered: Ordered, done: Sequence[DiskDone]) -> list[CommittedDisk]:
        """Commit what a worker has written, and have its recovery point count."""
        committed = [
            self._opened.commit_disk(each, told.manifest, told.manifest_sha256)
            for each, told in zip(ordered.asked, done, strict=True)
        ]
        lines = [
            _line(ordered.number, each, one)
            for each, one in zip(ordered.asked, committed, strict=True)
        ]
        self._opened.record(self._point(ordered.number, lines))
        return committed

    def manifest_of(self, committed: CommittedDisk) -> ManifestAt:
        """Return what an incremental counts from."""
        name = f"c/{committed.chain}/{committed.manifest}"
        return ManifestAt(name, committed.manifest_sha256, committed.slot)

    def _point(self, number: int, lines: Sequence[PointDisk]) -> RecoveryPoint:
        return RecoveryPoint(
            repository_id=self._opened.repository_id,
            run_id=_run(number),
            appliance_id=APPLIANCE,
            vm_id=VM.id,
            vm_name=VM.name,
            vm_region=VM.region,
            vm_description="{}",
            created_at=Time.of(_FIRST_MOMENT + timedelta(hours=number)),
            policy_namespace=None,
            policy_name=None,
            retention=StampedRetention(1, 0, 0, 0, 0),
            kind="full",
            previous=None,
            origin=None,
            disks=tuple(lines),
        )


class Stopwatch:
    """How long this process takes for the operator's part."""

    def __init__(self) -> None:
        self.s = 0.0

    def __enter__(self) -> None:
        self._began = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self.s += time.monotonic() - self._began


def _run(number: int) -> RunId:
    return RunId(f"{number:032x}")


def _asked(number: int, disk: Disk) -> DiskAsked:
    return DiskAsked(
        run=_run(number),
        snapshot_unique_id=SnapshotUniqueId(f"{disk.name}-{number}"),
        taken_at=None,
        disk_bytes=disk.size_bytes,
        disk=SaidDisk(f"/disks/{disk.name}", f"unique-{disk.name}", disk.name, None),
        vm=VM,
        base=disk.base,
    )


def _line(number: int, asked: DiskAsked, committed: CommittedDisk) -> PointDisk:
    return PointDisk(
        id=asked.disk.id,
        name=asked.disk.name,
        unique_id=DiskUniqueId(asked.disk.unique_id),
        lun=None,
        size_bytes=asked.disk_bytes,
        snapshot_id=f"/snapshots/{number}",
        snapshot_unique_id=asked.snapshot_unique_id,
        chain_id=committed.chain,
        slot=committed.slot,
        commit_sha256=committed.sha256,
        manifest=committed.manifest,
        manifest_sha256=committed.manifest_sha256,
        read_bytes=committed.statistics.read_bytes,
        stored_bytes=committed.stored_bytes,
    )
