"""Clients of accounts' blob and queue services, with our own identity, one per account."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob.aio import BlobServiceClient, ContainerClient
from azure.storage.queue.aio import QueueServiceClient

from vmbackup_core.stores.azure_blob import ONE_REQUEST_BYTES, SERVICE_VERSION
from vmbackup_operator.services.clients import Clients
from vmbackup_operator.sessions.seen import Account, SecretUrl


async def delete_blobs(container: ContainerClient, names: Iterable[str]) -> None:
    """Delete the blobs *names* one after the other; what is gone already counts."""
    for name in names:
        with contextlib.suppress(ResourceNotFoundError):
            await container.delete_blob(name)


class DataPlane:
    """Makes clients when they are first needed; they share Resource Manager's connections."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._blobs: dict[str, BlobServiceClient] = {}
        self._queues: dict[str, QueueServiceClient] = {}

    def blobs(self, account: Account) -> BlobServiceClient:
        """Return the client of the account's blob service."""
        url = account.blob_url
        if url not in self._blobs:
            self._blobs[url] = BlobServiceClient(
                url, credential=self._clients.credential, **self._options()
            )
        return self._blobs[url]

    def queues(self, account: Account) -> QueueServiceClient:
        """Return the client of the account's queue service."""
        url = account.queue_url
        if url not in self._queues:
            self._queues[url] = QueueServiceClient(
                url, credential=self._clients.credential, **self._options()
            )
        return self._queues[url]

    def signed_container(self, url: SecretUrl) -> ContainerClient:
        """Return a client that may do what the container's SAS says, and nothing more."""
        return ContainerClient.from_container_url(
            url.value,
            max_single_put_size=ONE_REQUEST_BYTES,
            **self._options(),
        )

    async def close(self) -> None:
        """Close every client."""
        for blobs in self._blobs.values():
            await blobs.close()
        for queues in self._queues.values():
            await queues.close()
        self._blobs.clear()
        self._queues.clear()

    def _options(self) -> dict[str, Any]:
        options = self._clients.options()
        # The storage SDKs' own retries back off for quarters of a minute.
        return {**options, "retry_total": 1, "api_version": SERVICE_VERSION}
