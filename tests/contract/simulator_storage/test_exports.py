"""Exported disks by SAS: Azure's page blobs with a VHD footer, to whoever has a good SAS alone."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import struct
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobClient

from azure_simulator.disks.footer import checksum
from azure_simulator.resources import Resource
from tests.contract.simulator_storage.cloud import GROUP, Cloud, reason_of

MIB = 1024 * 1024
SIZE = 64 * MIB
WHOLE = SIZE + 512
HOST = "md-impexp-1.z1.blob.storage.azure.net"
VERSION = {"x-ms-version": "2026-06-06"}


@dataclass(frozen=True)
class Disk:
    """A disk, two incremental snapshots of it, and their SAS URLs."""

    disk_id: str
    first: str
    second: str
    first_url: str
    second_url: str


def piece(folder: Path, data: bytes) -> Path:
    path = folder / str(uuid.uuid4())
    path.write_bytes(data)
    return path


async def snapshot(cloud: Cloud, disk_id: str, *, incremental: bool = True) -> str:
    arm_id = f"{GROUP}/providers/Microsoft.Compute/snapshots/{uuid.uuid4()}"
    cloud.resources.put(Resource(arm_id, {"properties": {"incremental": incremental}}))
    await cloud.contents.create_from(arm_id, disk_id, SIZE)
    return arm_id


async def granted(cloud: Cloud, arm_id: str, duration_s: int = 3600) -> str:
    return await cloud.grants.grant(arm_id, "Read", duration_s, HOST)


async def made(cloud: Cloud, folder: Path) -> Disk:
    disk_id = f"{GROUP}/providers/Microsoft.Compute/disks/{uuid.uuid4()}"
    await cloud.contents.create_empty(disk_id, SIZE)
    await cloud.contents.write(disk_id, 0, piece(folder, b"a" * 8192))
    await cloud.contents.write(disk_id, 9 * MIB, piece(folder, b"b" * MIB))
    first = await snapshot(cloud, disk_id)
    await cloud.contents.write(disk_id, 4096, piece(folder, b"c" * 4096))
    await cloud.contents.write(disk_id, 32 * MIB, piece(folder, b"d" * 4096))
    second = await snapshot(cloud, disk_id)
    urls = await asyncio.gather(granted(cloud, first), granted(cloud, second))
    return Disk(disk_id, first, second, *urls)


@pytest.fixture(scope="module")
def disk(bare_cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Disk:
    return bare_cloud.run(made(bare_cloud, tmp_path_factory.mktemp("pieces")))


@pytest.fixture
def first(bare_cloud: Cloud, disk: Disk) -> Iterator[BlobClient]:
    with BlobClient.from_blob_url(disk.first_url, **bare_cloud.options) as client:
        yield client


def wanted_bytes(cloud: Cloud, arm_id: str) -> bytes:
    return cloud.contents.get(arm_id).path.read_bytes()


def test_the_blob_is_the_disk_with_a_footer(first: BlobClient) -> None:
    properties = first.get_blob_properties()
    footer = first.download_blob(offset=SIZE, length=512).readall()

    assert properties.size == WHOLE
    assert properties.blob_type == "PageBlob"
    assert footer[:8] == b"conectix"
    assert struct.unpack_from(">QQ", footer, 40) == (SIZE, SIZE)
    assert struct.unpack_from(">I", footer, 64)[0] == checksum(footer)


def test_a_range_is_exactly_what_was_asked_for(bare_cloud: Cloud, disk: Disk) -> None:
    data = wanted_bytes(bare_cloud, disk.first)

    for header in ("Range", "x-ms-range"):
        answer = bare_cloud.request(
            "GET", disk.first_url, {**VERSION, header: f"bytes=4000-{9 * MIB + 99}"}
        )
        assert answer.status == 206
        assert answer.data == data[4000 : 9 * MIB + 100]
        assert answer.headers["Content-Range"] == f"bytes 4000-{9 * MIB + 99}/{WHOLE}"


def test_a_range_over_the_end_is_cut_and_one_behind_it_refused(
    bare_cloud: Cloud, disk: Disk
) -> None:
    over = bare_cloud.request("GET", disk.first_url, {**VERSION, "Range": f"bytes={SIZE - 1}-"})
    far = bare_cloud.request(
        "GET", disk.first_url, {**VERSION, "Range": f"bytes={SIZE}-{2 * SIZE}"}
    )
    behind = bare_cloud.request("GET", disk.first_url, {**VERSION, "Range": f"bytes={WHOLE}-"})

    assert (len(over.data), len(far.data)) == (513, 512)
    assert (behind.status, behind.headers["x-ms-error-code"]) == (416, "InvalidRange")


def test_the_whole_blob_streams(bare_cloud: Cloud, disk: Disk) -> None:
    answer = bare_cloud.request("GET", disk.second_url, VERSION)

    assert answer.status == 200
    assert answer.data[:-512] == wanted_bytes(bare_cloud, disk.second)


def test_a_range_of_four_mebibytes_comes_with_its_md5_and_a_larger_one_does_not(
    bare_cloud: Cloud, disk: Disk
) -> None:
    asked = {**VERSION, "x-ms-range-get-content-md5": "true"}

    small = bare_cloud.request("GET", disk.first_url, {**asked, "Range": f"bytes=0-{4 * MIB - 1}"})
    large = bare_cloud.request("GET", disk.first_url, {**asked, "Range": f"bytes=0-{4 * MIB}"})

    digest = hashlib.md5(small.data, usedforsecurity=False).digest()
    assert small.headers["Content-MD5"] == base64.b64encode(digest).decode()
    assert large.status == 400


def test_page_ranges_are_what_is_allocated(first: BlobClient) -> None:
    ranges = [(page.start, page.end) for page in first.list_page_ranges()]

    assert ranges == [
        (0, 8191),
        (9 * MIB, 10 * MIB - 1),
        (SIZE, SIZE + 511),
    ]


def test_page_ranges_come_in_pages(first: BlobClient) -> None:
    pages = [list(page) for page in first.list_page_ranges(results_per_page=2).by_page()]

    assert [len(page) for page in pages] == [2, 1]
    assert [page.start for answer in pages for page in answer] == [0, 9 * MIB, SIZE]


def test_page_ranges_of_a_part_are_cut_to_it(first: BlobClient) -> None:
    ranges = first.list_page_ranges(offset=4096, length=9 * MIB)

    assert [(page.start, page.end) for page in ranges] == [
        (4096, 8191),
        (9 * MIB, 9 * MIB + 4095),
    ]


def test_differences_between_snapshots(bare_cloud: Cloud, disk: Disk) -> None:
    with BlobClient.from_blob_url(disk.second_url, **bare_cloud.options) as second:
        changed, cleared = second.get_page_range_diff_for_managed_disk(disk.first_url)

    assert [(page["start"], page["end"]) for page in changed] == [
        (4096, 8191),
        (32 * MIB, 32 * MIB + 4095),
    ]
    assert cleared == []


def test_a_previous_snapshot_by_parameter_is_refused(bare_cloud: Cloud, disk: Disk) -> None:
    url = f"{disk.second_url}&comp=pagelist&prevsnapshot=2026-01-01"

    refused = bare_cloud.request("GET", url, VERSION)

    assert refused.status == 400
    assert refused.headers["x-ms-error-code"] == "InvalidQueryParameterValue"


def differences(cloud: Cloud, url: str, previous: str) -> tuple[int, str]:
    with (
        BlobClient.from_blob_url(url, **cloud.options) as client,
        pytest.raises(HttpResponseError) as refused,
    ):
        client.get_page_range_diff_for_managed_disk(previous)
    return refused.value.status_code or 0, reason_of(refused.value)


def test_differences_need_two_good_sas_of_one_family_in_order(
    bare_cloud: Cloud, disk: Disk, tmp_path: Path
) -> None:
    other = bare_cloud.run(made(bare_cloud, tmp_path))
    full = bare_cloud.run(snapshot(bare_cloud, disk.disk_id, incremental=False))
    full_url = bare_cloud.run(granted(bare_cloud, full))
    revoked = other.second_url
    bare_cloud.run(bare_cloud.grants.revoke(other.second))

    assert differences(bare_cloud, disk.second_url, other.first_url)[0] == 409
    assert differences(bare_cloud, disk.first_url, disk.second_url)[0] == 400
    assert differences(bare_cloud, full_url, disk.first_url)[0] == 409
    assert differences(bare_cloud, disk.second_url, revoked) == (403, "AuthenticationFailed")


def expired(cloud: Cloud, disk: Disk) -> str:
    snapshot_id = cloud.run(snapshot(cloud, disk.disk_id))
    return cloud.run(granted(cloud, snapshot_id, duration_s=0))


def revoked(cloud: Cloud, disk: Disk) -> str:
    snapshot_id = cloud.run(snapshot(cloud, disk.disk_id))
    url = cloud.run(granted(cloud, snapshot_id))
    assert cloud.request("HEAD", url, VERSION).status == 200
    cloud.run(cloud.grants.revoke(snapshot_id))
    return url


def of_another_disk(_cloud: Cloud, disk: Disk) -> str:
    return disk.first_url.partition("?")[0] + "?" + disk.second_url.partition("?")[2]


def of_another_host(_cloud: Cloud, disk: Disk) -> str:
    return disk.first_url.replace("md-impexp-1", "md-impexp-2")


def altered(_cloud: Cloud, disk: Disk) -> str:
    return disk.first_url[:-6] + "AAA%3D"


@pytest.mark.parametrize("bad", [expired, revoked, of_another_disk, of_another_host, altered])
def test_a_sas_that_is_not_good_is_refused(
    bare_cloud: Cloud, disk: Disk, bad: Callable[[Cloud, Disk], str]
) -> None:
    refused = bare_cloud.request("GET", bad(bare_cloud, disk), VERSION)

    assert refused.status == 403
    assert refused.headers["x-ms-error-code"] == "AuthenticationFailed"
    root = ET.fromstring(refused.data.decode("utf-8-sig"))  # noqa: S314 - the simulator's own
    assert root.findtext("Code") == "AuthenticationFailed"
    assert refused.headers["x-ms-request-id"] in (root.findtext("Message") or "")


def test_without_a_sas_nothing_is_answered(bare_cloud: Cloud, disk: Disk) -> None:
    assert bare_cloud.request("GET", disk.first_url.partition("?")[0], VERSION).status == 401


@pytest.mark.parametrize(
    ("method", "query", "headers", "status"),
    [
        pytest.param("GET", "", {}, 400, id="without a version"),
        pytest.param("GET", "", {"x-ms-version": "2099-01-01"}, 400, id="a version to come"),
        pytest.param("PUT", "&comp=page", VERSION, 403, id="a write"),
        pytest.param("DELETE", "", VERSION, 403, id="a deletion"),
        pytest.param("GET", "&comp=metadata", VERSION, 403, id="another operation"),
        pytest.param("GET", "", {**VERSION, "If-Match": '"0"'}, 412, id="another etag"),
        pytest.param("GET", "", {**VERSION, "Range": "bytes=-5"}, 400, id="a range from the end"),
        pytest.param("GET", "&comp=pagelist&maxresults=0", VERSION, 400, id="no results"),
        pytest.param("GET", "&comp=pagelist&marker=x", VERSION, 400, id="a marker of its own"),
    ],
)
def test_what_export_hosts_do_not_do_is_refused(
    bare_cloud: Cloud, disk: Disk, method: str, query: str, headers: dict[str, str], status: int
) -> None:
    assert bare_cloud.request(method, disk.first_url + query, headers).status == status


def test_the_journal_says_which_bytes_were_read_and_no_signature(
    bare_cloud: Cloud, disk: Disk
) -> None:
    before = len(bare_cloud.journal.since(0))
    for first, last in ((0, 8191), (9 * MIB, 10 * MIB - 1)):
        bare_cloud.request("GET", disk.first_url, {**VERSION, "Range": f"bytes={first}-{last}"})

    entries = bare_cloud.journal.since(before)
    read = [(each["detail"]["offset"], each["detail"]["length"]) for each in entries]
    found = bare_cloud.contents.file_of(disk.first)
    assert found is not None
    assert read == list(found.allocated)
    assert [each["sent_bytes"] for each in entries] == [8192, MIB]
    assert all(each["detail"]["disk"] == disk.first for each in entries)
    assert disk.first_url.rpartition("sig=")[2] not in repr(bare_cloud.journal.since(0))
