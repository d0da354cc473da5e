"""The Archive tier: what the SDK meets of blobs that are archived, and on their way back."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import (
    BlobBlock,
    BlobClient,
    ContainerClient,
    RehydratePriority,
    StandardBlobTier,
)

from azure_simulator.storage.archived_blobs import TAKES_S
from tests.contract.ports.archive_tier_facts import ArchivePlace, ArchiveTierFacts
from tests.contract.simulator_storage.cloud import (
    ACCOUNT,
    ACCOUNT_ID,
    Cloud,
    reason_of,
    with_data_actions,
)
from vmbackup_core.stores.azure_archive_tier import AzureArchiveTier
from vmbackup_core.stores.azure_blob import AzureBlobStore
from vmbackup_core.stores.port import CredentialsRefused

pytestmark = pytest.mark.azurite

URL = f"https://{ACCOUNT}.blob.core.windows.net"
ARCHIVED, BEING_REHYDRATED = "BlobArchived", "BlobBeingRehydrated"


@pytest.fixture
def container(cloud: Cloud) -> Iterator[ContainerClient]:
    somebody = cloud.principal(("Storage Blob Data Contributor", ACCOUNT_ID))
    with ContainerClient(URL, "data", somebody, **cloud.options) as client:
        yield client


@pytest.fixture
def archived(container: ContainerClient) -> BlobClient:
    return container.upload_blob(
        uuid.uuid4().hex, b"cold", standard_blob_tier=StandardBlobTier.ARCHIVE
    )


def new_blob(container: ContainerClient) -> BlobClient:
    return container.get_blob_client(uuid.uuid4().hex)


def copy(source: BlobClient, target: BlobClient, priority: str = "Standard") -> None:
    target.start_copy_from_url(
        source.url,
        standard_blob_tier=StandardBlobTier.COOL,
        rehydrate_priority=RehydratePriority(priority),
    )


def wait(cloud: Cloud, priority: str) -> None:
    """Let the time pass that it takes at the cloud's speed."""
    cloud.waited_s += TAKES_S[priority] / 60 + 1


def refusal(attempt: Callable[[], object]) -> str:
    with pytest.raises(HttpResponseError) as refused:
        attempt()
    return reason_of(refused.value)


def offline_refusals(blob: BlobClient) -> list[str]:
    """Return what is said to each way of reading or changing the blob."""
    block = [BlobBlock(block_id="YQ==")]
    return [
        refusal(blob.download_blob),
        refusal(lambda: blob.download_blob(offset=1, length=1)),
        refusal(lambda: blob.upload_blob(b"new", overwrite=True)),
        refusal(lambda: blob.stage_block("YQ==", b"new")),
        refusal(lambda: blob.commit_block_list(block)),
        refusal(lambda: blob.set_blob_metadata({"a": "b"})),
        refusal(blob.create_snapshot),
    ]


def tier_of(blob: BlobClient) -> tuple[str, str | None]:
    found = blob.get_blob_properties()
    return str(found.blob_tier), found.archive_status


def test_a_blob_that_is_archived_is_listed_and_neither_read_nor_changed(
    container: ContainerClient, archived: BlobClient
) -> None:
    assert offline_refusals(archived) == [ARCHIVED] * 7
    (listed,) = container.list_blobs(name_starts_with=archived.blob_name)
    assert (listed.blob_tier, listed.archive_status, listed.size) == ("Archive", None, 4)


def test_a_blob_goes_into_the_tier_when_that_is_set(container: ContainerClient) -> None:
    blob = container.upload_blob(uuid.uuid4().hex, b"cold")

    blob.set_standard_blob_tier("Archive")

    assert tier_of(blob) == ("Archive", None)
    assert refusal(blob.download_blob) == ARCHIVED


@pytest.mark.parametrize("priority", ["Standard", "High"])
def test_a_blob_comes_back_when_its_time_is_over_and_not_before(
    cloud: Cloud, container: ContainerClient, archived: BlobClient, priority: str
) -> None:
    archived.set_standard_blob_tier("Cold", rehydrate_priority=RehydratePriority(priority))

    assert tier_of(archived) == ("Archive", "rehydrate-pending-to-cold")
    (listed,) = container.list_blobs(name_starts_with=archived.blob_name)
    assert listed.archive_status == "rehydrate-pending-to-cold"
    assert listed.rehydrate_priority == priority
    assert offline_refusals(archived) == [BEING_REHYDRATED] * 7
    wait(cloud, priority)
    assert archived.download_blob().readall() == b"cold"
    assert tier_of(archived) == ("Cold", None)


