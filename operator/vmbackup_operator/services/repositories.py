"""Repositories behind their objects: opened with the key of their Secret."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from typing_extensions import override

from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import RunId
from vmbackup_core.repository.control.backup.committing import CommittedDisk
from vmbackup_core.repository.control.backup.disk_asked import DiskAsked
from vmbackup_core.repository.control.backup.preparing import PreparedDisk
from vmbackup_core.repository.control.commits.locking import Keep
from vmbackup_core.repository.control.log.heads import HistoryRolledBack
from vmbackup_core.repository.data.grants import LEVEL, Parameters
from vmbackup_core.repository.opened import OpenedRepository
from vmbackup_core.repository.primitives.user_key import UserKey
from vmbackup_operator.model.backup_repository import BackupRepository, Compression, LogHead
from vmbackup_operator.naming import ArmId, control_container
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.repositories.keys import find_key
from vmbackup_operator.repositories.ports import OpenRepositories, RepositorySeen, Secrets
from vmbackup_operator.services.opened_repositories import OpenedRepositories
from vmbackup_operator.services.point_books import PointBooks
from vmbackup_operator.services.stored_points import as_seen, as_stored, group_of
from vmbackup_operator.sessions.ports import RecoveryPoints
from vmbackup_operator.sessions.seen import DiskWritten, PointSeen, PointWanted

#: The format that this version writes.
FORMAT = "1.0"

#: The level of zstd that each word stands for: docs/operations.md has what each costs.
LEVELS: Mapping[Compression, int] = {"fast": 1, "default": LEVEL, "small": 7}

T = TypeVar("T")


class StoredRepositories(OpenRepositories):
    """Opens repositories, and begins them where none is."""

    def __init__(self, opened: OpenedRepositories) -> None:
        self._opened = opened

    @override
    async def open_or_begin(
        self, repository: BackupRepository, key: UserKey
    ) -> RepositorySeen | Waiting:
        def look(opened: OpenedRepository) -> RepositorySeen:
            seen = self._look(opened)
            immutability = repository.spec.immutability
            if immutability is not None and not opened.read_only:
                opened.lock_frame(immutability.generation_days)
            return seen

        try:
            return await self._opened.begin(repository, key, look)
        except PermanentError as error:
            if error.reason == "ImmutabilityNotSupported":
                raise _without_locks(repository, error) from error
            if error.reason != "KeyMismatch":
                raise
            reference = repository.spec.encryption_key.secret_ref
            raise PermanentError(
                f"Secret {repository.metadata.namespace}/{reference.name} holds another key than"
                f" container {repository.spec.container}: {error}",
                reason=error.reason,
            ) from error

    def _look(self, opened: OpenedRepository) -> RepositorySeen:
        reading = opened.reading()
        state, lost = reading.state, reading.lost_head
        head = self._opened.heads.known(opened.repository_id)
        return RepositorySeen(
            id=opened.repository_id,
            owner=state.owner,
            key_fingerprint=opened.key_fingerprint,
            format=FORMAT,
            recovery_points=len(state.counted),
            log=None if head is None else LogHead(head.number, head.sha256),
            history_lost="" if lost is None else str(HistoryRolledBack(lost)),
            log_found=None if reading.sha256 is None else LogHead(reading.number, reading.sha256),
        )


def _passed_over(_entry: object, _damage: object) -> None:
    """Leave a damaged point out: checks tell of it."""


def _without_locks(repository: BackupRepository, error: PermanentError) -> PermanentError:
    """Return what a person can do about a repository that shall lock and cannot."""
    data = repository.spec.container
    return PermanentError(
        f"{error}: have version-level immutability on the account, or on the containers {data} and"
        f" {control_container(data)}, or take spec.immutability away",
        reason=error.reason,
    )


class StoredPoints(RecoveryPoints):
    """Chains, commits and recovery points, written in the name of one appliance."""

    #: What chains are begun with. Packs of archives are larger, since cooler tiers charge more for
    #: each request; a worker keeps two of each of four disks in memory.
    parameters = Parameters()
    archive_parameters = Parameters(pack_bytes=128 * 1024**2)

    def __init__(
        self,
        opened: OpenedRepositories,
        secrets: Secrets,
        appliance_id: str,
        books: PointBooks | None = None,
    ) -> None:
        self._opened = opened
        self._books = books or PointBooks()
        self._secrets = secrets
        self._appliance_id = appliance_id

    @override
    async def find(
        self, repository: BackupRepository, virtual_machine_id: ArmId, run_id: RunId
    ) -> PointSeen | Waiting | None:
        def work(opened: OpenedRepository) -> PointSeen | None:
            found = opened.find_point(virtual_machine_id, run_id)
            return None if found is None else as_seen(found.point)

        return await self._use(repository, ("find", run_id), work)

    @override
    async def newest(
        self, repository: BackupRepository, virtual_machine_id: ArmId, runs: Collection[RunId]
    ) -> Sequence[PointSeen] | Waiting:
        wanted = frozenset(runs)

        def work(opened: OpenedRepository) -> list[PointSeen]:
            counted = opened.counted(virtual_machine_id)
            entries = [*counted[:1], *(each for each in counted[1:] if each.run in wanted)]
            return [as_seen(each.point) for each in opened.points(_passed_over, entries)]

        return await self._use(repository, ("newest", virtual_machine_id, wanted), work)

    @override
    async def find_committed(
        self, repository: BackupRepository, disks: Sequence[DiskAsked]
    ) -> Sequence[CommittedDisk | None] | Waiting:
        def work(opened: OpenedRepository) -> list[CommittedDisk | None]:
            return [opened.find_committed(disk) for disk in disks]

        return await self._use(repository, ("committed", *disks), work)

    @override
    async def begin_anew(
        self, repository: BackupRepository, disks: Sequence[DiskAsked], why: str
    ) -> Waiting | None:
        def work(opened: OpenedRepository) -> None:
            for disk in disks:
                opened.begin_anew(disk.unique_id, disk.run, why)

        return await self._use(repository, ("begin anew", *disks), work)

    @override
    async def prepare(
        self, repository: BackupRepository, disks: Sequence[DiskAsked]
    ) -> Sequence[PreparedDisk] | Waiting:
        level = LEVELS[repository.spec.compression]

        def work(opened: OpenedRepository) -> list[PreparedDisk]:
            return [
                opened.prepare_disk(disk, self._parameters_of(disk), level=level) for disk in disks
            ]

        return await self._use(repository, ("prepare", *disks), work)

    @override
    async def commit(
        self,
        repository: BackupRepository,
        disk: DiskAsked,
        written: DiskWritten,
        kept_until: datetime | None = None,
    ) -> CommittedDisk | Waiting:
        immutability, keep = repository.spec.immutability, None
        if immutability is not None and kept_until is not None:
            keep = Keep(kept_until, immutability.generation_days)

        def work(opened: OpenedRepository) -> CommittedDisk:
            return opened.commit_disk(disk, written.manifest, written.sha256, keep)

        return await self._use(repository, ("commit", disk, written), work)

    @override
    async def record(self, repository: BackupRepository, point: PointWanted) -> PointSeen | Waiting:
        group, delay_of = group_of(point), repository.retention_change_delay

        def work(opened: OpenedRepository) -> PointSeen:
            counted = opened.counted(point.virtual_machine_id)
            before = [each for each in counted if each.run != point.run_id]
            previous = before[0].sha256 if before else None
            book = self._books.of(opened.repository_id)
            stamp = opened.upkeep.stamp(book, point.retention.rule, before, group, delay_of)
            stored = as_stored(point, opened.repository_id, self._appliance_id, previous, stamp)
            opened.record(stored)
            return as_seen(stored)

        return await self._use(repository, ("record", point.run_id), work)

    def _parameters_of(self, disk: DiskAsked) -> Parameters:
        return self.archive_parameters if disk.archive else self.parameters

    async def _use(
        self, repository: BackupRepository, what: Hashable, work: Callable[[OpenedRepository], T]
    ) -> T | Waiting:
        key = await find_key(self._secrets, repository)
        return await self._opened.use(repository, key, what, work)
