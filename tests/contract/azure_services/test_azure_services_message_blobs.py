"""Blobs of messages in the home region's account: stored, and deleted by the operator alone."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from azure.core.exceptions import HttpResponseError

from tests.contract.azure_services.cloud import Adapters, Cloud
from tools import azure_roles
from tools.local_cloud import seed
from vmbackup_operator.environments.plan import MESSAGES_CONTAINER
from vmbackup_operator.naming import ArmId
from vmbackup_operator.services.data_plane import DataPlane
from vmbackup_operator.sessions.seen import Account, account_of

#: A container beside those of other tests.
BACKUPS = "other-backups"


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


async def names(data_plane: DataPlane, account: Account, prefix: str) -> set[str]:
    container = data_plane.blobs(account).get_container_client(MESSAGES_CONTAINER)
    return {name async for name in container.list_blob_names(name_starts_with=prefix)}


async def test_the_messages_of_a_launch_are_deleted_and_no_others(
    cloud: Cloud, ours: Adapters
) -> None:
    account, worker = cloud.home.account, uuid.uuid4().hex[:20]
    for name in (f"{worker}-1/aaaa/job-1", f"{worker}-1/aaaa/job-2", f"{worker}-1/bbbb/job-1"):
        await ours.queues.spill(account, name, name.encode(), soon())
    await ours.queues.spill(account, f"{worker}-10/aaaa/job-1", b"another's", soon())

    await ours.queues.delete_spilled(account, f"{worker}-1/aaaa/")

    left = await names(ours.data_plane, account, worker)
    assert {name.rpartition("/")[0] for name in left} == {f"{worker}-1/bbbb", f"{worker}-10/aaaa"}
    await ours.queues.delete_spilled(account, f"{worker}-1/")
    await ours.queues.delete_spilled(account, f"{worker}-1/")
    left = await names(ours.data_plane, account, worker)
    assert {name.rpartition("/")[0] for name in left} == {f"{worker}-10/aaaa"}


async def test_another_blob_of_the_same_message_lies_beside_it(
    cloud: Cloud, ours: Adapters
) -> None:
    account, name = cloud.home.account, f"{uuid.uuid4().hex[:20]}-1/aaaa/job-1"

    for sealed in (b"first", b"second", b"second"):
        await ours.queues.spill(account, name, sealed, soon())

    assert len(await names(ours.data_plane, account, name)) == 2


@pytest.fixture
def workers_role_at_the_repository(cloud: Cloud) -> Iterator[Account]:
    """The repository's account in the appliance's group, as operations.md says not to have it."""
    account = seed.REPOSITORY_ACCOUNT_ID
    container = f"{account}/blobServices/default/containers/{BACKUPS}"
    cloud.azure.arm(container, "2023-05-01", {"properties": {"publicAccess": "None"}})
    settings, principal = seed.example_settings(), seed.OPERATOR_OBJECT_ID
    given = azure_roles.assign(settings, "workers", account, principal)
    cloud.azure.arm(given.id, given.api_version, given.body)
    yield account_of(ArmId(account))
    cloud.azure.remove(given.id, given.api_version)


async def test_no_blob_is_deleted_in_any_other_container(
    ours: Adapters, workers_role_at_the_repository: Account
) -> None:
    container = ours.data_plane.blobs(workers_role_at_the_repository).get_container_client(BACKUPS)
    name = f"kept-{uuid.uuid4().hex}"
    await container.upload_blob(name, b"a backup")

    with pytest.raises(HttpResponseError) as refused:
        await container.delete_blob(name)

    assert refused.value.status_code == 403
    assert await (await container.download_blob(name)).readall() == b"a backup"
