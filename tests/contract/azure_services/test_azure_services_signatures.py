"""What each SAS lets its holder do, and nothing more."""

from __future__ import annotations

import asyncio
import contextlib
import os
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError
from azure.mgmt.storage import StorageManagementClient
from azure.storage.blob.aio import BlobClient, ContainerClient
from azure.storage.queue.aio import QueueClient

from tests.contract.azure_services.cloud import Adapters, Cloud, until
from tests.contract.ports.queue_facts import QueueFacts, QueuePlace
from tests.contract.ports.signature_facts import Deed, SignatureFacts, SignaturePlace
from vmbackup_core.errors import VmbackupError
from vmbackup_core.stores.azure_blob import SERVICE_VERSION
from vmbackup_operator.sessions.seen import Account, SecretUrl


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


def revoke_keys(cloud: Cloud, account: Account) -> None:
    """End every user delegation key of the account, as its owner."""
    group, name = account.id.split("/")[4], account.id.split("/")[-1]
    with StorageManagementClient(
        cloud.azure.credential, account.id.split("/")[2], **cloud.azure.transport
    ) as client:
        client.storage_accounts.revoke_user_delegation_keys(group, name)


async def tried(url: SecretUrl, deed: Deed) -> None:
    """Do what the holder of a SAS tries; raise what Azure answers."""
    if ".queue." in url.value:
        async with queue(url) as client:
            await (client.receive_message() if deed == "take" else client.send_message("mine"))
        return
    async with container(url) as client:
        blob = client.get_blob_client(uuid.uuid4().hex if deed == "create" else "there")
        match deed:
            case "list":
                _ = [each.name async for each in client.list_blobs()]
            case "read":
                await (await blob.download_blob()).readall()
            case "delete":
                await blob.delete_blob()
            case _:
                await blob.upload_blob(b"some", overwrite=deed == "overwrite")


async def may(url: SecretUrl, deed: Deed) -> bool:
    try:
        await tried(url, deed)
    except HttpResponseError as refused:
        if refused.status_code not in {403, 404}:
            raise
        return False
    return True


class TestAzureSignatures(SignatureFacts):
    @pytest.fixture
    async def place(self, cloud: Cloud, ours: Adapters) -> SignaturePlace:
        account, name = cloud.home.account, f"vmb-jobs-{uuid.uuid4().hex[:12]}"
        await ours.queues.ensure(account, name)
        url = await ours.signatures.container(account, "messages", "write_new", soon())
        async with container(url) as client:
            with contextlib.suppress(ResourceExistsError, HttpResponseError):
                await client.get_blob_client("there").upload_blob(b"once")

        async def revoke() -> None:
            revoke_keys(cloud, account)

        def now() -> datetime:
            return datetime.now(UTC)

        return SignaturePlace(ours.signatures, account, "messages", name, now, may, revoke)


class TestAzureQueues(QueueFacts):
    @pytest.fixture
    def place(self, cloud: Cloud, ours: Adapters) -> QueuePlace:
        async def read(url: SecretUrl) -> bytes | None:
            async with BlobClient.from_blob_url(url.value, **options()) as blob:
                try:
                    return await (await blob.download_blob()).readall()
                except HttpResponseError:
                    return None

        def now() -> datetime:
            return datetime.now(UTC).replace(microsecond=0)

        return QueuePlace(ours.queues, cloud.home.account, until, now, asyncio.sleep, read)


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


async def test_a_delegation_key_serves_for_many_signatures(cloud: Cloud, ours: Adapters) -> None:
    before = cloud.azure.last_entry()

    for _ in range(3):
        await ours.signatures.container(cloud.region.account, "messages", "read", soon())

    asked = [e for e in cloud.azure.journal(before) if "userdelegationkey" in e["query"].lower()]
    assert len(asked) == 1


async def test_a_bundle_whose_key_was_revoked_is_stored_at_the_next_try(
    cloud: Cloud, ours: Adapters
) -> None:
    await ours.signatures.container(cloud.region.account, "bundle", "read", soon())
    revoke_keys(cloud, cloud.region.account)

    with pytest.raises(VmbackupError):
        await until(lambda: ours.bundles.ensure(cloud.region))
    stored = await until(lambda: ours.bundles.ensure(cloud.region))

    assert stored.container == "bundle"


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
