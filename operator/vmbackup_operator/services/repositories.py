"""Repositories behind their objects: opened with the key of their Secret."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from typing_extensions import override

from vmbackup_core.clock import Clock
from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import DiskUniqueId, RunId
from vmbackup_core.repository import (
    ChainParameters,
    KeyMismatch,
    NotInitialised,
    RecoveryPoint,
    RecoveryPointDisk,
    Repository,
    initialise,
    open_repository,
)
from vmbackup_core.repository import RepositoryKey as CoreKey
from vmbackup_core.repository.chain import find_chain
from vmbackup_core.repository.envelope import MAJOR
from vmbackup_core.repository.keys import KEY_BYTES
from vmbackup_core.repository.points import runs_with_point
from vmbackup_core.stores.port import Store
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.naming import ArmId
from vmbackup_operator.repositories.ports import (
    OpenRepositories,
    RepositoryKey,
    RepositorySeen,
    Secrets,
)
from vmbackup_operator.services.repository_stores import RepositoryStores
from vmbackup_operator.sessions.ports import RecoveryPoints
from vmbackup_operator.sessions.seen import ChainGrant, PointDisk, PointSeen, PointWanted


class BlobRepositories(OpenRepositories):
    """Opens repositories, and begins those whose container is empty."""

    def __init__(self, stores: RepositoryStores, appliance_id: str, clock: Clock) -> None:
        self._stores = stores
        self._appliance_id = appliance_id
        self._clock = clock

    @override
    async def open_or_begin(
        self, repository: BackupRepository, key: RepositoryKey
    ) -> RepositorySeen:
        def work(store: Store) -> RepositorySeen:
            return self._open_or_begin(store, CoreKey(key.secret), repository.spec.container)

        try:
            return await self._stores.read(repository, work)
        except KeyMismatch as error:
            reference = repository.spec.encryption_key.secret_ref
            raise PermanentError(
                f"Secret {repository.metadata.namespace}/{reference.name} holds another key than"
                f" container {repository.spec.container}: {error}",
                reason=error.reason,
            ) from error

    def _open_or_begin(self, store: Store, key: CoreKey, container: str) -> RepositorySeen:
        try:
            opened = open_repository(store, key)
        except NotInitialised:
            first = next(iter(store.list("")), None)
            if first is not None:
                raise PermanentError(
                    f"container {container} holds {first.name}, but no repository",
                    reason="NotARepository",
                ) from None
            opened = initialise(store, key, appliance_id=self._appliance_id, clock=self._clock)
        return RepositorySeen(
            id=opened.repository_id,
            appliance_id=opened.appliance_id,
            key_fingerprint=key.fingerprint,
            format_version=MAJOR,
            recovery_points=sum(1 for _ in runs_with_point(store)),
        )


class BlobRecoveryPoints(RecoveryPoints):
    """The recovery points of repositories, and what writing into their chains takes."""

    def __init__(self, stores: RepositoryStores, secrets: Secrets, appliance_id: str) -> None:
        self._stores = stores
        self._secrets = secrets
        self._appliance_id = appliance_id

    @override
    async def find(self, repository: BackupRepository, run_id: RunId) -> PointSeen | None:
        key = await self._key(repository)

        def work(store: Store) -> PointSeen | None:
            found = open_repository(store, key).find_point(run_id)
            return None if found is None else _seen(found)

        return await self._stores.read(repository, work)

    @override
    async def open_chains(
        self, repository: BackupRepository, disks: Sequence[DiskUniqueId]
    ) -> Mapping[DiskUniqueId, ChainGrant]:
        key = await self._key(repository)

        def work(store: Store) -> dict[DiskUniqueId, ChainGrant]:
            opened = self._ours(open_repository(store, key))
            return {disk: _grant(store, opened, disk) for disk in disks}

        return await self._stores.read(repository, work)

    @override
    async def record(self, repository: BackupRepository, point: PointWanted) -> None:
        key = await self._key(repository)

        def work(store: Store) -> None:
            opened = self._ours(open_repository(store, key))
            opened.record_point(recorded(point, self._appliance_id))

        await self._stores.read(repository, work)

    def _ours(self, opened: Repository) -> Repository:
        if opened.appliance_id != self._appliance_id:
            raise PermanentError(
                f"the repository belongs to appliance {opened.appliance_id} and is read-only here",
                reason="ClaimedByOtherAppliance",
            )
        return opened

    async def _key(self, repository: BackupRepository) -> CoreKey:
        reference = repository.spec.encryption_key.secret_ref
        where = ObjectKey(repository.metadata.namespace, reference.name)
        values = await self._secrets.find(where)
        if values is None or reference.key not in values:
            raise PermanentError(
                f"Secret {where} with the key {reference.key} does not exist",
                reason="SecretNotFound",
            )
        value = values[reference.key]
        if len(value) == KEY_BYTES:
            return CoreKey(value)
        try:
            return CoreKey.parse(value.decode("ascii"))
        except UnicodeDecodeError:
            raise PermanentError(
                f"{reference.key} of Secret {where} is no text", reason="InvalidKey"
            ) from None
        except PermanentError as error:
            message = f"{reference.key} of Secret {where}: {error}"
            raise PermanentError(message, reason=error.reason) from error


def recorded(point: PointWanted, appliance_id: str) -> RecoveryPoint:
    """Return the manifest that says all of *point*."""
    policy = point.policy
    return RecoveryPoint(
        run_id=point.run_id,
        appliance_id=appliance_id,
        vm_id=point.virtual_machine_id,
        vm_name=point.virtual_machine_name,
        vm_region=point.virtual_machine_region,
        vm_description=point.description,
        created_at=point.created_at,
        policy_namespace="" if policy is None else policy.namespace,
        policy_name="" if policy is None else policy.name,
        retention=msgspec.json.encode(point.retention).decode(),
        kind=point.kind,
        disks=tuple(_manifest_line(disk) for disk in point.disks),
    )


def _manifest_line(disk: PointDisk) -> RecoveryPointDisk:
    return RecoveryPointDisk(
        disk_id=disk.disk_id,
        name=disk.name,
        lun=disk.lun,
        size_bytes=disk.size_bytes,
        unique_id=disk.unique_id,
        chain_id=disk.chain_id,
        slot=disk.slot,
        commit_digest=disk.commit_digest,
        snapshot_id=disk.snapshot_id,
        snapshot_unique_id=disk.snapshot_unique_id,
        read_bytes=disk.read_bytes,
        stored_bytes=disk.stored_bytes,
    )


def _seen(point: RecoveryPoint) -> PointSeen:
    return PointSeen(
        run_id=point.run_id,
        created_at=point.created_at,
        virtual_machine_id=ArmId(point.vm_id),
        virtual_machine_name=point.vm_name,
        virtual_machine_region=point.vm_region,
        policy_name=point.policy_name,
        disks=tuple(
            PointDisk(
                disk_id=ArmId(disk.disk_id),
                name=disk.name,
                unique_id=disk.unique_id,
                lun=disk.lun,
                size_bytes=disk.size_bytes,
                chain_id=disk.chain_id,
                slot=disk.slot,
                commit_digest=disk.commit_digest,
                read_bytes=disk.read_bytes,
                stored_bytes=disk.stored_bytes,
                snapshot_id=ArmId(disk.snapshot_id),
                snapshot_unique_id=disk.snapshot_unique_id,
            )
            for disk in point.disks
        ),
    )


def _grant(store: Store, opened: Repository, disk: DiskUniqueId) -> ChainGrant:
    chain_id = opened.chain_id(disk)
    keys = opened.chain_keys(chain_id)
    chain = find_chain(store, chain_id, keys)
    parameters = ChainParameters() if chain is None else chain.parameters
    return ChainGrant(chain_id, keys.text, parameters.block_bytes)
