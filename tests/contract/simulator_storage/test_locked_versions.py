"""Version-level immutability: what the SDK, and our store, meet where it is on and where not."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import (
    BlobClient,
    BlobSasPermissions,
    ContainerClient,
    ImmutabilityPolicy,
    generate_blob_sas,
)

from azure_simulator.resources import Resource
from tests.contract.ports.store_facts import LockingStoreFacts, LocklessStoreFacts, StoreFacts
from tests.contract.simulator_storage.cloud import (
    ACCOUNT,
    SUBSCRIPTION,
    WORM,
    WORM_ID,
    Cloud,
    Principal,
    reason_of,
)
from vmbackup_core.stores.azure_blob import AzureBlobStore
from vmbackup_core.stores.port import CredentialsRefused, ObjectLock, Store

pytestmark = pytest.mark.azurite

_BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
LOCKED = (409, "BlobImmutableDueToPolicy")


def new_container(cloud: Cloud, account: str) -> ContainerClient:
    name = uuid.uuid4().hex
    cloud.run(cloud.accounts.create_container(account, name))
    url = f"https://{account}.blob.core.windows.net"
    return ContainerClient(url, name, cloud.keys[account], **cloud.options)


@pytest.fixture
def container(worm_cloud: Cloud) -> Iterator[ContainerClient]:
    with new_container(worm_cloud, WORM) as client:
        yield client


class TestStoreOfAnAccountWithVersions(LockingStoreFacts):
    @pytest.fixture
    def store(self, container: ContainerClient) -> Store:
        return AzureBlobStore(container)


class TestStoreOfAnAccountWithout(LocklessStoreFacts):
    @pytest.fixture
    def store(self, cloud: Cloud) -> Iterator[Store]:
        with new_container(cloud, ACCOUNT) as client:
            yield AzureBlobStore(client)


class TestStoreBehindTheFront(StoreFacts):
    @pytest.fixture
    def store(self, cloud: Cloud) -> Iterator[Store]:
        with new_container(cloud, ACCOUNT) as client:
            yield AzureBlobStore(client)


def in_days(days: float) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)


def locked(blob: BlobClient, days: float, mode: str = "Locked") -> None:
    blob.set_immutability_policy(ImmutabilityPolicy(expiry_time=in_days(days), policy_mode=mode))


def refusal(attempt: object) -> tuple[int | None, str]:
    with pytest.raises(HttpResponseError) as refused:
        attempt()  # type: ignore[operator]  # the callable that fails
    return refused.value.status_code, reason_of(refused.value)


def test_what_is_locked_is_neither_deleted_nor_shortened_nor_unlocked(
    container: ContainerClient,
) -> None:
    blob = container.get_blob_client("m")
    blob.upload_blob(b"ours")
    locked(blob, 10)

    refused = [
        refusal(lambda: blob.delete_blob(delete_snapshots="include")),
        refusal(lambda: locked(blob, 5)),
        refusal(lambda: locked(blob, 20, "Unlocked")),
        refusal(blob.delete_immutability_policy),
        refusal(lambda: blob.set_blob_metadata({"a": "b"})),
        refusal(container.delete_container),
    ]

    assert refused == [LOCKED] * 6
    assert blob.download_blob().readall() == b"ours"


def test_what_is_replaced_stays_locked_and_readable_behind_it(container: ContainerClient) -> None:
    blob = container.get_blob_client("m")
    blob.upload_blob(b"ours, the first")
    first = blob.get_blob_properties().version_id
    locked(blob, 10)

    blob.upload_blob(b"junk", overwrite=True)
    blob.delete_blob()

    with pytest.raises(ResourceNotFoundError):
        blob.get_blob_properties()
    assert [each.name for each in container.list_blobs()] == []
    listed = list(container.list_blobs(include=["versions", "immutabilitypolicy"]))
    assert [each.size for each in listed] == [15, 4]
    assert listed[0].immutability_policy.policy_mode == "Locked"
    assert blob.download_blob(version_id=first).readall() == b"ours, the first"
    assert blob.download_blob(offset=6, length=3, version_id=first).readall() == b"the"
    assert refusal(lambda: blob.delete_blob(version_id=first)) == LOCKED
    assert list(AzureBlobStore(container).versions("m", most=100)) == [b"ours, the first", b"junk"]


def test_what_is_unlocked_is_refused_too_until_somebody_takes_the_policy_off(
    container: ContainerClient,
) -> None:
    blob = container.get_blob_client("m")
    blob.upload_blob(b"x")
    locked(blob, 10, "Unlocked")
    listed = list(AzureBlobStore(container).locks(""))

    assert refusal(blob.delete_blob) == LOCKED
    locked(blob, 5, "Unlocked")
    blob.delete_immutability_policy()
    blob.delete_blob()

    assert listed == [ObjectLock("m", None)]  # it is no lock of ours


@pytest.mark.parametrize("days", [-1.0, 146_001.0])
def test_a_moment_that_cannot_be_is_refused(container: ContainerClient, days: float) -> None:
    blob = container.get_blob_client("m")
    blob.upload_blob(b"x")

    assert refusal(lambda: locked(blob, days)) == (400, "InvalidHeaderValue")


def test_a_name_that_is_taken_gets_no_second_version_by_a_put_of_ours(
    container: ContainerClient,
) -> None:
    store = AzureBlobStore(container)
    store.put_new("k/1", b"first")
    store.delete("k/1")
    store.put_new("k/1", b"second")

    assert list(store.versions("k/1", most=100)) == [b"first"]
    assert store.get("k/1") == b"second"


def somebody_who_may(cloud: Cloud, *actions: str) -> Principal:
    somebody = Principal(cloud.identities)
    definition = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{uuid.uuid4()}"
    permission = {"dataActions": [f"{_BLOBS}/{each}" for each in actions]}
    cloud.resources.put(Resource(definition, {"properties": {"permissions": [permission]}}))
    properties = {"principalId": somebody.object_id, "roleDefinitionId": definition}
    assignment = f"{WORM_ID}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
    cloud.resources.put(Resource(assignment, {"properties": properties}))
    return somebody


LOCKS = "immutableStorage/runAsSuperUser/action"


def test_to_lock_takes_an_action_of_its_own(worm_cloud: Cloud, container: ContainerClient) -> None:
    container.upload_blob("m", b"x")
    without = somebody_who_may(worm_cloud, "read", "add/action", "delete", "write")
    with_it = somebody_who_may(worm_cloud, "read", LOCKS)
    stores = [
        AzureBlobStore(
            ContainerClient(
                f"https://{WORM}.blob.core.windows.net",
                container.container_name,
                each,
                **worm_cloud.options,
            )
        )
        for each in (without, with_it)
    ]

    with pytest.raises(CredentialsRefused, match="AuthorizationPermissionMismatch"):
        stores[0].lock_until("m", in_days(3))
    stores[1].lock_until("m", in_days(3))

    assert next(stores[1].locks("m")).until is not None


def by_sas(cloud: Cloud, container: ContainerClient, letters: str) -> BlobClient:
    sas = generate_blob_sas(
        WORM,
        container.container_name,
        "m",
        account_key=cloud.keys[WORM],
        permission=BlobSasPermissions.from_string(letters),
        expiry=in_days(1),
        version="2026-06-06",
    )
    url = f"https://{WORM}.blob.core.windows.net/{container.container_name}/m?{sas}"
    return BlobClient.from_blob_url(url, **cloud.options)


def test_a_sas_locks_by_its_own_letter_alone(worm_cloud: Cloud, container: ContainerClient) -> None:
    container.upload_blob("m", b"x")

    with by_sas(worm_cloud, container, "rwdx") as blob:
        assert refusal(lambda: locked(blob, 3)) == (403, "AuthorizationPermissionMismatch")
    with by_sas(worm_cloud, container, "i") as blob:
        locked(blob, 3)

    assert container.get_blob_client("m").get_blob_properties().immutability_policy.expiry_time


def test_a_version_takes_its_own_right_to_delete(
    worm_cloud: Cloud, container: ContainerClient
) -> None:
    blob = container.get_blob_client("m")
    first = blob.upload_blob(b"x")["version_id"]
    blob.upload_blob(b"y", overwrite=True)
    deleter = somebody_who_may(worm_cloud, "read", "delete")
    url = f"https://{WORM}.blob.core.windows.net"

    with ContainerClient(url, container.container_name, deleter, **worm_cloud.options) as client:
        refused = refusal(lambda: client.get_blob_client("m").delete_blob(version_id=first))
        client.delete_blob("m")
    blob.delete_blob(version_id=first)

    assert refused == (403, "AuthorizationPermissionMismatch")
    assert len(list(container.list_blobs(include=["versions"]))) == 1
