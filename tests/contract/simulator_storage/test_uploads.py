"""Disks made for upload by SAS: whole pages into them, as Azure takes them, and nothing else."""

from __future__ import annotations

import os
import threading
import uuid
from dataclasses import dataclass

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobClient

from azure_simulator.disks.footer import vhd_footer
from tests.contract.simulator_storage.cloud import GROUP, Cloud, reason_of
from tests.contract.simulator_storage.plain_exports import plain_exports
from vmbackup_core.vhd_footer import EPOCH
from vmbackup_core.vhd_footer import footer as vhd_footer_of_ours
from vmbackup_worker.access import Renewable
from vmbackup_worker.page_blob import ExportPool
from vmbackup_worker.source import Export
from vmbackup_worker.upload_target import UploadTarget
from vmbackup_worker.uploaded_disk import UploadedDisk

MIB = 1024 * 1024
SIZE = 32 * MIB
WHOLE = SIZE + 512
HOST = "md-impexp-2.z1.blob.storage.azure.net"
VERSION = {"x-ms-version": "2026-06-06"}


@dataclass(frozen=True)
class Upload:
    """A disk made for upload, and the SAS that writes it."""

    cloud: Cloud
    disk_id: str
    url: str

    def put(
        self, first: int, data: bytes, headers: dict[str, str | None] | None = None
    ) -> tuple[int, str]:
        """Put pages by a request of our own; return status and error code."""
        asked = {
            **VERSION,
            "x-ms-page-write": "update",
            "x-ms-range": f"bytes={first}-{first + len(data) - 1}",
            **(headers or {}),
        }
        said = {name: text for name, text in asked.items() if text is not None}
        answer = self.cloud.request("PUT", f"{self.url}&comp=page", said, body=data)
        return answer.status, answer.headers.get("x-ms-error-code", "")

    @property
    def content(self) -> bytes:
        return self.cloud.contents.get(self.disk_id).path.read_bytes()

    @property
    def is_whole(self) -> bool:
        return self.cloud.grants.uploaded(self.disk_id)


async def made(cloud: Cloud) -> Upload:
    disk_id = f"{GROUP}/providers/Microsoft.Compute/disks/{uuid.uuid4()}"
    await cloud.contents.create_empty(disk_id, SIZE)
    return Upload(cloud, disk_id, await cloud.grants.grant(disk_id, "Write", 3600, HOST))


@pytest.fixture
def upload(bare_cloud: Cloud) -> Upload:
    return bare_cloud.run(made(bare_cloud))


def footer(size_bytes: int = SIZE) -> bytes:
    return vhd_footer(size_bytes, uuid.uuid4(), 0)


def test_the_sdk_puts_pages_and_reads_properties_and_ranges(upload: Upload) -> None:
    data = os.urandom(4 * MIB)
    with BlobClient.from_blob_url(upload.url, **upload.cloud.options) as client:
        before = client.get_blob_properties()
        put = client.upload_page(data, offset=4096, length=len(data))
        ranges = [(page.start, page.end) for page in client.list_page_ranges()]

    assert (before.size, before.blob_type) == (WHOLE, "PageBlob")
    assert put["etag"] != before.etag
    assert ranges == [(4096, 4096 + 4 * MIB - 1)]
    assert upload.content == bytes(4096) + data + bytes(SIZE - 4096 - 4 * MIB)


def test_it_is_whole_with_the_footer_of_its_size_alone(upload: Upload) -> None:
    assert not upload.is_whole
    for wrong in (footer(SIZE - MIB), footer()[:511] + b"\1", bytes(512)):
        assert upload.put(SIZE, wrong) == (201, "")
        assert not upload.is_whole

    assert upload.put(SIZE - 512, b"e" * 512 + footer()) == (201, "")
    assert upload.is_whole
    assert upload.content[-512:] == b"e" * 512


