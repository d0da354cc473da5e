"""What each SAS lets its holder do, and nothing more."""

from __future__ import annotations

import asyncio
import os
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.mgmt.storage import StorageManagementClient
from azure.storage.blob.aio import ContainerClient
from azure.storage.queue.aio import QueueClient

from tests.contract.azure_services.cloud import Adapters, Cloud, until
from vmbackup_core.errors import PermanentError, RefusedForNow, VmbackupError
from vmbackup_core.stores.azure_blob import SERVICE_VERSION
from vmbackup_operator.sessions.seen import Account, Received, SecretUrl


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


def options() -> dict[str, Any]:
    """Return what somebody else's client is made with, who has nothing but the SAS."""
    ca = os.environ["SSL_CERT_FILE"]
    return {"api_version": SERVICE_VERSION, "retry_total": 0, "connection_verify": ca}


def container(url: SecretUrl) -> ContainerClient:
    return ContainerClient.from_container_url(url.value, **options())


def queue(url: SecretUrl) -> QueueClient:
    return QueueClient.from_queue_url(url.value, **options())


async def test_write_new_creates_lists_and_reads_but_neither_overwrites_nor_deletes(
    cloud: Cloud, ours: Adapters
) -> None:
    name = uuid.uuid4().hex
    url = await ours.signatures.container(cloud.region.account, "messages", "write_new", soon())

    async with container(url) as client:
        blob = client.get_blob_client(name)
        await blob.upload_blob(b"once")
        assert await (await blob.download_blob()).readall() == b"once"
        assert name in [b.name async for b in client.list_blobs()]
        with pytest.raises(HttpResponseError) as overwritten:
            await blob.upload_blob(b"twice", overwrite=True)
        with pytest.raises(HttpResponseError) as deleted:
            await blob.delete_blob()
    assert (overwritten.value.status_code, deleted.value.status_code) == (403, 403)


async def test_read_reads_and_does_not_write(cloud: Cloud, ours: Adapters) -> None:
    url = await ours.signatures.container(cloud.region.account, "messages", "read", soon())

    async with container(url) as client:
        _ = [b.name async for b in client.list_blobs()]
        with pytest.raises(HttpResponseError) as refused:
            await client.get_blob_client("new").upload_blob(b"x")
    assert refused.value.status_code == 403


async def test_a_container_sas_opens_no_other_container(cloud: Cloud, ours: Adapters) -> None:
    url = await ours.signatures.container(cloud.region.account, "messages", "read", soon())
    other = SecretUrl(url.value.replace("/messages?", "/bundle?"))

    async with container(other) as client:
        with pytest.raises(HttpResponseError) as refused:
            _ = [b.name async for b in client.list_blobs()]
    assert refused.value.status_code == 403


async def test_a_worker_takes_its_jobs_and_cannot_add_any(cloud: Cloud, ours: Adapters) -> None:
    name = f"vmb-jobs-{uuid.uuid4().hex[:12]}"
    await ours.queues.ensure(cloud.home.account, name)
    await ours.queues.put(cloud.home.account, name, "<job/> & more", 600)
    url = await ours.signatures.queue(cloud.home.account, name, "take", soon())

    async with queue(url) as client:
        message = await client.receive_message(visibility_timeout=30)
        assert message is not None
        assert message.content == "<job/> & more"
        message = await client.update_message(message, visibility_timeout=60)
        await client.delete_message(message)
        with pytest.raises(HttpResponseError) as refused:
            await client.send_message("mine")
    assert refused.value.status_code == 403


async def test_a_worker_sends_events_and_cannot_read_others(cloud: Cloud, ours: Adapters) -> None:
    name = f"vmb-events-{uuid.uuid4().hex[:12]}"
    await ours.queues.ensure(cloud.home.account, name)
    url = await ours.signatures.queue(cloud.home.account, name, "send", soon())

    async with queue(url) as client:
        await client.send_message("hello")
        with pytest.raises(HttpResponseError) as refused:
            await client.receive_message()
    assert refused.value.status_code == 403
    (received,) = await ours.queues.take(cloud.home.account, name, 30)
    assert received.text == "hello"


async def test_a_sas_longer_than_azure_gives_keys_for_is_refused(
    cloud: Cloud, ours: Adapters
) -> None:
    with pytest.raises(PermanentError) as refused:
        await ours.signatures.container(
            cloud.region.account, "messages", "read", datetime.now(UTC) + timedelta(days=8)
        )

    assert refused.value.reason == "SignatureTooLong"


async def test_a_delegation_key_serves_for_many_signatures(cloud: Cloud, ours: Adapters) -> None:
    before = cloud.azure.last_entry()

    for _ in range(3):
        await ours.signatures.container(cloud.region.account, "messages", "read", soon())

    asked = [e for e in cloud.azure.journal(before) if "userdelegationkey" in e["query"].lower()]
    assert len(asked) == 1