def test_of_a_blob_on_its_way_back_only_the_priority_is_raised(
    cloud: Cloud, archived: BlobClient
) -> None:
    archived.set_standard_blob_tier("Hot")

    refused = [
        refusal(partial(archived.set_standard_blob_tier, tier)) for tier in ("Archive", "Cool")
    ]
    archived.set_standard_blob_tier("Hot", rehydrate_priority=RehydratePriority.HIGH)

    assert refused == [BEING_REHYDRATED] * 2
    wait(cloud, "High")
    assert tier_of(archived) == ("Hot", None)


def test_a_copy_comes_back_under_its_own_name_and_the_source_stays(
    cloud: Cloud, container: ContainerClient, archived: BlobClient
) -> None:
    target = new_blob(container)

    copy(archived, target, "High")

    assert tier_of(target) == ("Archive", "rehydrate-pending-to-cool")
    assert refusal(target.download_blob) == BEING_REHYDRATED
    wait(cloud, "High")
    assert target.download_blob().readall() == b"cold"
    assert (tier_of(target), tier_of(archived)) == (("Cool", None), ("Archive", None))


def test_a_copy_on_its_way_back_can_be_deleted_and_asked_for_again(
    container: ContainerClient, archived: BlobClient
) -> None:
    target = new_blob(container)
    copy(archived, target)

    target.delete_blob()

    assert not target.exists()
    copy(archived, target)
    assert tier_of(target) == ("Archive", "rehydrate-pending-to-cool")


def test_a_copy_needs_another_name_an_online_tier_and_a_source_that_is_not_on_its_way(
    container: ContainerClient, archived: BlobClient
) -> None:
    other = new_blob(container)

    assert refusal(lambda: copy(archived, archived)) == ARCHIVED
    assert refusal(lambda: other.start_copy_from_url(archived.url)) == ARCHIVED
    assert refusal(lambda: copy(new_blob(container), other)) == "BlobNotFound"
    archived.set_standard_blob_tier("Hot")
    assert refusal(lambda: copy(archived, other)) == BEING_REHYDRATED


def test_what_is_deleted_and_stored_anew_is_archived_no_longer(archived: BlobClient) -> None:
    archived.delete_blob()
    archived.upload_blob(b"warm")

    assert archived.download_blob().readall() == b"warm"


def test_who_may_not_write_a_blob_may_not_set_its_tier(
    cloud: Cloud, container: ContainerClient
) -> None:
    """Though he copies what is archived to be read, as the operator does without more rights."""
    name = uuid.uuid4().hex
    container.upload_blob(name, b"warm")
    somebody = with_data_actions(cloud, "read", "add/action", "delete")
    with ContainerClient(URL, "data", somebody, **cloud.options) as client:
        store, tier = AzureBlobStore(client), AzureArchiveTier(client)

        with pytest.raises(CredentialsRefused):
            tier.put_away(name)

        container.get_blob_client(name).set_standard_blob_tier("Archive")
        tier.bring_back(name, f"{name}-copy", "High")
        assert {each.archived for each in store.list(name)} == {True}


class TestAzureArchiveTier(ArchiveTierFacts):
    """By somebody who may read, create, delete, and write, which setting a tier takes."""

    @pytest.fixture
    def place(self, cloud: Cloud, container: ContainerClient) -> Iterator[ArchivePlace]:
        somebody = with_data_actions(cloud, "read", "add/action", "delete", "write")

        def put(name: str, content: bytes) -> None:
            container.upload_blob(name, content, standard_blob_tier=StandardBlobTier.ARCHIVE)

        with ContainerClient(URL, "data", somebody, **cloud.options) as client:
            yield ArchivePlace(
                AzureBlobStore(client), AzureArchiveTier(client), put, partial(wait, cloud)
            )
