"""The bundle in a region's account."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

import pytest
from azure.core.exceptions import HttpResponseError
from azure.identity import ClientSecretCredential
from azure.storage.blob import BlobClient

from tests.contract.azure_services.cloud import (
    APPLIANCE,
    Adapters,
    Cloud,
    adapters,
    settings_for,
    until,
)
from vmbackup_core.errors import PermanentError
from vmbackup_core.protocol.bundle import BUNDLE_LIST, read_bundle
from vmbackup_core.stores.azure_blob import SERVICE_VERSION

#: Azure's own number of the role Storage Blob Data Owner.
BLOB_DATA_OWNER = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"
INSIDER = "5d4c3b2a-0000-4111-8222-333344445555"


def _overwrite(cloud: Cloud, name: str, content: bytes) -> None:
    """Put *content* in a blob's place in the home account, as an insider with every data right."""
    azure, account = cloud.azure, cloud.home.account
    azure.call("PUT", f"/identities/{INSIDER}", {"clientSecret": "s", "objectId": INSIDER})
    properties = {
        "roleDefinitionId": f"/providers/Microsoft.Authorization/roleDefinitions/{BLOB_DATA_OWNER}",
        "principalId": INSIDER,
        "principalType": "ServicePrincipal",
    }
    at = f"{account.id}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
    azure.arm(at, "2022-04-01", {"properties": properties})
    credential = ClientSecretCredential(cloud.ready["tenantId"], INSIDER, "s")
    with BlobClient(
        account.blob_url, "bundle", name, credential=credential, api_version=SERVICE_VERSION
    ) as blob:
        blob.upload_blob(content, overwrite=True)


async def test_every_file_lies_there_with_its_md5_and_is_uploaded_once(
    cloud: Cloud, ours: Adapters
) -> None:
    before = cloud.azure.last_entry()
    bundle = read_bundle(cloud.bundle)

    stored = await until(lambda: ours.bundles.ensure(cloud.region))
    again = await until(lambda: ours.bundles.ensure(cloud.region))

    puts = [
        entry
        for entry in cloud.azure.journal(before)
        if entry["service"] == "blob" and entry["method"] == "PUT"
    ]
    assert stored == again
    assert (stored.container, stored.folder) == ("bundle", bundle.id)
    assert stored.list_sha256 == bundle.sha256
    assert sorted(entry["path"].rsplit("/", 1)[1] for entry in puts) == sorted(
        [BUNDLE_LIST, *(file.name for file in bundle.files)]
    )
    client = ours.data_plane.blobs(cloud.region.account).get_container_client("bundle")
    async for blob in client.list_blobs(name_starts_with=bundle.id):
        assert blob.content_settings.content_md5 is not None


async def test_a_file_that_differs_from_the_list_is_refused_by_name(
    cloud: Cloud, tmp_path: Path
) -> None:
    damaged = tmp_path / "bundle"
    shutil.copytree(cloud.bundle, damaged)
    (damaged / "agent.whl").write_bytes(b"other")

    async with adapters(settings_for(APPLIANCE, damaged)) as ours:
        with pytest.raises(PermanentError, match=r"agent\.whl") as refused:
            await until(lambda: ours.bundles.ensure(cloud.region))

    assert refused.value.reason == "BundleDamaged"


async def test_a_stored_file_that_somebody_altered_is_refused_by_name(
    cloud: Cloud, ours: Adapters
) -> None:
    bundle = read_bundle(cloud.bundle)
    await until(lambda: ours.bundles.ensure(cloud.home))
    client = ours.data_plane.blobs(cloud.home.account).get_container_client("bundle")
    with pytest.raises(HttpResponseError, match="perform blob overwrites"):  # not the operator
        await client.get_blob_client(f"{bundle.id}/install.sh").upload_blob(b"evil", overwrite=True)
    _overwrite(cloud, f"{bundle.id}/install.sh", b"evil")

    with pytest.raises(PermanentError, match=r"install\.sh") as refused:
        await until(lambda: ours.bundles.ensure(cloud.home))

    assert refused.value.reason == "BundleDamaged"