def revoke_keys(cloud: Cloud, account: Account) -> None:
    """End every user delegation key of the account, as its owner."""
    group, name = account.id.split("/")[4], account.id.split("/")[-1]
    with StorageManagementClient(
        cloud.azure.credential, account.id.split("/")[2], **cloud.azure.transport
    ) as client:
        client.storage_accounts.revoke_user_delegation_keys(group, name)


async def listed(url: SecretUrl) -> int:
    """Return the status of a listing."""
    async with container(url) as client:
        try:
            _ = [b.name async for b in client.list_blobs()]
        except HttpResponseError as refused:
            return refused.status_code or 0
    return 200


async def test_a_key_that_was_revoked_is_asked_for_anew_once_it_is_forgotten(
    cloud: Cloud, ours: Adapters
) -> None:
    account = cloud.region.account
    before = await ours.signatures.container(account, "messages", "read", soon())
    revoke_keys(cloud, account)
    kept = await ours.signatures.container(account, "messages", "read", soon())

    ours.signatures.forget_keys()
    anew = await ours.signatures.container(account, "messages", "read", soon())

    assert [await listed(url) for url in (before, kept, anew)] == [403, 403, 200]


async def test_a_bundle_whose_key_was_revoked_is_stored_at_the_next_try(
    cloud: Cloud, ours: Adapters
) -> None:
    await ours.signatures.container(cloud.region.account, "bundle", "read", soon())
    revoke_keys(cloud, cloud.region.account)

    with pytest.raises(VmbackupError):
        await until(lambda: ours.bundles.ensure(cloud.region))
    stored = await until(lambda: ours.bundles.ensure(cloud.region))

    assert stored.container == "bundle"


async def test_queues_are_made_once_and_deleted(cloud: Cloud, ours: Adapters) -> None:
    account, name = cloud.home.account, f"vmb-jobs-{uuid.uuid4().hex[:12]}"

    assert await ours.queues.ensure(account, name) is True
    assert await ours.queues.ensure(account, name) is True
    await ours.queues.put(account, name, "one", 600)
    await ours.queues.delete(account, name)
    await ours.queues.delete(account, name)


async def test_all_queues_of_a_worker_are_deleted_and_no_others(
    cloud: Cloud, ours: Adapters
) -> None:
    account, stem = cloud.home.account, f"vmb-jobs-{uuid.uuid4().hex[:12]}"
    for name in (f"{stem}-1-aaaa", f"{stem}-1-bbbb", f"{stem}-10-cccc"):
        assert await ours.queues.ensure(account, name) is True

    await ours.queues.delete_all(account, f"{stem}-1-")

    for gone in (f"{stem}-1-aaaa", f"{stem}-1-bbbb"):
        with pytest.raises(RefusedForNow) as refused:
            await ours.queues.take(account, gone, 30)
        assert refused.value.reason == "NotFound"
    assert await ours.queues.take(account, f"{stem}-10-cccc", 30) == []
    await ours.queues.delete_all(account, stem)


async def test_a_message_that_expires_while_it_is_taken_never_comes_again(
    cloud: Cloud, ours: Adapters
) -> None:
    account, name = cloud.home.account, f"vmb-events-{uuid.uuid4().hex[:12]}"
    await ours.queues.ensure(account, name)
    await ours.queues.put(account, name, "one", 2)
    (first,) = await ours.queues.take(account, name, 3)
    assert first.text == "one"

    await asyncio.sleep(4)  # the service's own clock

    assert await ours.queues.take(account, name, 3) == []
    await ours.queues.delete(account, name)


async def test_a_message_taken_by_another_meanwhile_is_left_alone(
    cloud: Cloud, ours: Adapters
) -> None:
    account, name = cloud.home.account, f"vmb-jobs-{uuid.uuid4().hex[:12]}"
    await ours.queues.ensure(account, name)
    await ours.queues.put(account, name, "one", 600)
    (first,) = await ours.queues.take(account, name, 600)
    stale = Received(first.text, first.message_id, "AgAAAAMAAAAAAAAAAAAAAAAAAAAA", 1)

    await ours.queues.remove(account, name, stale)
    await ours.queues.remove(account, name, first)
    await ours.queues.remove(account, name, first)


async def test_what_is_too_large_for_a_queue_is_read_by_its_own_sas_only(
    cloud: Cloud, ours: Adapters
) -> None:
    name = uuid.uuid4().hex
    await ours.queues.spill(cloud.home.account, name, b"first", soon())

    await ours.queues.spill(cloud.home.account, name, b"sealed", soon())
    url = await ours.queues.spill(cloud.home.account, name, b"sealed", soon())

    path, _, query = url.value.partition("?")
    beside = SecretUrl(f"{path.rsplit('/', 1)[0]}?{query}")
    async with container(beside) as client:
        stored = client.get_blob_client(path.rsplit("/", 1)[1])
        assert await (await stored.download_blob()).readall() == b"sealed"
        with pytest.raises(HttpResponseError):
            _ = [b.name async for b in client.list_blobs()]
