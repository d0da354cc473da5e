"""The bundle in a region's account."""

from __future__ import annotations

import asyncio
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
from vmbackup_core.protocol.bundle import BUNDLE_LIST, bundle_file, bundle_list, read_bundle
from vmbackup_core.stores.azure_blob import SERVICE_VERSION
from vmbackup_operator.sessions.seen import Account

#: Azure's own number of the role Storage Blob Data Owner.
BLOB_DATA_OWNER = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"
INSIDER = "5d4c3b2a-0000-4111-8222-333344445555"


def _overwrite(cloud: Cloud, name: str, content: bytes, account: Account | None = None) -> None:
    """Put *content* in a blob's place, as an insider with every data right.

    In the home account, where no other is named.
    """
    azure, account = cloud.azure, account or cloud.home.account
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


def _other_bundle(cloud: Cloud, folder: Path, says: str) -> Path:
    """Return the folder of another version of the bundle."""
    shutil.copytree(cloud.bundle, folder)
    (folder / "agent.whl").write_text(says)
    before = read_bundle(cloud.bundle)
    files = [path for path in sorted(folder.iterdir()) if path.name != BUNDLE_LIST]
    listed = bundle_list(before.python, before.platform, [bundle_file(path) for path in files])
    (folder / BUNDLE_LIST).write_bytes(listed.encoded())
    return folder


async def _folders(ours: Adapters, cloud: Cloud) -> set[str]:
    client = ours.data_plane.blobs(cloud.region.account).get_container_client("bundle")
    return {name.partition("/")[0] async for name in client.list_blob_names()}


async def test_bundles_before_the_newest_two_are_deleted_and_nothing_else_is(
    cloud: Cloud, ours: Adapters, tmp_path: Path
) -> None:
    await until(lambda: ours.bundles.ensure(cloud.region))
    _overwrite(cloud, "somebodys/notes.txt", b"not a bundle", cloud.region.account)
    ids = [read_bundle(cloud.bundle).id]
    for number in (1, 2):
        await asyncio.sleep(1.1)  # Azure counts seconds
        bundle = _other_bundle(cloud, tmp_path / str(number), f"{number} {uuid.uuid4()}")
        ids.append(read_bundle(bundle).id)
        async with adapters(settings_for(APPLIANCE, bundle)) as upgraded:
            await until(lambda upgraded=upgraded: upgraded.bundles.ensure(cloud.region))
        assert await _folders(ours, cloud) == {"somebodys", *ids[-2:]}


async def test_a_bundle_that_may_not_be_deleted_keeps_no_worker_from_its_launch(
    cloud: Cloud, ours: Adapters, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As after an upgrade, before the roles were assigned as the new version needs them."""
    await until(lambda: ours.bundles.ensure(cloud.region))
    for number in (1, 2):
        await asyncio.sleep(1.1)
        bundle = _other_bundle(cloud, tmp_path / str(number), f"{number} {uuid.uuid4()}")
        match = {"service": "blob", "method": "DELETE", "path": "/bundle/"}
        body = "<Error><Code>AuthorizationPermissionMismatch</Code></Error>"
        fault = cloud.azure.call(
            "POST",
            "/faults",
            {"match": match, "status": 403, "headers": {}, "body": body, "times": 9},
        )
        async with adapters(settings_for(APPLIANCE, bundle)) as upgraded:
            stored = await until(lambda upgraded=upgraded: upgraded.bundles.ensure(cloud.region))
        cloud.azure.call("DELETE", f"/faults/{fault['id']}")

    assert stored.folder == read_bundle(bundle).id
    assert "deleting bundle" in caplog.text
