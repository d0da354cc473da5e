"""Blobs by shared access signature: what was signed may be done, while it and its signer may."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import (
    AccountSasPermissions,
    BlobSasPermissions,
    BlobServiceClient,
    ContainerClient,
    ContainerSasPermissions,
    ResourceTypes,
    UserDelegationKey,
    generate_account_sas,
    generate_blob_sas,
    generate_container_sas,
)

from tests.contract.simulator_storage.cloud import (
    ACCOUNT,
    ACCOUNT_ID,
    KEYLESS,
    KEYLESS_ID,
    Cloud,
    Principal,
    reason_of,
)

pytestmark = pytest.mark.azurite

CONTRIBUTOR, READER = "Storage Blob Data Contributor", "Storage Blob Data Reader"
DELEGATOR = "Storage Blob Delegator"
HOUR = timedelta(hours=1)


def url_of(account: str) -> str:
    return f"https://{account}.blob.core.windows.net"


def key_of(cloud: Cloud, somebody: Principal, account: str = KEYLESS) -> UserDelegationKey:
    now = datetime.now(UTC)
    with BlobServiceClient(url_of(account), somebody, **cloud.options) as service:
        return service.get_user_delegation_key(now - HOUR, now + HOUR)


def attempt(cloud: Cloud, sas: str, account: str = KEYLESS, name: str = "") -> HttpResponseError:
    """Read a blob by *sas*, and return how that was refused."""
    with (
        ContainerClient(url_of(account), "data", sas, **cloud.options) as client,
        pytest.raises(HttpResponseError) as refused,
    ):
        client.download_blob(name or "any")
    return refused.value


@pytest.fixture
def contributor(cloud: Cloud) -> Principal:
    return cloud.principal((CONTRIBUTOR, KEYLESS_ID))


def container_sas(cloud: Cloud, somebody: Principal, letters: str, **changes: Any) -> str:
    key = key_of(cloud, somebody)
    permission = ContainerSasPermissions.from_string(letters)
    arguments = {"permission": permission, "expiry": datetime.now(UTC) + HOUR, **changes}
    return generate_container_sas(KEYLESS, "data", user_delegation_key=key, **arguments)


def test_a_delegated_sas_reads_creates_and_lists(cloud: Cloud, contributor: Principal) -> None:
    sas = container_sas(cloud, contributor, "rcl", protocol="https", start=datetime.now(UTC) - HOUR)
    name = f"ä/{uuid.uuid4()}"

    with ContainerClient(url_of(KEYLESS), "data", sas, **cloud.options) as client:
        client.upload_blob(name, b"content")
        assert client.download_blob(name).readall() == b"content"
        assert name in [blob.name for blob in client.list_blobs()]

    (entry,) = cloud.entries(object=name, operation="PutBlob")
    assert entry["identity"] == contributor.object_id
    assert entry["detail"]["scheme"] == "delegation sas"
    assert "sig=REDACTED" in entry["query"]
    assert sas.rpartition("sig=")[2] not in repr(cloud.journal.since(0))


def test_a_sas_that_may_create_never_overwrites(cloud: Cloud, contributor: Principal) -> None:
    sas = container_sas(cloud, contributor, "rc")
    name = str(uuid.uuid4())

    with ContainerClient(url_of(KEYLESS), "data", sas, **cloud.options) as client:
        client.upload_blob(name, b"first")
        with pytest.raises(HttpResponseError) as refused:
            client.upload_blob(name, b"second", overwrite=True)
        assert client.download_blob(name).readall() == b"first"

    assert refused.value.status_code == 403
    assert reason_of(refused.value) == "UnauthorizedBlobOverwrite"


@pytest.mark.parametrize(
    ("letters", "act"),
    [
        pytest.param("r", lambda c: c.upload_blob("x", b"x"), id="read only: put"),
        pytest.param("rc", lambda c: c.delete_blob("x"), id="create: delete"),
        pytest.param("cw", lambda c: c.download_blob("x"), id="write: read"),
        pytest.param("rcwd", lambda c: list(c.list_blobs()), id="all but list: list"),
        pytest.param("rcwdl", lambda c: c.get_container_properties(), id="all: container"),
        pytest.param("rcwdl", lambda c: c.delete_container(), id="all: delete container"),
    ],
)
def test_what_was_not_signed_is_refused(
    cloud: Cloud, contributor: Principal, letters: str, act: Callable[[ContainerClient], object]
) -> None:
    sas = container_sas(cloud, contributor, letters)

    with (
        ContainerClient(url_of(KEYLESS), "data", sas, **cloud.options) as client,
        pytest.raises(HttpResponseError) as refused,
    ):
        act(client)

    assert refused.value.status_code == 403
    assert reason_of(refused.value) == "AuthorizationPermissionMismatch"


def test_a_sas_of_one_blob_is_none_of_another(cloud: Cloud, contributor: Principal) -> None:
    with ContainerClient(url_of(KEYLESS), "data", contributor, **cloud.options) as client:
        for name in ("bundle/a.whl", "bundle/b.whl"):
            client.upload_blob(name, name.encode(), overwrite=True)
    sas = generate_blob_sas(
        KEYLESS,
        "data",
        "bundle/a.whl",
        user_delegation_key=key_of(cloud, contributor),
        permission=BlobSasPermissions(read=True),
        expiry=datetime.now(UTC) + HOUR,
    )

    plain = cloud.request("GET", f"{url_of(KEYLESS)}/data/bundle/a.whl?{sas}")
    other = cloud.request("GET", f"{url_of(KEYLESS)}/data/bundle/b.whl?{sas}")
    listed = cloud.request("GET", f"{url_of(KEYLESS)}/data?restype=container&comp=list&{sas}")

    assert (plain.status, plain.data) == (200, b"bundle/a.whl")
    assert plain.headers["Content-MD5"]
    assert other.status == listed.status == 403


@dataclass(frozen=True)
class Spoilt:
    """A SAS that must not work, and why it is refused."""

    changes: dict[str, Any] = field(default_factory=dict)
    edit: Callable[[str], str] = str
    reason: str = "AuthenticationFailed"


def with_another_signature(sas: str) -> str:
    """Return *sas* with another first character of its signature, whatever that one is."""
    return re.sub("sig=(.)", lambda found: f"sig={'B' if found[1] == 'A' else 'A'}", sas)


@pytest.mark.parametrize(
    "spoilt",
    [
        pytest.param(Spoilt({"expiry": datetime.now(UTC) - HOUR}), id="expired"),
        pytest.param(Spoilt({"start": datetime.now(UTC) + HOUR / 2}), id="not yet"),
        pytest.param(Spoilt(edit=lambda s: s.replace("sp=r", "sp=rw")), id="permissions altered"),
        pytest.param(Spoilt(edit=lambda s: s.replace("skoid=", "skoid=0")), id="identity altered"),
        pytest.param(Spoilt(edit=with_another_signature), id="signature altered"),
        pytest.param(
            Spoilt({"ip": "10.0.0.1"}, reason="AuthorizationSourceIPMismatch"), id="bound to an ip"
        ),
    ],
)
def test_a_spoilt_sas_is_refused(cloud: Cloud, contributor: Principal, spoilt: Spoilt) -> None:
    sas = spoilt.edit(container_sas(cloud, contributor, "r", **spoilt.changes))

    refused = attempt(cloud, sas)

    assert refused.status_code == 403
    assert reason_of(refused) == spoilt.reason


@pytest.fixture
def later(cloud: Cloud) -> Iterator[Callable[[timedelta], None]]:
    """What has signatures judged as if so much time had passed; keys end by wall time."""

    def pass_by(time: timedelta) -> None:
        cloud.ahead += time

    yield pass_by
    cloud.ahead = timedelta()


def test_a_delegated_sas_ends_with_its_key(
    cloud: Cloud, contributor: Principal, later: Callable[[timedelta], None]
) -> None:
    now = datetime.now(UTC)
    with BlobServiceClient(url_of(KEYLESS), contributor, **cloud.options) as service:
        key = service.get_user_delegation_key(now - HOUR, now + HOUR)
    sas = generate_container_sas(
        KEYLESS, "data", user_delegation_key=key, permission="r", expiry=now + 5 * HOUR
    )
    assert reason_of(attempt(cloud, sas)) == "BlobNotFound"

    later(2 * HOUR)

    assert reason_of(attempt(cloud, sas)) == "AuthenticationFailed"


@pytest.mark.parametrize("days", [8, -1])
def test_a_key_lasts_seven_days_at_most(cloud: Cloud, contributor: Principal, days: int) -> None:
    now = datetime.now(UTC)
    with (
        BlobServiceClient(url_of(KEYLESS), contributor, **cloud.options) as service,
        pytest.raises(HttpResponseError) as refused,
    ):
        service.get_user_delegation_key(now, now + timedelta(days=days))

    assert refused.value.status_code == 400


def test_a_key_needs_the_right_to_one(cloud: Cloud) -> None:
    with pytest.raises(HttpResponseError) as refused:
        key_of(cloud, cloud.principal(("Reader", KEYLESS_ID)))

    assert reason_of(refused.value) == "AuthorizationPermissionMismatch"


def test_a_delegated_sas_gives_no_more_than_its_signer_has(cloud: Cloud) -> None:
    reader = cloud.principal((READER, KEYLESS_ID))
    sas = container_sas(cloud, reader, "rw")

    with (
        ContainerClient(url_of(KEYLESS), "data", sas, **cloud.options) as client,
        pytest.raises(HttpResponseError) as refused,
    ):
        client.upload_blob("x", b"x")

    assert reason_of(refused.value) == "AuthorizationPermissionMismatch"


def test_a_role_taken_away_ends_the_delegated_sas(cloud: Cloud) -> None:
    somebody = cloud.principal((DELEGATOR, KEYLESS_ID), (READER, KEYLESS_ID))
    sas = container_sas(cloud, somebody, "rl")
    with ContainerClient(url_of(KEYLESS), "data", sas, **cloud.options) as client:
        list(client.list_blobs())

        for assignment in list(cloud.resources.under(KEYLESS_ID)):
            if assignment.properties["principalId"] == somebody.object_id:
                cloud.resources.remove(assignment.id)
        with pytest.raises(HttpResponseError) as refused:
            list(client.list_blobs())

    assert reason_of(refused.value) == "AuthorizationPermissionMismatch"


def test_a_key_of_one_account_signs_nothing_of_another(cloud: Cloud) -> None:
    somebody = cloud.principal((CONTRIBUTOR, KEYLESS_ID), (CONTRIBUTOR, ACCOUNT_ID))
    sas = generate_container_sas(
        KEYLESS,
        "data",
        user_delegation_key=key_of(cloud, somebody, ACCOUNT),
        permission="r",
        expiry=datetime.now(UTC) + HOUR,
    )

    assert reason_of(attempt(cloud, sas)) == "AuthenticationFailed"


def test_a_sas_bound_to_an_identity_needs_its_token_too(
    cloud: Cloud, contributor: Principal
) -> None:
    other = cloud.principal()
    with ContainerClient(url_of(KEYLESS), "data", contributor, **cloud.options) as client:
        client.upload_blob("bound", b"content", overwrite=True)
    sas = container_sas(cloud, contributor, "r", user_delegation_oid=other.object_id)
    url = f"{url_of(KEYLESS)}/data/bound?{sas}"

    def read(somebody: Principal | None) -> int:
        headers = {"x-ms-version": "2026-06-06"}
        if somebody is not None:
            headers["Authorization"] = f"Bearer {somebody.get_token().token}"
        return cloud.request("GET", url, headers).status

    assert (read(other), read(contributor), read(None)) == (200, 403, 401)


def service_sas(cloud: Cloud, account: str) -> str:
    return generate_container_sas(
        account,
        "data",
        account_key=cloud.keys[account],
        permission=ContainerSasPermissions(read=True, list=True, create=True),
        expiry=datetime.now(UTC) + HOUR,
        protocol="https",
    )


def account_sas(cloud: Cloud, account: str) -> str:
    return generate_account_sas(
        account,
        cloud.keys[account],
        ResourceTypes(container=True, object=True),
        AccountSasPermissions(read=True, list=True, create=True),
        datetime.now(UTC) + HOUR,
    )


@pytest.mark.parametrize("signed", [service_sas, account_sas])
def test_a_sas_signed_with_the_accounts_key_works_where_the_account_takes_it(
    cloud: Cloud, signed: Callable[[Cloud, str], str]
) -> None:
    name = str(uuid.uuid4())
    with ContainerClient(
        url_of(ACCOUNT), "data", signed(cloud, ACCOUNT), **cloud.options
    ) as client:
        client.upload_blob(name, b"content")
        assert client.download_blob(name).readall() == b"content"
        assert name in [blob.name for blob in client.list_blobs()]
        with pytest.raises(HttpResponseError) as refused:
            client.delete_blob(name)

    assert reason_of(refused.value) == "AuthorizationPermissionMismatch"
    refusal = attempt(cloud, signed(cloud, KEYLESS))
    assert reason_of(refusal) == "KeyBasedAuthenticationNotPermitted"


def test_an_account_sas_without_the_resource_type_is_refused(cloud: Cloud) -> None:
    with (
        BlobServiceClient(url_of(ACCOUNT), account_sas(cloud, ACCOUNT), **cloud.options) as service,
        pytest.raises(HttpResponseError) as refused,
    ):
        list(service.list_containers())

    assert reason_of(refused.value) == "AuthorizationResourceTypeMismatch"
