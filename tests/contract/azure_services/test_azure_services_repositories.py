"""Repositories behind their objects, in an account that only endpoints lead to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from tests.contract.azure_services.cloud import APPLIANCE, Cloud
from tests.contract.ports.point_facts import PointFacts, PointPlace, a_disk, settled
from tests.contract.ports.upkeep_facts import UpkeepFacts, UpkeepPlace
from tests.contract.ports.verification_facts import VerificationFacts, VerificationPlace
from tests.worlds.memory_points import written_by_a_worker
from tests.worlds.memory_repositories import MemorySecrets
from tools.local_cloud import seed
from tools.local_cloud.administrator import SUBSCRIPTION
from vmbackup_core.clock import SystemClock
from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import RunId
from vmbackup_core.repository.control.backup.preparing import PreparedDisk
from vmbackup_core.repository.opened import OpenedRepository
from vmbackup_core.repository.primitives.names import FIRST_EPOCH, log_name, point_name
from vmbackup_core.repository.primitives.user_key import UserKey
from vmbackup_operator.model.backup_repository import (
    BackupRepository,
    BackupRepositorySpec,
    BackupRepositoryStatus,
    EncryptionKey,
    LogHead,
)
from vmbackup_operator.model.metadata import Metadata, ObjectKey
from vmbackup_operator.model.references import SecretKeyReference
from vmbackup_operator.naming import ArmId, control_container
from vmbackup_operator.repositories.ports import RepositorySeen
from vmbackup_operator.services.credentials import synchronous_credential
from vmbackup_operator.services.fence import open_fence
from vmbackup_operator.services.opened_repositories import OpenedRepositories
from vmbackup_operator.services.repositories import StoredPoints, StoredRepositories
from vmbackup_operator.services.repository_stores import RepositoryStores
from vmbackup_operator.services.upkeep_jobs import RepositoryUpkeep
from vmbackup_operator.services.verification import StoredVerifications
from vmbackup_operator.sessions.seen import DiskWritten

KEY = UserKey.draw()
NO_RUN = RunId("0" * 32)
NO_VM = ArmId("/subscriptions/s")


def secrets() -> MemorySecrets:
    """Return the Secret with the repository's key, and one that holds none."""
    held = MemorySecrets()
    held.keep(ObjectKey("vmbackup", "repository"), {"key": KEY.secret.hex().encode()})
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


HERE = repository(seed.REPOSITORY_CONTAINER)


@pytest.fixture
def stores(cloud: Cloud) -> Iterator[RepositoryStores]:
    assert cloud.home.name
    made = RepositoryStores(synchronous_credential())
    yield made
    made.close()


@pytest.fixture
def opened(stores: RepositoryStores) -> OpenedRepositories:
    return OpenedRepositories(stores, APPLIANCE, SystemClock())


@pytest.fixture
def opening(opened: OpenedRepositories) -> StoredRepositories:
    return StoredRepositories(opened)


@pytest.fixture
def points(opened: OpenedRepositories) -> StoredPoints:
    return StoredPoints(opened, secrets(), APPLIANCE)


async def begun(opening: StoredRepositories, key: UserKey = KEY) -> RepositorySeen:
    return await settled(lambda: opening.open_or_begin(HERE, key))


def make_container(cloud: Cloud, name: str) -> None:
    containers = f"{seed.REPOSITORY_ACCOUNT_ID}/blobServices/default/containers"
    cloud.azure.arm(f"{containers}/{name}", "2023-05-01", {"properties": {"publicAccess": "None"}})


async def test_an_empty_container_becomes_the_appliances_and_is_found_again(
    opening: StoredRepositories,
) -> None:
    first = await begun(opening)
    again = await begun(opening)

    assert first == again
    assert (first.owner, first.recovery_points) == (APPLIANCE, 0)
    assert first.key_fingerprint == KEY.fingerprint
    assert first.log is not None


async def test_another_key_is_refused_with_both_fingerprints(opening: StoredRepositories) -> None:
    await begun(opening)
    other = UserKey.draw()

    with pytest.raises(PermanentError, match=other.fingerprint) as refused:
        await begun(opening, other)

    assert refused.value.reason == "KeyMismatch"
    assert KEY.fingerprint in str(refused.value)


async def test_a_container_that_is_not_there_is_said_so(opening: StoredRepositories) -> None:
    with pytest.raises(PermanentError, match="no container nowhere: create it") as refused:
        await settled(lambda: opening.open_or_begin(repository("nowhere"), KEY))

    assert refused.value.reason == "ContainerNotFound"


