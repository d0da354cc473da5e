"""Blobs by token and key: the right ones work with the SDK, and nothing else does."""

from __future__ import annotations

import base64
import hashlib
import ssl
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import (
    BlobServiceClient,
    ContainerClient,
    ImmutabilityPolicy,
    RehydratePriority,
)
from azure.storage.blob.aio import ContainerClient as AsyncContainerClient

from azure_simulator.identities.directory import Identities
from azure_simulator.resources import Resources
from tests.contract.simulator_storage.cloud import (
    ACCOUNT,
    ACCOUNT_ID,
    KEYLESS,
    KEYLESS_ID,
    AsyncPrincipal,
    Cloud,
    Principal,
    headers_of,
    reason_of,
)

pytestmark = pytest.mark.azurite

URL = f"https://{ACCOUNT}.blob.core.windows.net"
KEYLESS_URL = f"https://{KEYLESS}.blob.core.windows.net"
CONTRIBUTOR, READER = "Storage Blob Data Contributor", "Storage Blob Data Reader"
MIB = 1024 * 1024


@pytest.fixture
def container(cloud: Cloud) -> Iterator[ContainerClient]:
    somebody = cloud.principal((CONTRIBUTOR, ACCOUNT_ID))
    with ContainerClient(URL, "data", somebody, **cloud.options) as client:
        yield client


def new_name() -> str:
    return str(uuid.uuid4())


def test_a_contributor_puts_reads_lists_and_deletes(container: ContainerClient) -> None:
    name = f"a folder/{uuid.uuid4()} ü+%&=.bin"

    container.upload_blob(name, b"content", metadata={"a_b": "1", "ab": "2"})
    assert container.download_blob(name).readall() == b"content"
    assert container.download_blob(name, offset=3, length=2).readall() == b"te"
    assert name in [blob.name for blob in container.list_blobs(name_starts_with="a folder/")]
    container.delete_blob(name)
    with pytest.raises(ResourceNotFoundError):
        container.download_blob(name)


async def test_the_asynchronous_sdk_works_the_same(cloud: Cloud) -> None:
    somebody = AsyncPrincipal(cloud.principal((CONTRIBUTOR, ACCOUNT_ID)))
    name = new_name()

    async with AsyncContainerClient(URL, "data", somebody, **cloud.options) as client:
        await client.upload_blob(name, b"content")
        stream = await client.download_blob(name)
        assert await stream.readall() == b"content"


