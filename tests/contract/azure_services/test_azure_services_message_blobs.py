"""Blobs of messages in the home region's account: stored, and deleted by the operator alone."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from azure.core.exceptions import HttpResponseError

from tests.contract.azure_services.cloud import Adapters, Cloud
from vmbackup_operator.environments.plan import MESSAGES_CONTAINER
from vmbackup_operator.services.data_plane import DataPlane
from vmbackup_operator.sessions.seen import Account

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


async def test_no_blob_is_deleted_in_any_other_container(cloud: Cloud, ours: Adapters) -> None:
    """A repository's container in an account of a region is none that its workers' role opens."""
    account = cloud.home.account
    path = f"{account.id}/blobServices/default/containers/{BACKUPS}"
    cloud.azure.arm(path, "2023-05-01", {"properties": {"publicAccess": "None"}})
    container = ours.data_plane.blobs(account).get_container_client(BACKUPS)
    name = f"kept-{uuid.uuid4().hex}"
    await container.upload_blob(name, b"a backup")

    with pytest.raises(HttpResponseError) as refused:
        await container.delete_blob(name)

    assert refused.value.status_code == 403
    assert await (await container.download_blob(name)).readall() == b"a backup"