async def test_the_container_beside_is_made_once_and_missed_where_it_was(
    cloud: Cloud, opening: StoredRepositories, stores: RepositoryStores
) -> None:
    make_container(cloud, "bare")
    bare = repository("bare")
    seen = await settled(lambda: opening.open_or_begin(bare, KEY))
    await stores.make_control(bare)
    missing = repository("vm-backups-2")
    make_container(cloud, "vm-backups-2")
    known = replace(missing, status=BackupRepositoryStatus(repository_id=seen.id))

    with pytest.raises(PermanentError, match=control_container("vm-backups-2")) as refused:
        await settled(lambda: opening.open_or_begin(known, KEY))

    assert seen.owner == APPLIANCE
    assert refused.value.reason == "ControlContainerMissing"


async def test_a_container_with_something_else_beside_it_is_left_alone(
    cloud: Cloud, opening: StoredRepositories, stores: RepositoryStores
) -> None:
    make_container(cloud, "photos")
    make_container(cloud, control_container("photos"))
    await stores.ask(
        repository("photos"), lambda places: places.control.put_new("cat.jpg", b"meow")
    )

    with pytest.raises(PermanentError, match=r"cat\.jpg") as refused:
        await settled(lambda: opening.open_or_begin(repository("photos"), KEY))

    assert refused.value.reason == "ForeignObjects"


@pytest.mark.parametrize(
    ("secret", "reason"), [("missing", "SecretNotFound"), ("unreadable", "InvalidKey")]
)
async def test_a_key_that_cannot_be_read_is_said_so(
    points: StoredPoints, secret: str, reason: str
) -> None:
    where = repository(seed.REPOSITORY_CONTAINER, secret)

    with pytest.raises(PermanentError, match=f"vmbackup/{secret}") as refused:
        await points.find(where, NO_VM, NO_RUN)

    assert refused.value.reason == reason


async def test_another_appliances_repository_is_read_only(
    opening: StoredRepositories, stores: RepositoryStores
) -> None:
    await begun(opening)
    theirs = OpenedRepositories(stores, "fabrikam", SystemClock())
    foreign = StoredPoints(theirs, secrets(), "fabrikam")

    assert await settled(lambda: foreign.find(HERE, NO_VM, NO_RUN)) is None
    with pytest.raises(PermanentError) as refused:
        await settled(lambda: foreign.prepare(HERE, [a_disk()]))

    assert refused.value.reason == "ReadOnly"


@pytest.fixture
async def place(
    opening: StoredRepositories, points: StoredPoints, stores: RepositoryStores
) -> PointPlace:
    await begun(opening)

    async def write(prepared: PreparedDisk) -> DiskWritten:
        written = await stores.ask(
            HERE,
            lambda places: written_by_a_worker(places.data, prepared.keys, prepared.grant),
        )
        return DiskWritten(written.manifest, written.sha256)

    return PointPlace(points, HERE, write)


async def test_a_point_that_a_crash_has_cut_is_deleted_and_stored_anew(
    place: PointPlace, opened: OpenedRepositories, stores: RepositoryStores
) -> None:
    wanted = await place.committed()

    def name_of_point(repository: OpenedRepository) -> str:
        master = repository.log.control.ring.of(FIRST_EPOCH)
        return point_name(master.vm_name(wanted.virtual_machine_id), wanted.run_id)

    name = await settled(lambda: opened.use(HERE, KEY, "name", name_of_point))
    await stores.ask(HERE, lambda places: places.control.put_new(name, b"VMBK"))

    await place.record(wanted)

    assert await place.find(wanted.run_id) is not None


class TestStoredPoints(PointFacts):
    """*place* is the module's."""


class TestRepositoryUpkeep(UpkeepFacts):
    """Over a repository with a point, whose log is put back by its newest object."""

    @pytest.fixture
    async def upkeep_place(
        self, place: PointPlace, opened: OpenedRepositories, stores: RepositoryStores
    ) -> UpkeepPlace:
        await place.record(await place.committed())
        jobs = RepositoryUpkeep(opened, open_fence, SystemClock())

        async def newest() -> LogHead:
            def work(repository: OpenedRepository) -> LogHead:
                head = repository.head()
                assert head is not None
                return LogHead(head.number, head.sha256)

            return await settled(lambda: opened.use(HERE, KEY, "head", work))

        async def put_back() -> LogHead:
            number = (await newest()).number
            await stores.ask(HERE, lambda places: places.control.delete(log_name(number)))
            return await newest()

        return UpkeepPlace(jobs, HERE, KEY, put_back)


class TestStoredVerifications(VerificationFacts):
    @pytest.fixture
    def reading(self, place: PointPlace, opened: OpenedRepositories) -> VerificationPlace:
        return VerificationPlace(place, StoredVerifications(opened, secrets()))
