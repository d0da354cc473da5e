"""BackupRepositories, undo records and the objects of recovery points, in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from msgspec.structs import replace
from typing_extensions import override

from tests.worlds.memory_azure import APPLIANCE, AWAY, SUBSCRIPTION
from tests.worlds.memory_objects import MemoryObjects
from tests.worlds.turned_clock import TurnedClock
from vmbackup_core.ids import RepositoryId, RunId
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.backup_repository import (
    BackupRepository,
    BackupRepositorySpec,
    BackupRepositoryStatus,
    EncryptionKey,
)
from vmbackup_operator.model.conditions import Condition
from vmbackup_operator.model.display import amount
from vmbackup_operator.model.metadata import APPLIANCE_LABEL, Metadata, ObjectKey
from vmbackup_operator.model.recovery_point import Kept, RecoveryPoint
from vmbackup_operator.model.references import SecretKeyReference
from vmbackup_operator.reconciling.outcome import Conflict
from vmbackup_operator.sessions.point_mirror import PointObject, outline_of
from vmbackup_operator.sessions.undo_record import UndoRecord, UndoRecords


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
            owner=APPLIANCE,
            conditions=(_condition("Ready", "True", "Ready"),),
        ),
    )


def archive_repository(name: str = "archive", namespace: str = "team") -> BackupRepository:
    """Return another one in the same region, whose packs are put into a cooler tier."""
    ready = ready_repository(name, namespace)
    account = ready.spec.storage_account_id.replace("backups", "archives")
    spec = replace(ready.spec, storage_account_id=account, container="archives", tier="Cold")
    status = replace(ready.status, repository_id=RepositoryId("1" * 32))
    return replace(ready, spec=spec, status=status)


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


class MemoryUndoRecords(UndoRecords):
    """Those of one appliance, claims by ``vm`` and the VM's id, others by run.

    *beside* are another's, in the same namespace.
    """

    def __init__(
        self, appliance_id: str = APPLIANCE, beside: MemoryUndoRecords | None = None
    ) -> None:
        self.appliance_id = appliance_id
        self.everybodys: dict[str, dict[str, UndoRecord]] = (
            {} if beside is None else beside.everybodys
        )
        self.stored = self.everybodys.setdefault(appliance_id, {})
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


class MemoryPointObjects(MemoryObjects[RecoveryPoint]):
    """RecoveryPoint objects, with what kubectl's columns show of them."""

    def __init__(self) -> None:
        super().__init__(RecoveryPoint, TurnedClock())

    async def made_by_us(self, namespace: str) -> list[PointObject]:
        return [
            outline_of(each)
            for each in self.stored.values()
            if each.metadata.labels.get(APPLIANCE_LABEL) == APPLIANCE
            and each.metadata.namespace == namespace
        ]

    async def show(self, point: PointObject, kept: Kept) -> None:
        stored = self.stored.get(point.key)
        if stored is not None and stored.metadata.uid == point.uid:
            status = replace(stored.status, kept_because=kept.because, kept_until=kept.until)
            await self.write_status(replace(stored, status=status))

    async def remove(self, point: PointObject) -> None:
        stored = self.stored.get(point.key)
        if stored is not None and stored.metadata.uid == point.uid:
            self.meets("before an object goes")
            await self.delete(stored)
            self.meets("after an object has gone")

    async def drop(self, key: ObjectKey, run_id: RunId) -> None:
        stored = self.stored.get(key)
        if stored is not None and stored.spec.run_id == run_id:
            self.meets("before an object goes")
            await self.delete(stored)
            self.meets("after an object has gone")

    async def say_kept(self, key: ObjectKey, run_id: RunId, kept: Kept) -> None:
        stored = self.stored.get(key)
        if stored is not None and stored.spec.run_id == run_id:
            await self.show(outline_of(stored), kept)

    async def ensure(self, point: RecoveryPoint) -> None:
        stored = await self.create(point)
        status = stored.status if stored.status.conditions else point.status
        size, kept = amount(point.spec.size_bytes), amount(point.spec.stored_bytes)
        await self.write_status(replace(stored, status=replace(status, size=size, stored=kept)))
