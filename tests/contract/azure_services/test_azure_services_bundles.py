"""The bundle in a region's account."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

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
    await client.get_blob_client(f"{bundle.id}/install.sh").upload_blob(b"evil", overwrite=True)

    with pytest.raises(PermanentError, match=r"install\.sh") as refused:
        await until(lambda: ours.bundles.ensure(cloud.home))

    assert refused.value.reason == "BundleDamaged"
