"""Kubernetes and a repository in memory: stale writes conflict, points are written once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from msgspec.structs import replace
from typing_extensions import override

from tests.worlds.memory_azure import APPLIANCE, AWAY, SUBSCRIPTION, Refused
from tests.worlds.turned_clock import TurnedClock
from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import ChainId, DiskUniqueId, RepositoryId, RunId, SnapshotUniqueId
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.backup_repository import (
    BackupRepository,
    BackupRepositorySpec,
    BackupRepositoryStatus,
    EncryptionKey,
)
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.conditions import Condition
from vmbackup_operator.model.metadata import Metadata, ObjectKey
from vmbackup_operator.model.recovery_point import RecoveryPoint
from vmbackup_operator.model.references import SecretKeyReference
from vmbackup_operator.model.session import Session
from vmbackup_operator.reconciling.outcome import Conflict
from vmbackup_operator.sessions import ports
from vmbackup_operator.sessions.seen import ChainGrant, PointSeen, PointWanted
from vmbackup_operator.sessions.undo_record import UndoRecord, UndoRecords


class MemorySessions(ports.StoredSessions):
    """Sessions with resourceVersions, finalizers and deletion as the API server has them."""

    def __init__(self, clock: TurnedClock) -> None:
        self.clock = clock
        self.stored: dict[ObjectKey, BackupSession] = {}
        self.meets: Callable[[str], None] = lambda _what: None
        #: The watch: what was written by others, and what has gone.
        self.watched: Callable[[BackupSession], object] = lambda _session: None
        self.gone: Callable[[ObjectKey], None] = lambda _key: None
        self.writes = 0
        self.version = 0

    def put(self, session: BackupSession) -> None:
        self.watched(self._store(session))

    def request_deletion(self, key: ObjectKey) -> None:
        session = self.stored[key]
        if not session.metadata.finalizers:
            del self.stored[key]
            self.gone(key)
            return
        metadata = replace(session.metadata, deletion_timestamp=self.clock.now())
        self.watched(self._store(replace(session, metadata=metadata)))

    def edit_spec(self, key: ObjectKey, **changes: object) -> None:
        session = self.stored[key]
        self.watched(self._store(replace(session, spec=replace(session.spec, **changes))))

    @override
    async def find(self, key: ObjectKey) -> BackupSession | None:
        return self.stored.get(key)

    @override
    async def write_status(self, session: BackupSession) -> BackupSession:
        stored = self._current(session)
        if stored.status == session.status:
            return stored
        if stored.status.outcome not in {None, session.status.outcome}:
            raise PermanentError("an outcome is final", reason="Invalid")
        self.meets("before the status")
        written = self._store(replace(stored, status=session.status))
        self.writes += 1
        self.meets("after the status")
        return written

    @override
    async def write_finalizers(self, session: BackupSession) -> BackupSession:
        stored = self._current(session)
        wanted = session.metadata.finalizers
        if stored.metadata.deletion_timestamp and set(wanted) - set(stored.metadata.finalizers):
            raise PermanentError("no finalizer may be added any more", reason="Invalid")
        self.meets("before the finalizers")
        written = self._store(replace(stored, metadata=replace(stored.metadata, finalizers=wanted)))
        if written.metadata.deletion_timestamp and not wanted:
            del self.stored[session.metadata.key]
            self.gone(session.metadata.key)
        self.meets("after the finalizers")
        return written

    def _current(self, session: BackupSession) -> BackupSession:
        stored = self.stored.get(session.metadata.key)
        if stored is None or stored.metadata.resource_version != session.metadata.resource_version:
            raise Conflict(f"backupsession {session.metadata.key}")
        return stored

    def _store(self, session: BackupSession) -> BackupSession:
        self.version += 1
        metadata = replace(session.metadata, resource_version=str(self.version))
        self.stored[session.metadata.key] = replace(session, metadata=metadata)
        return self.stored[session.metadata.key]


def ready_repository(name: str = "repo", namespace: str = "team") -> BackupRepository:
    return BackupRepository(
        metadata=Metadata(name=name, namespace=namespace, uid="repo-uid"),
        spec=BackupRepositorySpec(
            storage_account_id=f"/subscriptions/{SUBSCRIPTION}/resourceGroups/data/providers/"
            "Microsoft.Storage/storageAccounts/backups",
            container="backups",
            subscription_id=SUBSCRIPTION,
            region=AWAY,
            encryption_key=EncryptionKey(SecretKeyReference("repo-key", "key")),
        ),
        status=BackupRepositoryStatus(
            appliance_id=APPLIANCE,
            repository_id=RepositoryId("0" * 32),
            conditions=(_condition("Ready", "True", "Ready"),),
        ),
    )


def stalled_repository(reason: str, message: str) -> BackupRepository:
    conditions = (
        _condition("Ready", "False", reason, message),
        _condition("Stalled", "True", reason, message),
    )
    ready = ready_repository()
    return replace(ready, status=replace(ready.status, conditions=conditions))


def _condition(
    kind: str, status: Literal["True", "False"], reason: str, message: str = ""
) -> Condition:
    return Condition(kind, status, reason, message, TurnedClock().now())


class MemoryRepositories(ports.Repositories):
    def __init__(self) -> None:
        self.stored: dict[ObjectKey, BackupRepository] = {}

    def put(self, repository: BackupRepository) -> None:
        self.stored[repository.metadata.key] = repository

    @override
    async def find(self, key: ObjectKey) -> BackupRepository | None:
        return self.stored.get(key)


class MemoryPoints(ports.RecoveryPoints):
    """One repository; a point's commits must have been made by the agent before."""

    def __init__(self) -> None:
        self.points: dict[RunId, PointWanted] = {}
        self.commits: dict[ChainId, list[tuple[RunId, SnapshotUniqueId, str]]] = {}
        self.meets: Callable[[str], None] = lambda _what: None

    @override
    async def find(self, repository: BackupRepository, run_id: RunId) -> PointSeen | None:
        point = self.points.get(run_id)
        if point is None:
            return None
        return PointSeen(
            run_id=point.run_id,
            created_at=point.created_at,
            virtual_machine_id=point.virtual_machine_id,
            virtual_machine_name=point.virtual_machine_name,
            disks=point.disks,
            virtual_machine_region=point.virtual_machine_region,
            policy_name="" if point.policy is None else point.policy.name,
        )

    @override
    async def open_chains(
        self, repository: BackupRepository, disks: Sequence[DiskUniqueId]
    ) -> Mapping[DiskUniqueId, ChainGrant]:
        return {
            disk: ChainGrant(ChainId(disk.encode().hex().ljust(32, "0")[:32]), f"keys-{disk}", 4096)
            for disk in disks
        }

    @override
    async def record(self, repository: BackupRepository, point: PointWanted) -> None:
        for disk in point.disks:
            committed = self.commits.get(disk.chain_id, [])
            made = (point.run_id, disk.snapshot_unique_id, disk.commit_digest)
            if committed[disk.slot - 1 :][:1] != [made]:
                raise Refused(f"slot {disk.slot} of {disk.name} is no commit of {made}")
        if self.points.get(point.run_id, point) != point:
            raise Refused(f"another point of run {point.run_id} exists")
        self.meets("before the point")
        self.points[point.run_id] = point
        self.meets("after the point")


