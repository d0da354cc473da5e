"""What a worker may do in a repository's data: create and read, as Azure lets a SAS that says so.

Where Azurite alone would do otherwise the simulator answers in its place: it says
UnauthorizedBlobOverwrite, not AuthorizationPermissionMismatch, to a put on a name that is taken,
and lets who may create snapshot a blob, and refuses tags.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import ContainerClient

from tests.contract.simulator_storage.cloud import (
    KEYLESS_ID,
    Cloud,
    Principal,
    reason_of,
)
from tests.contract.simulator_storage.data_sas import AT_ONCE, URL, data_of, data_sas
from tests.worlds.hand_made_grants import HandMadeChain, written
from vmbackup_core.ids import RunId
from vmbackup_core.repository.data.said import MIB
from vmbackup_core.stores.azure_blob import AzureBlobStore
from vmbackup_core.stores.port import AlreadyStored, CredentialsRefused

pytestmark = pytest.mark.azurite

OVERWRITE, MISMATCH = "UnauthorizedBlobOverwrite", "AuthorizationPermissionMismatch"


@pytest.fixture
def operator(cloud: Cloud) -> Principal:
    return cloud.principal(("Storage Blob Data Contributor", KEYLESS_ID))


@pytest.fixture
def sas(cloud: Cloud, operator: Principal) -> str:
    return data_sas(cloud, operator)


@pytest.fixture
def worker(cloud: Cloud, sas: str) -> Iterator[ContainerClient]:
    with ContainerClient(URL, "data", sas, **cloud.options) as client:
        yield client


@pytest.fixture
def taken(worker: ContainerClient) -> str:
    """The name of a blob that is there."""
    name = f"c/{uuid.uuid4().hex}"
    worker.upload_blob(name, b"first")
    return name


Act = Callable[[ContainerClient, str], object]

OVERWRITES: dict[str, Act] = {
    "put": lambda c, name: c.upload_blob(name, b"second", overwrite=True),
    "put if absent": lambda c, name: c.upload_blob(name, b"second", overwrite=False),
    "put the same": lambda c, name: c.upload_blob(name, b"first", overwrite=True),
    "put if it is there": lambda c, name: c.upload_blob(
        name, b"second", overwrite=True, headers={"If-Match": "*"}
    ),
    "page blob": lambda c, name: c.get_blob_client(name).create_page_blob(512),
    "append blob": lambda c, name: c.get_blob_client(name).create_append_blob(),
}

REFUSED: dict[str, Act] = {
    "list": lambda c, _name: list(c.list_blobs()),
    "list a name": lambda c, name: list(c.list_blobs(name_starts_with=name)),
    "list by folder": lambda c, _name: list(c.walk_blobs()),
    "delete": lambda c, name: c.delete_blob(name),
    "delete with snapshots": lambda c, name: c.delete_blob(name, delete_snapshots="include"),
    "metadata": lambda c, name: c.get_blob_client(name).set_blob_metadata({"a": "b"}),
    "properties": lambda c, name: c.get_blob_client(name).set_http_headers(None),
    "tags": lambda c, name: c.get_blob_client(name).set_blob_tags({"a": "b"}),
    "tags of a new one": lambda c, name: c.upload_blob(f"{name}-new", b"x", tags={"a": "b"}),
    "tier": lambda c, name: c.get_blob_client(name).set_standard_blob_tier("Archive"),
    "lease": lambda c, name: c.get_blob_client(name).acquire_lease(15),
    "block": lambda c, name: c.get_blob_client(name).stage_block("MDAwMQ==", b"x"),
    "block list": lambda c, name: c.get_blob_client(name).commit_block_list([]),
    "container": lambda c, _name: c.get_container_properties(),
    "container's lease": lambda c, _name: c.acquire_lease(15),
    "container's end": lambda c, _name: c.delete_container(),
}


@pytest.mark.parametrize("act", OVERWRITES.values(), ids=OVERWRITES)
def test_a_name_that_is_taken_stays_as_it_is(worker: ContainerClient, taken: str, act: Act) -> None:
    with pytest.raises(HttpResponseError) as refused:
        act(worker, taken)

    assert (refused.value.status_code, reason_of(refused.value)) == (403, OVERWRITE)
    assert worker.download_blob(taken).readall() == b"first"


@pytest.mark.parametrize("act", REFUSED.values(), ids=REFUSED)
def test_what_is_neither_creating_nor_reading_is_refused(
    worker: ContainerClient, taken: str, act: Act
) -> None:
    with pytest.raises(HttpResponseError) as refused:
        act(worker, taken)

    assert (refused.value.status_code, reason_of(refused.value)) == (403, MISMATCH)
    assert worker.download_blob(taken).readall() == b"first"


def test_a_snapshot_may_be_made_and_does_not_keep_the_operator_from_deleting(
    cloud: Cloud, operator: Principal, worker: ContainerClient, taken: str
) -> None:
    made = worker.get_blob_client(taken).create_snapshot()
    with pytest.raises(HttpResponseError) as refused:
        worker.get_blob_client(taken, snapshot=str(made["snapshot"])).delete_blob()
    assert reason_of(refused.value) == MISMATCH

    with ContainerClient(URL, "data", operator, **cloud.options) as client:
        AzureBlobStore(client, patience=AT_ONCE).delete(taken)
        assert list(client.list_blobs(name_starts_with=taken, include=["snapshots"])) == []


def test_the_store_tells_a_name_that_is_taken_from_credentials_that_are_refused(
    worker: ContainerClient, taken: str
) -> None:
    store = AzureBlobStore(worker, patience=AT_ONCE)

    with pytest.raises(AlreadyStored):
        store.put_new(taken, b"first")
    with pytest.raises(CredentialsRefused):
        list(store.list(""))
    with pytest.raises(CredentialsRefused):
        store.delete(taken)


def test_a_put_that_is_sent_again_is_known_as_ones_own(worker: ContainerClient, taken: str) -> None:
    store = data_of(worker)
    store.put_new(taken, b"first")

    with pytest.raises(AlreadyStored):
        store.put_new(taken, b"second")
    assert store.get(taken, most=5) == b"first"


def test_a_disk_is_written_with_these_rights_alone(cloud: Cloud, worker: ContainerClient) -> None:
    content = random.Random(7).randbytes(3 * MIB) + bytes(MIB)  # noqa: S311 - repeatable
    chain, run = HandMadeChain(uuid.uuid4().hex, len(content)), RunId(uuid.uuid4().hex)
    store, before = data_of(worker), len(cloud.journal.since(0))
    done = written(chain, store, chain.grant(run), content, threads=2)

    assert chain.restored(store, done) == content
    asked = {each["detail"]["operation"] for each in cloud.journal.since(0)[before:]}
    assert asked <= {"PutBlob", "GetBlob", "GetBlobProperties"}