def test_a_pack_is_put_whole_with_its_md5_and_recorded(
    cloud: Cloud, container: ContainerClient
) -> None:
    name = new_name()
    pack = bytearray(hashlib.sha256(b"pack").digest() * (MIB // 32) * 32)
    md5 = hashlib.md5(pack, usedforsecurity=False).digest()

    somebody = cloud.principal((CONTRIBUTOR, ACCOUNT_ID))
    options = {**cloud.options, "max_single_put_size": 64 * MIB}

    with ContainerClient(URL, "data", somebody, **options) as client:
        headers = {"Content-MD5": base64.b64encode(md5).decode()}
        client.upload_blob(name, bytes(pack), headers=headers)
    assert container.download_blob(name, max_concurrency=2).readall() == pack

    (entry,) = cloud.entries(object=name, operation="PutBlob")
    assert entry["received_bytes"] == 32 * MIB
    assert entry["detail"]["content_md5"] == base64.b64encode(md5).decode()
    assert entry["detail"]["container"] == "data"
    assert (entry["caller"], entry["status"]) == ("appliance", 201)
    read = cloud.entries(object=name, operation="GetBlob")
    assert sum(each["sent_bytes"] for each in read) == 32 * MIB


def test_put_if_absent_never_overwrites(container: ContainerClient) -> None:
    name = new_name()
    container.upload_blob(name, b"first", match_condition=MatchConditions.IfMissing)

    with pytest.raises(ResourceExistsError) as refused:
        container.upload_blob(name, b"second", match_condition=MatchConditions.IfMissing)

    assert reason_of(refused.value) == "BlobAlreadyExists"
    assert container.download_blob(name).readall() == b"first"


def test_a_reader_reads_and_does_not_write(cloud: Cloud, container: ContainerClient) -> None:
    name = new_name()
    container.upload_blob(name, b"content")
    reader = cloud.principal((READER, ACCOUNT_ID))

    with ContainerClient(URL, "data", reader, **cloud.options) as client:
        assert client.download_blob(name).readall() == b"content"
        for attempt in (
            lambda: client.upload_blob(new_name(), b"x"),
            lambda: client.delete_blob(name),
            lambda: client.get_blob_client(name).set_blob_metadata({"a": "b"}),
        ):
            with pytest.raises(HttpResponseError) as refused:
                attempt()
            assert refused.value.status_code == 403
            assert reason_of(refused.value) == "AuthorizationPermissionMismatch"


def test_a_role_at_one_container_is_no_role_at_another(cloud: Cloud) -> None:
    cloud.run(cloud.accounts.create_container(ACCOUNT, "other"))
    scope = f"{ACCOUNT_ID}/blobServices/default/containers/data"
    somebody = cloud.principal((CONTRIBUTOR, scope))

    with BlobServiceClient(URL, somebody, **cloud.options) as service:
        service.get_blob_client("data", new_name()).upload_blob(b"x")
        with pytest.raises(HttpResponseError) as refused:
            service.get_blob_client("other", new_name()).upload_blob(b"x")
        assert refused.value.status_code == 403
        with pytest.raises(HttpResponseError) as refused:
            list(service.list_containers())
        assert refused.value.status_code == 403


def test_an_owner_of_the_subscription_has_no_right_to_data(cloud: Cloud) -> None:
    owner = cloud.principal(("Owner", ACCOUNT_ID))
    cloud.identities.make_owner(owner.object_id)

    with (
        ContainerClient(URL, "data", owner, **cloud.options) as client,
        pytest.raises(HttpResponseError) as refused,
    ):
        client.upload_blob(new_name(), b"x")

    assert reason_of(refused.value) == "AuthorizationPermissionMismatch"


def foreign(cloud: Cloud) -> Principal:
    known = cloud.principal((CONTRIBUTOR, ACCOUNT_ID))
    return Principal(Identities(Resources(), cloud.identities.tenant_id), known.object_id)


def of_another_tenant(cloud: Cloud) -> Principal:
    known = cloud.principal((CONTRIBUTOR, ACCOUNT_ID))
    return Principal(Identities(Resources(), str(uuid.uuid4())), known.object_id)


def expired(cloud: Cloud) -> Principal:
    return cloud.principal((CONTRIBUTOR, ACCOUNT_ID), lifetime_s=-1)


def for_another_audience(cloud: Cloud) -> Principal:
    return cloud.principal((CONTRIBUTOR, ACCOUNT_ID), audience="https://management.azure.com")


@pytest.mark.parametrize("bad", [foreign, of_another_tenant, expired, for_another_audience])
def test_a_token_that_is_not_good_is_refused(
    cloud: Cloud, bad: Callable[[Cloud], Principal]
) -> None:
    with (
        ContainerClient(URL, "data", bad(cloud), **cloud.options) as client,
        pytest.raises(HttpResponseError) as refused,
    ):
        client.upload_blob(new_name(), b"x")

    assert refused.value.status_code == 401
    assert reason_of(refused.value) == "InvalidAuthenticationInfo"


def test_without_credentials_nothing_is_answered(cloud: Cloud) -> None:
    with (
        ContainerClient(URL, "data", **cloud.options) as client,
        pytest.raises(HttpResponseError) as refused,
    ):
        client.get_container_properties()

    assert refused.value.status_code == 401
    challenge = headers_of(refused.value)["WWW-Authenticate"]
    assert "resource_id=https://storage.azure.com" in challenge


def test_the_accounts_key_works_where_the_account_takes_it(cloud: Cloud) -> None:
    name = f"{uuid.uuid4()} ü"
    with BlobServiceClient(URL, cloud.keys[ACCOUNT], **cloud.options) as service:
        blob = service.get_blob_client("data", name)
        blob.upload_blob(b"content", metadata={"a_b": "1", "ab": "2", "a1": "3"})
        assert blob.download_blob().readall() == b"content"
        assert [each.name for each in service.list_containers(name_starts_with="da")] == ["data"]


def test_both_keys_that_arm_keeps_work_and_a_former_one_does_not(cloud: Cloud) -> None:
    account = cloud.resources.find(ACCOUNT_ID)
    assert account is not None
    second = base64.b64encode(bytes(64)).decode()

    account.hidden["keys"] = {"key1": base64.b64encode(b"new").decode(), "key2": second}
    try:
        with ContainerClient(URL, "data", second, **cloud.options) as client:
            client.upload_blob(new_name(), b"x")
        with (
            ContainerClient(URL, "data", cloud.keys[ACCOUNT], **cloud.options) as client,
            pytest.raises(HttpResponseError) as refused,
        ):
            client.upload_blob(new_name(), b"x")
    finally:
        del account.hidden["keys"]

    assert reason_of(refused.value) == "AuthenticationFailed"


def test_a_wrong_key_is_refused(cloud: Cloud) -> None:
    with (
        ContainerClient(URL, "data", cloud.keys[KEYLESS], **cloud.options) as client,
        pytest.raises(HttpResponseError) as refused,
    ):
        client.get_container_properties()

    assert refused.value.status_code == 403
    assert reason_of(refused.value) == "AuthenticationFailed"


def test_the_right_key_is_refused_where_the_account_takes_none(cloud: Cloud) -> None:
    with (
        ContainerClient(KEYLESS_URL, "data", cloud.keys[KEYLESS], **cloud.options) as client,
        pytest.raises(HttpResponseError) as refused,
    ):
        client.upload_blob(new_name(), b"x")

    assert refused.value.status_code == 403
    assert reason_of(refused.value) == "KeyBasedAuthenticationNotPermitted"


def test_an_account_without_key_takes_tokens(cloud: Cloud) -> None:
    somebody = cloud.principal((CONTRIBUTOR, KEYLESS_ID))
    with ContainerClient(KEYLESS_URL, "data", somebody, **cloud.options) as client:
        client.upload_blob("x", b"x")


def test_a_newer_service_version_is_refused(cloud: Cloud) -> None:
    somebody = cloud.principal((CONTRIBUTOR, ACCOUNT_ID))
    options = {**cloud.options, "api_version": "2026-10-06"}

    with (
        ContainerClient(URL, "data", somebody, **options) as client,
        pytest.raises(HttpResponseError) as refused,
    ):
        client.get_container_properties()

    assert refused.value.status_code == 400


def test_an_account_that_is_not_there_answers_nothing(cloud: Cloud) -> None:
    somebody = cloud.principal((CONTRIBUTOR, ACCOUNT_ID))
    with (
        ContainerClient(
            URL.replace(ACCOUNT, "nobody"), "data", somebody, **cloud.options
        ) as client,
        pytest.raises(ResourceNotFoundError),
    ):
        client.get_container_properties()


def test_a_connection_with_older_tls_than_the_account_asks_for_is_refused(cloud: Cloud) -> None:
    account = cloud.resources.find(KEYLESS_ID)
    assert account is not None
    older = ssl.create_default_context(cafile=cloud.ca)
    older.maximum_version = ssl.TLSVersion.TLSv1_2

    account.properties["minimumTlsVersion"] = "TLS1_3"
    try:
        refused = cloud.request("GET", f"{KEYLESS_URL}/data?restype=container", context=older)
        answered = cloud.request("GET", f"{KEYLESS_URL}/data?restype=container")
    finally:
        account.properties["minimumTlsVersion"] = "TLS1_2"

    assert (refused.status, refused.headers["x-ms-error-code"]) == (400, "TlsVersionNotPermitted")
    assert answered.status == 401


def test_a_public_container_is_refused_where_the_account_allows_none(cloud: Cloud) -> None:
    somebody = cloud.principal((CONTRIBUTOR, ACCOUNT_ID))
    with (
        ContainerClient(URL, "public", somebody, **cloud.options) as client,
        pytest.raises(HttpResponseError) as refused,
    ):
        client.create_container(public_access="blob")

    assert reason_of(refused.value) == "PublicAccessNotPermitted"


def immutable(client: ContainerClient) -> None:
    policy = ImmutabilityPolicy(
        expiry_time=datetime.now(UTC) + timedelta(1), policy_mode="Unlocked"
    )
    client.upload_blob(new_name(), b"x", immutability_policy=policy)


def held_by_law(client: ContainerClient) -> None:
    client.upload_blob(new_name(), b"x", legal_hold=True)


def test_a_tier_is_set_whatever_its_priority_would_be(container: ContainerClient) -> None:
    blob = container.upload_blob(new_name(), b"x")
    asked = (("Cool", RehydratePriority.STANDARD), ("Hot", RehydratePriority.HIGH))

    for tier, priority in asked:
        blob.set_standard_blob_tier(tier, rehydrate_priority=priority)
        assert blob.get_blob_properties().blob_tier == tier


def copied(client: ContainerClient) -> None:
    online = client.upload_blob(new_name(), b"x")
    client.get_blob_client(new_name()).start_copy_from_url(online.url)


def a_batch(client: ContainerClient) -> None:
    client.delete_blobs("a", "b")


def of_deleted(client: ContainerClient) -> None:
    list(client.list_blobs(include=["deleted"]))


@pytest.mark.parametrize("asked", [immutable, held_by_law, copied, a_batch, of_deleted])
def test_what_would_only_be_pretended_is_refused(
    container: ContainerClient, asked: Callable[[ContainerClient], None]
) -> None:
    with pytest.raises(HttpResponseError) as refused:
        asked(container)

    assert refused.value.status_code == 501


def test_no_secret_is_in_the_journal(cloud: Cloud, container: ContainerClient) -> None:
    container.upload_blob(new_name(), b"x")

    text = repr(cloud.journal.since(0))
    assert "Bearer" not in text
    assert not any(key in text for key in cloud.keys.values())
