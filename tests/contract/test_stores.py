"""The contract of a store, kept by Azure's adapter over a real Azurite."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from azure.storage.blob import ContainerSasPermissions, generate_container_sas

from tests.contract.conftest import ACCOUNT
from tests.contract.ports.store_facts import StoreFacts
from tools.local_cloud.azurite import Azurite
from vmbackup_core.clock import SystemClock
from vmbackup_core.protocol import RepositoryAccess
from vmbackup_core.stores.azure_blob import SERVICE_VERSION, AzureBlobStore, container_client
from vmbackup_core.stores.port import Store, Tier
from vmbackup_worker.renewable_store import container_store


def new_container_url(running: Azurite) -> str:
    url = f"{running.blob_url(ACCOUNT)}/{uuid.uuid4().hex}"
    with container_client(url, running.accounts[ACCOUNT]) as client:
        client.create_container()
    return url


def with_sas(url: str, running: Azurite, permissions: str) -> str:
    sas = generate_container_sas(
        ACCOUNT,
        url.rpartition("/")[2],
        account_key=running.accounts[ACCOUNT],
        permission=ContainerSasPermissions.from_string(permissions),
        expiry=SystemClock().now().replace(year=2099),
        version=SERVICE_VERSION,
    )
    return f"{url}?{sas}"


class TestAzureBlobStore(StoreFacts):
    @pytest.fixture(params=["key", "sas"])
    def store(self, request: pytest.FixtureRequest, running_azurite: Azurite) -> Iterator[Store]:
        url, key = new_container_url(running_azurite), running_azurite.accounts[ACCOUNT]
        by_sas = request.param == "sas"
        address = with_sas(url, running_azurite, "rcld") if by_sas else url
        with container_client(address, None if by_sas else key) as client:
            yield AzureBlobStore(client)


PACK = f"c/{'a' * 32}/p/00000/001/{'b' * 32}-00000/000"
INDEX = f"c/{'a' * 32}/i/00000/001/{'b' * 32}-00000/000"
MANIFEST = f"c/{'a' * 32}/m/00000/001/{'b' * 32}"


@pytest.mark.parametrize("tier", ["Hot", "Cool", "Cold"])
def test_a_workers_packs_are_put_into_the_tier_and_all_else_stays_where_it_is_read(
    running_azurite: Azurite, tier: Tier
) -> None:
    url = with_sas(new_container_url(running_azurite), running_azurite, "rcl")
    store = container_store(RepositoryAccess(url, tier))
    for name in (PACK, INDEX, MANIFEST):
        store.put_new(name, b"content")

    with container_client(url) as client:
        tiers = {each.name: str(each.blob_tier) for each in client.list_blobs()}
    assert tiers == {PACK: tier, INDEX: "Hot", MANIFEST: "Hot"}
    assert store.get(PACK, most=7) == b"content"
