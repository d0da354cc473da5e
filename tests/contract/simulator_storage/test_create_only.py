"""What may create blobs and nothing else, by a role's data actions; and no copies of exports."""

from __future__ import annotations

import uuid

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import ContainerClient

from tests.contract.simulator_storage.cloud import (
    ACCOUNT,
    ACCOUNT_ID,
    Cloud,
    Principal,
    reason_of,
    with_data_actions,
)

pytestmark = pytest.mark.azurite

URL = f"https://{ACCOUNT}.blob.core.windows.net"
EXPORT = "https://md-impexp-1.z1.blob.storage.azure.net/x/abcd?sv=2018-03-28&sr=b&si=i&sig=s"


def writer_of_new_blobs(cloud: Cloud) -> Principal:
    """Return somebody whose role reads and adds, without `blobs/write`."""
    return with_data_actions(cloud, "read", "add/action")


def test_a_role_that_may_add_never_overwrites(cloud: Cloud) -> None:
    name = str(uuid.uuid4())

    with ContainerClient(URL, "data", writer_of_new_blobs(cloud), **cloud.options) as client:
        client.upload_blob(name, b"first")
        refusals = []
        for attempt in (
            lambda: client.upload_blob(name, b"second", overwrite=True),
            lambda: client.get_blob_client(name).set_blob_metadata({"a": "b"}),
            lambda: client.delete_blob(name),
        ):
            with pytest.raises(HttpResponseError) as refused:
                attempt()
            refusals.append((refused.value.status_code, reason_of(refused.value)))
        kept = client.download_blob(name).readall()

    assert refusals == [
        (403, "UnauthorizedBlobOverwrite"),
        (403, "AuthorizationPermissionMismatch"),
        (403, "AuthorizationPermissionMismatch"),
    ]
    assert kept == b"first"


def test_an_export_is_not_copied_by_the_service(cloud: Cloud) -> None:
    name = str(uuid.uuid4())
    somebody = cloud.principal(("Storage Blob Data Contributor", ACCOUNT_ID))

    with ContainerClient(URL, "data", somebody, **cloud.options) as client:
        blob = client.get_blob_client(name)
        with pytest.raises(HttpResponseError) as begun:
            blob.start_copy_from_url(EXPORT)
        with pytest.raises(HttpResponseError) as at_once:
            blob.start_copy_from_url(EXPORT, requires_sync=True)
        with pytest.raises(HttpResponseError) as by_block:
            blob.stage_block_from_url("MDAwMQ==", EXPORT)
        with pytest.raises(ResourceNotFoundError):
            blob.get_blob_properties()

    assert {each.value.status_code for each in (begun, at_once, by_block)} == {501}
