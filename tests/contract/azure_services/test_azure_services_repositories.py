"""Repositories behind their objects, in an account that only endpoints lead to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.azure_services.cloud import APPLIANCE, Cloud
from tests.contract.ports.point_facts import PointFacts, PointPlace
from tests.unit.repository.bench import MemoryDisk
from tests.worlds.memory_repositories import MemorySecrets
from tools.local_cloud import seed
from tools.local_cloud.administrator import SUBSCRIPTION
from vmbackup_core.clock import SystemClock
from vmbackup_core.errors import PermanentError
from vmbackup_core.extents import Extent
from vmbackup_core.ids import CommitSlot, DiskUniqueId, RunId, SnapshotUniqueId
from vmbackup_core.repository import RepositoryKey as CoreKey
from vmbackup_core.repository import back_up_disk, open_chain
from vmbackup_core.repository.keys import ChainKeys
from vmbackup_core.stores.port import Store
from vmbackup_operator.model.backup_repository import (
    BackupRepository,
    BackupRepositorySpec,
    EncryptionKey,
)
from vmbackup_operator.model.metadata import Metadata, ObjectKey
from vmbackup_operator.model.references import SecretKeyReference
from vmbackup_operator.repositories.ports import RepositoryKey
from vmbackup_operator.services.credentials import synchronous_credential
from vmbackup_operator.services.repositories import BlobRecoveryPoints, BlobRepositories
from vmbackup_operator.services.repository_stores import RepositoryStores
from vmbackup_operator.sessions.seen import ChainGrant

KEY = CoreKey.generate()
DISK = DiskUniqueId("0b2d7c1e-0000-4000-8000-000000000001")


def secrets() -> MemorySecrets:
    """Return the Secret with the repository's key, and one that holds none."""
    held = MemorySecrets()
    held.keep(ObjectKey("vmbackup", "repository"), {"key": KEY.text.encode()})
    held.keep(ObjectKey("vmbackup", "unreadable"), {"key": b"\xff\xfe"})
    return held


def repository(container: str, key_in: str = "repository") -> BackupRepository:
    return BackupRepository(
        metadata=Metadata(name="r", namespace="vmbackup"),
        spec=BackupRepositorySpec(
            storage_account_id=seed.REPOSITORY_ACCOUNT_ID,
            container=container,
            subscription_id=SUBSCRIPTION,
            region=seed.HOME_REGION,
            encryption_key=EncryptionKey(SecretKeyReference(key_in, "key")),
        ),
    )


@pytest.fixture
def stores(cloud: Cloud) -> Iterator[RepositoryStores]:
    assert cloud.home.name
    made = RepositoryStores(synchronous_credential())
    yield made
    made.close()


@pytest.fixture
def opening(stores: RepositoryStores) -> BlobRepositories:
    return BlobRepositories(stores, APPLIANCE, SystemClock())


@pytest.fixture
def points(stores: RepositoryStores) -> BlobRecoveryPoints:
    return BlobRecoveryPoints(stores, secrets(), APPLIANCE)


async def test_an_empty_container_becomes_the_appliances_and_is_found_again(
    opening: BlobRepositories,
) -> None:
    key = RepositoryKey(KEY.secret)

    begun = await opening.open_or_begin(repository(seed.REPOSITORY_CONTAINER), key)
    again = await opening.open_or_begin(repository(seed.REPOSITORY_CONTAINER), key)

    assert begun == again
    assert (begun.appliance_id, begun.recovery_points) == (APPLIANCE, 0)
    assert begun.key_fingerprint == KEY.fingerprint


async def test_another_key_is_refused_with_both_fingerprints(opening: BlobRepositories) -> None:
    await opening.open_or_begin(repository(seed.REPOSITORY_CONTAINER), RepositoryKey(KEY.secret))
    other = CoreKey.generate()

    with pytest.raises(PermanentError, match=other.fingerprint) as refused:
        await opening.open_or_begin(
            repository(seed.REPOSITORY_CONTAINER), RepositoryKey(other.secret)
        )

    assert refused.value.reason == "KeyMismatch"
    assert KEY.fingerprint in str(refused.value)


