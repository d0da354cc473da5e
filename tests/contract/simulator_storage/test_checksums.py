"""MD5s that come with what is put: compared where Azure compares them, before it is applied."""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Callable, Iterator

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobBlock, BlobClient, ContainerClient, ContentSettings

from tests.contract.simulator_storage.cloud import (
    ACCOUNT,
    ACCOUNT_ID,
    WORM,
    WORM_ID,
    Cloud,
    reason_of,
)

pytestmark = pytest.mark.azurite

CONTRIBUTOR = "Storage Blob Data Contributor"
DATA = bytes(range(256)) * 1024
EMPTY, BLOCK = b"", "YmxvY2s="
WRONG = bytes(16)

Headers = dict[str, str]
Put = Callable[[BlobClient, Headers], object]


def md5_of(content: bytes) -> bytes:
    return hashlib.md5(content, usedforsecurity=False).digest()


def said(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def url_of(account: str) -> str:
    return f"https://{account}.blob.core.windows.net"


@pytest.fixture
def blob(cloud: Cloud) -> Iterator[BlobClient]:
    """A name where nothing is."""
    somebody = cloud.principal((CONTRIBUTOR, ACCOUNT_ID))
    with ContainerClient(url_of(ACCOUNT), "data", somebody, **cloud.options) as container:
        yield container.get_blob_client(str(uuid.uuid4()))


def put_blob(blob: BlobClient, headers: Headers) -> None:
    blob.upload_blob(DATA, headers=headers, overwrite=True)


def put_block(blob: BlobClient, headers: Headers) -> None:
    blob.stage_block(BLOCK, DATA, headers=headers)


def put_page(blob: BlobClient, headers: Headers) -> None:
    blob.upload_page(DATA, 0, len(DATA), headers=headers)


def append(blob: BlobClient, headers: Headers) -> None:
    blob.append_block(DATA, headers=headers)


def has_nothing(blob: BlobClient) -> bool:
    return not blob.exists()


def has_no_block(blob: BlobClient) -> bool:
    try:
        return blob.get_block_list("all") == ([], [])
    except ResourceNotFoundError:
        return True


def has_no_page(blob: BlobClient) -> bool:
    return not list(blob.list_page_ranges())


def is_empty(blob: BlobClient) -> bool:
    return blob.get_blob_properties().size == 0


def make_nothing(_blob: BlobClient) -> None:
    pass


def make_pages(blob: BlobClient) -> None:
    blob.create_page_blob(len(DATA))


def make_log(blob: BlobClient) -> None:
    blob.create_append_blob()


@pytest.mark.parametrize("digest", [WRONG, md5_of(DATA[:-1])], ids=["zeros", "of less"])
@pytest.mark.parametrize(
    ("make", "put", "header", "has_changed_nothing"),
    [
        pytest.param(make_nothing, put_blob, "Content-MD5", has_nothing, id="Put Blob"),
        pytest.param(
            make_nothing, put_blob, "x-ms-blob-content-md5", has_nothing, id="Put Blob, kept"
        ),
        pytest.param(make_nothing, put_block, "Content-MD5", has_no_block, id="Put Block"),
        pytest.param(make_pages, put_page, "Content-MD5", has_no_page, id="Put Page"),
        pytest.param(make_log, append, "Content-MD5", is_empty, id="Append Block"),
    ],
)
def test_content_that_has_another_md5_is_refused_and_changes_nothing(
    blob: BlobClient,
    make: Callable[[BlobClient], None],
    put: Put,
    header: str,
    has_changed_nothing: Callable[[BlobClient], bool],
    digest: bytes,
) -> None:
    make(blob)

    with pytest.raises(HttpResponseError) as refused:
        put(blob, {header: said(digest)})

    assert (refused.value.status_code, reason_of(refused.value)) == (400, "Md5Mismatch")
    assert has_changed_nothing(blob)
    put(blob, {header: said(md5_of(DATA))})
    assert not has_changed_nothing(blob)


def test_the_md5_of_a_block_list_is_that_of_the_request_and_the_blob_s_own_is_kept_unseen(
    blob: BlobClient,
) -> None:
    put_block(blob, {})
    kept = ContentSettings(content_md5=bytearray(WRONG))

    with pytest.raises(HttpResponseError) as refused:
        blob.commit_block_list([BlobBlock(BLOCK)], headers={"Content-MD5": said(md5_of(DATA))})
    assert (refused.value.status_code, reason_of(refused.value)) == (400, "Md5Mismatch")
    assert has_nothing(blob)

    blob.commit_block_list([BlobBlock(BLOCK)], content_settings=kept, validate_content=True)
    assert bytes(blob.get_blob_properties().content_settings.content_md5 or b"") == WRONG
    assert blob.download_blob().readall() == DATA


@pytest.mark.parametrize(
    ("value", "code"), [(said(WRONG), "Md5Mismatch"), ("xyz", "InvalidMd5")], ids=["other", "none"]
)
def test_tags_that_have_another_md5_change_nothing(
    cloud: Cloud, blob: BlobClient, value: str, code: str
) -> None:
    somebody = cloud.principal(("Storage Blob Data Owner", ACCOUNT_ID))
    with BlobClient.from_blob_url(blob.url, somebody, **cloud.options) as owned:
        put_blob(owned, {})
        owned.set_blob_tags({"kept": "yes"}, validate_content=True)

        with pytest.raises(HttpResponseError) as refused:
            owned.set_blob_tags({"kept": "no"}, headers={"Content-MD5": value})

        assert (refused.value.status_code, reason_of(refused.value)) == (400, code)
        assert owned.get_blob_tags() == {"kept": "yes"}


def test_a_blob_without_content_has_an_md5_as_well(blob: BlobClient) -> None:
    with pytest.raises(HttpResponseError) as refused:
        blob.upload_blob(EMPTY, headers={"Content-MD5": said(WRONG)})
    assert reason_of(refused.value) == "Md5Mismatch"
    assert has_nothing(blob)

    blob.upload_blob(EMPTY, headers={"Content-MD5": said(md5_of(EMPTY))})
    assert is_empty(blob)


@pytest.mark.parametrize("value", ["xyz", "!" * 24, said(bytes(15))])
def test_what_is_no_md5_is_refused(blob: BlobClient, value: str) -> None:
    with pytest.raises(HttpResponseError) as refused:
        put_blob(blob, {"Content-MD5": value})

    assert (refused.value.status_code, reason_of(refused.value)) == (400, "InvalidMd5")
    assert has_nothing(blob)


def test_what_the_sdk_says_of_its_content_is_right(blob: BlobClient) -> None:
    make_pages(blob)
    blob.upload_page(DATA, 0, len(DATA), validate_content=True)

    assert blob.download_blob().readall() == DATA


def test_where_versions_are_kept_a_refused_one_is_none(worm_cloud: Cloud) -> None:
    somebody = worm_cloud.principal((CONTRIBUTOR, WORM_ID))
    with ContainerClient(url_of(WORM), "data", somebody, **worm_cloud.options) as container:
        blob = container.get_blob_client(str(uuid.uuid4()))
        put_blob(blob, {})
        before = blob.get_blob_properties()

        with pytest.raises(HttpResponseError) as refused:
            put_blob(blob, {"Content-MD5": said(WRONG)})

        assert reason_of(refused.value) == "Md5Mismatch"
        after = blob.get_blob_properties()
        versions = container.list_blobs(blob.blob_name, include=["versions"])
        assert len(list(versions)) == 1

    assert (after.version_id, after.etag) == (before.version_id, before.etag)
