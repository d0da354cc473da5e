"""A repository in a real Azurite, with no more rights than a worker and a reader have."""

from __future__ import annotations

import pytest

from tests.contract.conftest import ACCOUNT
from tests.contract.test_stores import new_container_url, with_sas
from tests.unit.repository.bench import BLOCK, Bench, StandingClock, noise
from tools.local_cloud.azurite import Azurite
from vmbackup_core.repository import RepositoryKey, initialise, open_repository
from vmbackup_core.stores.azure_blob import AzureBlobStore, container_client
from vmbackup_core.stores.port import CredentialsRefused

CONTENT = noise(1, 9 * BLOCK) + bytes(50 * BLOCK) + noise(2, 30 * BLOCK + 99)


def test_a_disk_goes_to_azure_and_comes_back(running_azurite: Azurite) -> None:
    url = new_container_url(running_azurite)
    key = RepositoryKey.generate()
    with container_client(url, running_azurite.accounts[ACCOUNT]) as client:
        store = AzureBlobStore(client)
        repository = initialise(store, key, appliance_id="home", clock=StandingClock())
        bench = Bench(store, key, repository)
        with container_client(with_sas(url, running_azurite, "rcl")) as workers:
            worker = AzureBlobStore(workers)
            committed = bench.back_up(1, CONTENT, store=worker, threads=4)
            again = bench.back_up(2, CONTENT, store=worker, threads=4)
        bench.record(1, committed, len(CONTENT))
        point = bench.record(2, again, len(CONTENT))

    with container_client(with_sas(url, running_azurite, "rl")) as reader:
        reading = AzureBlobStore(reader)
        opened = Bench(reading, key, open_repository(reading, key))
        assert opened.repository.check(read_data=True).good
        assert opened.restored(point, threads=4) == CONTENT

    assert again.stored_bytes == 0


def test_a_refusal_says_so_without_the_sas(running_azurite: Azurite) -> None:
    url = with_sas(new_container_url(running_azurite), running_azurite, "c")
    with (
        container_client(url) as client,
        pytest.raises(CredentialsRefused, match="reading header in contracts/") as refused,
    ):
        open_repository(AzureBlobStore(client), RepositoryKey.generate())

    assert "403 Authorization" in str(refused.value)
    assert "sig=" not in str(refused.value)