async def test_a_container_that_is_not_there_is_said_so(opening: BlobRepositories) -> None:
    with pytest.raises(PermanentError, match="no container nowhere: create it") as refused:
        await opening.open_or_begin(repository("nowhere"), RepositoryKey(KEY.secret))

    assert refused.value.reason == "ContainerNotFound"


async def test_a_container_with_something_else_in_it_is_left_alone(
    cloud: Cloud, opening: BlobRepositories, stores: RepositoryStores
) -> None:
    version = "2023-05-01"
    containers = f"{seed.REPOSITORY_ACCOUNT_ID}/blobServices/default/containers"
    cloud.azure.arm(f"{containers}/photos", version, {"properties": {"publicAccess": "None"}})
    await stores.read(repository("photos"), lambda store: store.put_new("cat.jpg", b"meow"))

    with pytest.raises(PermanentError, match=r"cat\.jpg") as refused:
        await opening.open_or_begin(repository("photos"), RepositoryKey(KEY.secret))

    assert refused.value.reason == "NotARepository"


async def test_a_disks_chain_is_granted_without_the_repositorys_key(
    opening: BlobRepositories, points: BlobRecoveryPoints
) -> None:
    await opening.open_or_begin(repository(seed.REPOSITORY_CONTAINER), RepositoryKey(KEY.secret))

    granted = await points.open_chains(repository(seed.REPOSITORY_CONTAINER), [DISK])

    grant = granted[DISK]
    assert ChainKeys.parse(grant.keys).secret != KEY.secret
    assert grant.block_bytes == 256 * 1024
    assert KEY.text not in repr(grant)


async def test_a_run_that_stored_nothing_has_no_point(
    opening: BlobRepositories, points: BlobRecoveryPoints
) -> None:
    await opening.open_or_begin(repository(seed.REPOSITORY_CONTAINER), RepositoryKey(KEY.secret))

    found = await points.find(repository(seed.REPOSITORY_CONTAINER), RunId("0" * 32))

    assert found is None


@pytest.mark.parametrize(
    ("secret", "reason"), [("missing", "SecretNotFound"), ("unreadable", "InvalidKey")]
)
async def test_a_key_that_cannot_be_read_is_said_so(
    points: BlobRecoveryPoints, secret: str, reason: str
) -> None:
    with pytest.raises(PermanentError, match=f"vmbackup/{secret}") as refused:
        await points.find(repository(seed.REPOSITORY_CONTAINER, secret), RunId("0" * 32))

    assert refused.value.reason == reason


async def test_another_appliances_repository_is_read_only(
    opening: BlobRepositories, stores: RepositoryStores
) -> None:
    await opening.open_or_begin(repository(seed.REPOSITORY_CONTAINER), RepositoryKey(KEY.secret))
    foreign = BlobRecoveryPoints(stores, secrets(), "fabrikam")

    with pytest.raises(PermanentError) as refused:
        await foreign.open_chains(repository(seed.REPOSITORY_CONTAINER), [DISK])

    assert refused.value.reason == "ClaimedByOtherAppliance"


class TestBlobRecoveryPoints(PointFacts):
    @pytest.fixture
    async def place(
        self, opening: BlobRepositories, points: BlobRecoveryPoints, stores: RepositoryStores
    ) -> PointPlace:
        where = repository(seed.REPOSITORY_CONTAINER)
        await opening.open_or_begin(where, RepositoryKey(KEY.secret))

        async def commit(
            grant: ChainGrant, run: RunId, moment: SnapshotUniqueId
        ) -> tuple[CommitSlot, str]:
            def work(store: Store) -> tuple[CommitSlot, str]:
                keys = ChainKeys.parse(grant.keys)
                committed = back_up_disk(
                    open_chain(store, grant.chain_id, keys, run_id=run),
                    MemoryDisk(bytes(1 << 20)),
                    run_id=run,
                    snapshot=moment,
                    disk_bytes=1 << 20,
                    extents=[Extent(0, 1 << 20)],
                    base=None,
                )
                return committed.slot, committed.commit_digest

            return await stores.read(where, work)

        return PointPlace(points, where, commit)
