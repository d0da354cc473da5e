"""A repository that locks what counts, in Azure, with the operator's own rights and no others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from azure.core.exceptions import AzureError
from azure.storage.blob import ContainerClient, ImmutabilityPolicy
from msgspec.structs import replace

from tests.contract.azure_services.cloud import APPLIANCE, Cloud
from tests.contract.azure_services.test_azure_services_repositories import (
    KEY,
    make_container,
    repository,
    secrets,
)
from tests.contract.ports.point_facts import PointPlace, settled
from tests.worlds.memory_points import written_by_a_worker
from tools import azure_roles
from tools.local_cloud import seed
from vmbackup_core.clock import SystemClock
from vmbackup_core.errors import PermanentError
from vmbackup_core.repository.control.backup.preparing import PreparedDisk
from vmbackup_core.repository.opened import OpenedRepository
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.stores.azure_blob import container_client
from vmbackup_core.stores.azure_errors import code_of
from vmbackup_operator.model.backup_repository import BackupRepository, Immutability
from vmbackup_operator.naming import control_container
from vmbackup_operator.repositories.ports import RepositorySeen
from vmbackup_operator.services.credentials import ca_file, synchronous_credential
from vmbackup_operator.services.opened_repositories import OpenedRepositories
from vmbackup_operator.services.repositories import StoredPoints, StoredRepositories
from vmbackup_operator.services.repository_stores import RepositoryStores
from vmbackup_operator.sessions.seen import DiskWritten

VERSION = "2023-05-01"
LOCKED = "locked-backups"
SERVICE = f"{seed.REPOSITORY_ACCOUNT_ID}/blobServices/default"


def locking(container: str) -> BackupRepository:
    plain = repository(container)
    return replace(plain, spec=replace(plain.spec, immutability=Immutability(10)))


def wanted() -> datetime:
    """Return until when the point is to be kept."""
    return datetime.now(UTC) + timedelta(days=14)


@pytest.fixture(scope="module")
def account(cloud: Cloud) -> Iterator[Cloud]:
    """The repository's account keeping versions, with two containers that can lock them."""
    cloud.azure.arm(SERVICE, VERSION, {"properties": {"isVersioningEnabled": True}})
    for name in (LOCKED, control_container(LOCKED)):
        properties = {"immutableStorageWithVersioning": {"enabled": True}}
        cloud.azure.arm(f"{SERVICE}/containers/{name}", VERSION, {"properties": properties})
    yield cloud
    cloud.azure.arm(SERVICE, VERSION, {"properties": {"isVersioningEnabled": False}})


@pytest.fixture
def stores(account: Cloud) -> Iterator[RepositoryStores]:
    assert account.home.name
    made = RepositoryStores(synchronous_credential())
    yield made
    made.close()


@pytest.fixture
def opened(stores: RepositoryStores) -> OpenedRepositories:
    return OpenedRepositories(stores, APPLIANCE, SystemClock())


def give_role(cloud: Cloud) -> None:
    """Give the operator the role for locks, as the documented command does."""
    settings = seed.example_settings()
    scope = seed.REPOSITORY_ACCOUNT_ID
    for put in (
        azure_roles.define(settings, azure_roles.LOCKS, [scope]),
        azure_roles.assign(settings, azure_roles.LOCKS, scope, seed.OPERATOR_OBJECT_ID),
    ):
        cloud.azure.arm(put.id, put.api_version, put.body)


async def refusal(opening: StoredRepositories, container: str) -> PermanentError:
    with pytest.raises(PermanentError) as refused:
        await settled(lambda: opening.open_or_begin(locking(container), KEY))
    return refused.value


async def begun(opening: StoredRepositories) -> RepositorySeen:
    """Open the repository once the role counts."""
    for _ in range(60):
        try:
            return await settled(lambda: opening.open_or_begin(locking(LOCKED), KEY))
        except PermanentError as error:
            assert error.reason == "NotAuthorized"  # noqa: PT017 - until it counts
            await asyncio.sleep(0.5)
    raise AssertionError("the role never counts")


def names_and_bytes(places: Places) -> dict[tuple[str, str], bytes]:
    return {
        (place, each.name): store.get(each.name)
        for place, store in (("data", places.data), ("control", places.control))
        for each in store.list("")
    }


def attempts(client: ContainerClient, name: str) -> list[Callable[[], object]]:
    """Return what somebody with the operator's identity would try against a blob."""
    blob = client.get_blob_client(name)
    soon = ImmutabilityPolicy(
        expiry_time=datetime.now(UTC) + timedelta(hours=1), policy_mode="Locked"
    )
    unlocked = ImmutabilityPolicy(
        expiry_time=datetime.now(UTC) + timedelta(days=90), policy_mode="Unlocked"
    )
    return [
        lambda: blob.set_immutability_policy(soon),
        lambda: blob.set_immutability_policy(unlocked),
        blob.delete_immutability_policy,
        lambda: blob.set_blob_metadata({"a": "b"}),
        lambda: blob.delete_blob(delete_snapshots="include"),
        lambda: blob.upload_blob(b"ransom", overwrite=True),
    ]


def attack(container: str) -> set[str]:
    """Try everything against every blob; return Azure's answers, empty for what was done."""
    answers = set()
    url = f"https://{seed.REPOSITORY_ACCOUNT_ID.rsplit('/', 1)[1]}.blob.core.windows.net"
    credential = synchronous_credential()
    with container_client(f"{url}/{container}", credential, ca_file=ca_file()) as client:
        for each in list(client.list_blobs()):
            for attempt in attempts(client, each.name):
                answers.add(answer_to(attempt))
    return answers


def answer_to(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except AzureError as error:
        return code_of(error)
    return ""


async def test_a_point_of_a_repository_that_locks_outlives_who_has_the_operators_rights(
    account: Cloud, stores: RepositoryStores, opened: OpenedRepositories
) -> None:
    opening = StoredRepositories(opened)
    points = StoredPoints(opened, secrets(), APPLIANCE)
    make_container(account, "not-locked")
    without_role = await refusal(opening, LOCKED)
    give_role(account)
    await begun(opening)
    not_made_for_it = await refusal(opening, "not-locked")

    async def write(prepared: PreparedDisk) -> DiskWritten:
        written = await stores.ask(
            locking(LOCKED),
            lambda places: written_by_a_worker(places.data, prepared.keys, prepared.grant),
        )
        return DiskWritten(written.manifest, written.sha256)

    place = PointPlace(points, locking(LOCKED), write, wanted())
    point = await place.committed()
    await place.record(point)
    before = await stores.ask(locking(LOCKED), names_and_bytes)
    answers = [
        await asyncio.to_thread(attack, container)
        for container in (LOCKED, control_container(LOCKED))
    ]

    def judged(repository: OpenedRepository) -> tuple[list[str], int]:
        report = repository.check(read_data=True)
        return [each.found for each in report.findings], report.points

    assert (without_role.reason, not_made_for_it.reason) == (
        "NotAuthorized",
        "ImmutabilityNotSupported",
    )
    assert control_container("not-locked") in str(not_made_for_it)
    assert len(before) > 10
    refused = {"BlobImmutableDueToPolicy", "AuthorizationPermissionMismatch"}
    assert all(each <= refused | {"UnauthorizedBlobOverwrite"} for each in answers)
    assert all("BlobImmutableDueToPolicy" in each for each in answers)
    assert await stores.ask(locking(LOCKED), names_and_bytes) == before
    assert await settled(lambda: opened.use(locking(LOCKED), KEY, "judge", judged)) == ([], 1)
    assert await place.find(point.run_id) is not None