class MemoryUndoRecords(UndoRecords):
    """By run, and claims by ``vm`` and the VM's id."""

    def __init__(self) -> None:
        self.stored: dict[str, UndoRecord] = {}
        self.meets: Callable[[str], None] = lambda _what: None

    @override
    async def find_claim(self, vm_id: str) -> UndoRecord | None:
        return self.stored.get(_claim(vm_id))

    @override
    async def claim(self, record: UndoRecord) -> UndoRecord | None:
        self.meets("before the undo record")
        held = self.stored.setdefault(_claim(record.virtual_machine_id), record)
        self.meets("after the undo record")
        return None if held.is_of(record) else held

    @override
    async def take_over(self, held: UndoRecord, record: UndoRecord) -> None:
        name = _claim(record.virtual_machine_id)
        if self.stored.get(name) != held:
            raise Conflict(f"{name}: held by another session meanwhile")
        self.meets("before the undo record is kept by run")
        if held.run_id != record.run_id:
            self.stored[held.run_id] = held
        self.meets("before the undo record is taken over")
        self.stored[name] = record
        self.meets("after the undo record is taken over")

    @override
    async def keep(self, record: UndoRecord) -> None:
        claim = _claim(record.virtual_machine_id)
        held = self.stored.get(claim)
        has_it = held is not None and held.is_of(record)
        self.meets("before the undo record")
        self.stored[claim if has_it else record.run_id] = record
        self.meets("after the undo record")

    @override
    async def all(self) -> Sequence[UndoRecord]:
        return list(self.stored.values())

    @override
    async def drop(self, vm_id: str, run_id: RunId) -> None:
        held = self.stored.get(_claim(vm_id))
        name = _claim(vm_id) if held is not None and held.run_id == run_id else run_id
        self.meets("before the undo record goes")
        self.stored.pop(name, None)
        self.meets("after the undo record goes")


def _claim(vm_id: str) -> str:
    return f"vm {folded(vm_id)}"


class MemoryPointObjects(ports.RecoveryPointObjects):
    def __init__(self) -> None:
        self.stored: dict[ObjectKey, RecoveryPoint] = {}

    @override
    async def ensure(self, point: RecoveryPoint) -> None:
        self.stored.setdefault(point.metadata.key, point)


class MemoryEvents(ports.EventLog):
    def __init__(self) -> None:
        self.told: list[tuple[str, str, str]] = []

    @override
    async def tell(
        self, about: Session, kind: Literal["Normal", "Warning"], reason: str, message: str
    ) -> None:
        self.told.append((kind, reason, message))
