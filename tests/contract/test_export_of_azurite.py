"""Reading an export against a server that is not ours: a page blob of Azurite, by its SAS."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from azure.storage.blob import BlobSasPermissions, BlobServiceClient, generate_blob_sas

from tools.local_cloud.azurite import Azurite
from vmbackup_core.extents import Extent
from vmbackup_core.stores.azure_blob import SERVICE_VERSION
from vmbackup_worker.access import AccessRefused, Renewable
from vmbackup_worker.page_blob import export_pool
from vmbackup_worker.source import Export

pytestmark = pytest.mark.azurite

ACCOUNT = "contracts"
MIB = 1024 * 1024
WRITTEN = [Extent(0, 512), Extent(3 * MIB, MIB), Extent(16 * MIB - 512, 512)]
FOOTER = 512


@pytest.fixture
def page_blob(running_azurite: Azurite) -> tuple[str, bytes]:
    """A page blob like an export's: a disk of 16 MiB and a footer; its SAS URL and the disk."""
    key = running_azurite.accounts[ACCOUNT]
    account_url = running_azurite.blob_url(ACCOUNT)
    name = f"export-{random.randrange(2**40):x}"  # noqa: S311 - no secret
    disk = bytearray(16 * MIB)
    service = BlobServiceClient(account_url, credential=key, api_version=SERVICE_VERSION)
    with service, service.create_container(name).get_blob_client("abcd") as blob:
        blob.create_page_blob(len(disk) + FOOTER)
        for extent in WRITTEN:
            data = random.Random(extent.offset).randbytes(extent.length)  # noqa: S311 - content
            disk[extent.offset : extent.end] = data
            blob.upload_page(data, extent.offset, extent.length)
        blob.upload_page(b"conectix".ljust(FOOTER, b"\0"), len(disk), FOOTER)
    sas = generate_blob_sas(
        ACCOUNT,
        name,
        "abcd",
        account_key=key,
        permission=BlobSasPermissions(read=True),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
    return f"{account_url}/{name}/abcd?{sas}", bytes(disk)


ExportOf = Callable[[str, bytes], Export]


@pytest.fixture
def export_of() -> Iterator[ExportOf]:
    pool, stop = export_pool(2), threading.Event()
    yield lambda url, disk: Export("disk", Renewable(url), len(disk), pool, stop, renewal_s=0.01)
    pool.clear()


def test_the_allocated_extents_are_what_was_written(
    page_blob: tuple[str, bytes], export_of: ExportOf
) -> None:
    assert list(export_of(*page_blob).allocated().extents) == WRITTEN


def test_what_is_read_is_what_was_written(
    page_blob: tuple[str, bytes], export_of: ExportOf
) -> None:
    buffer = bytearray(16 * MIB)
    export_of(*page_blob).read_into(0, memoryview(buffer))

    assert buffer == page_blob[1]


def test_a_foreign_sas_is_refused(page_blob: tuple[str, bytes], export_of: ExportOf) -> None:
    url, disk = page_blob
    base, _, signature = url.rpartition("sig=")

    with pytest.raises(AccessRefused):
        export_of(f"{base}sig=A{signature[1:] if signature[0] != 'A' else 'B'}", disk).allocated()