@pytest.mark.parametrize(
    ("first", "length", "headers", "refusal"),
    [
        (1, 512, {}, (416, "InvalidPageRange")),
        (0, 511, {}, (416, "InvalidPageRange")),
        (WHOLE, 512, {}, (416, "InvalidPageRange")),
        (SIZE, 1024, {}, (416, "InvalidPageRange")),
        (0, 4 * MIB + 512, {}, (413, "RequestBodyTooLarge")),
        (0, 512, {"x-ms-range": "bytes=0-1023"}, (400, "InvalidHeaderValue")),
        (0, 512, {"x-ms-range": "bytes=0-"}, (400, "InvalidHeaderValue")),
        (0, 512, {"x-ms-range": None}, (400, "MissingRequiredHeader")),
        (0, 512, {"x-ms-page-write": None}, (400, "MissingRequiredHeader")),
        (0, 512, {"x-ms-page-write": "append"}, (400, "InvalidHeaderValue")),
        (0, 512, {"Content-MD5": "xyz"}, (400, "UnsupportedHeader")),
        (0, 512, {"x-ms-version": None}, (400, "MissingRequiredHeader")),
        (0, 512, {"If-Match": '"0"'}, (412, "ConditionNotMet")),
        (0, 512, {"x-ms-content-crc64": "xyz"}, (501, "NotImplemented")),
    ],
)
def test_what_azure_takes_not_is_refused_and_nothing_is_written(
    upload: Upload,
    first: int,
    length: int,
    headers: dict[str, str | None],
    refusal: tuple[int, str],
) -> None:
    assert upload.put(first, b"x" * length, headers) == refusal
    assert upload.content == bytes(SIZE)


def test_by_a_sas_that_writes_nobody_reads_and_by_one_that_reads_nobody_writes(
    upload: Upload,
) -> None:
    cloud = upload.cloud
    assert cloud.request("GET", upload.url, VERSION).status == 403

    cloud.run(cloud.grants.revoke(upload.disk_id))
    read = cloud.run(cloud.grants.grant(upload.disk_id, "Read", 3600, HOST))
    assert Upload(cloud, upload.disk_id, read).put(0, b"x" * 512) == (
        403,
        "AuthorizationPermissionMismatch",
    )
    assert upload.content == bytes(SIZE)


def test_once_access_has_ended_nothing_is_written(upload: Upload) -> None:
    upload.cloud.run(upload.cloud.grants.revoke(upload.disk_id))

    assert upload.put(0, b"x" * 512) == (403, "AuthenticationFailed")
    with (
        BlobClient.from_blob_url(upload.url, **upload.cloud.options) as client,
        pytest.raises(HttpResponseError) as refused,
    ):
        client.upload_page(b"x" * 512, offset=0, length=512)
    assert reason_of(refused.value) == "AuthenticationFailed"
    assert upload.content == bytes(SIZE)


def test_the_journal_says_what_was_put(upload: Upload) -> None:
    upload.put(MIB, b"x" * 1024)

    (entry,) = upload.cloud.entries(operation="PutPage", disk=upload.disk_id)
    assert (entry["detail"]["offset"], entry["detail"]["length"]) == (MIB, 1024)


def test_what_a_worker_uploads_is_a_disk_that_reads_as_it_was_written(bare_cloud: Cloud) -> None:
    made_for, stop = bare_cloud.run(made(bare_cloud)), threading.Event()
    content = bytes(8 * MIB) + os.urandom(9 * MIB) + bytes(SIZE - 17 * MIB)
    pool = ExportPool(4)
    with plain_exports(bare_cloud, HOST) as port:
        here = f"http://127.0.0.1:{port}"
        url = Renewable(made_for.url.replace(f"https://{HOST}", here))
        target = UploadTarget("disk", url, pool, stop, renewal_s=1)
        disk = UploadedDisk(target, SIZE, 2, lambda _written: None)
        for at in range(8 * MIB, 17 * MIB, 256 * 1024):
            disk.write_at(at, content[at : at + 256 * 1024])
        assert target.size_bytes() == WHOLE
        assert disk.finish(SIZE, vhd_footer_of_ours(SIZE, EPOCH, uuid.uuid4())) == 9 * MIB
        assert made_for.is_whole

        bare_cloud.run(bare_cloud.grants.revoke(made_for.disk_id))
        read = bare_cloud.run(bare_cloud.grants.grant(made_for.disk_id, "Read", 3600, HOST))
        shown = Renewable(read.replace(f"https://{HOST}", here))
        export = Export("disk", shown, SIZE, pool, stop, renewal_s=1)
        found = bytearray(SIZE)
        export.read_into(0, memoryview(found))
        allocated = export.allocated().extents
        pool.clear()

    assert bytes(found) == content
    assert [(each.offset, each.length) for each in allocated] == [(8 * MIB, 9 * MIB)]
