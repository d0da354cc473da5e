"""Packs put into the Archive tier in Azure, with the operator's own rights and no others."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from azure.core.exceptions import HttpResponseError

from tests.contract.azure_services.cloud import Cloud
from tests.contract.azure_services.test_azure_services_repositories import (
    make_container,
    repository,
)
from tools import azure_roles
from tools.local_cloud import seed
from vmbackup_core.errors import PermanentError
from vmbackup_core.stores.archive_tier import ArchiveTier
from vmbackup_core.stores.azure_blob import container_client
from vmbackup_core.stores.azure_errors import code_of
from vmbackup_core.stores.port import CredentialsRefused
from vmbackup_operator.naming import control_container
from vmbackup_operator.services.credentials import ca_file, synchronous_credential
from vmbackup_operator.services.repository_stores import RepositoryStores

DATA = "tiered-archives"
PACK = "c/0/p/00000/001/0-00000/000"


@pytest.fixture
def stores(cloud: Cloud) -> Iterator[RepositoryStores]:
    for name in (DATA, control_container(DATA)):
        make_container(cloud, name)
    made = RepositoryStores(synchronous_credential())
    yield made
    made.close()


def give_role(cloud: Cloud) -> None:
    """Give the operator the role for the tier, as the documented command does."""
    settings = seed.example_settings()
    scope = f"{seed.REPOSITORY_ACCOUNT_ID}/blobServices/default/containers/{DATA}"
    for put in (
        azure_roles.define(settings, azure_roles.TIERS, [scope]),
        azure_roles.assign(settings, azure_roles.TIERS, scope, seed.OPERATOR_OBJECT_ID),
    ):
        cloud.azure.arm(put.id, put.api_version, put.body)


async def put_away_once_it_counts(tier: ArchiveTier) -> None:
    for _ in range(60):
        try:
            await asyncio.to_thread(tier.put_away, PACK)
        except CredentialsRefused:  # until it counts
            await asyncio.sleep(0.5)
        else:
            return
    raise AssertionError("the role never counts")


def overwriting(container: str) -> str:
    """Return what Azure says to the operator's identity when it overwrites the pack there."""
    account = seed.REPOSITORY_ACCOUNT_ID.rsplit("/", 1)[1]
    url = f"https://{account}.blob.core.windows.net/{container}"
    with (
        container_client(url, synchronous_credential(), ca_file=ca_file()) as client,
        pytest.raises(HttpResponseError) as refused,
    ):
        client.upload_blob(PACK, b"other", overwrite=True)
    return code_of(refused.value)


async def test_with_the_role_at_its_container_a_pack_is_put_away_and_control_stays_as_it_is(
    cloud: Cloud, stores: RepositoryStores
) -> None:
    archive = repository(DATA)
    await stores.ask(archive, lambda places: places.data.put_new(PACK, b"cold"))
    await stores.ask(archive, lambda places: places.control.put_new(PACK, b"decides"))
    tier = stores.tier(archive)
    with pytest.raises(PermanentError) as without:
        await asyncio.to_thread(tier.put_away, PACK)

    give_role(cloud)
    await put_away_once_it_counts(tier)

    assert without.value.reason == "AuthorizationPermissionMismatch"
    listed = await stores.ask(archive, lambda places: list(places.data.list("")))
    assert [(each.name, each.archived) for each in listed] == [(PACK, True)]
    control = await asyncio.to_thread(overwriting, control_container(DATA))
    assert control == "UnauthorizedBlobOverwrite"
