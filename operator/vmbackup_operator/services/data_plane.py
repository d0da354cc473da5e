"""Clients of accounts' blob and queue services, with our own identity, one per account."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob.aio import BlobServiceClient, ContainerClient
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from vmbackup_core.stores.azure_blob import ONE_REQUEST_BYTES, SERVICE_VERSION
from vmbackup_operator.services.clients import Clients
from vmbackup_operator.sessions.seen import Account, SecretUrl

#: So many queues' clients are kept: making one costs half of what asking its queue does.
MOST_QUEUES = 1000


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
        self._by_name: dict[tuple[str, str], QueueClient] = {}

    def blobs(self, account: Account) -> BlobServiceClient:
        """Return the client of the account's blob service."""
        url = account.blob_url
        if url not in self._blobs:
            self._blobs[url] = BlobServiceClient(
                url, credential=self._clients.credential, **self._options(url)
            )
        return self._blobs[url]

    def queues(self, account: Account) -> QueueServiceClient:
        """Return the client of the account's queue service."""
        url = account.queue_url
        if url not in self._queues:
            self._queues[url] = QueueServiceClient(
                url, credential=self._clients.credential, **self._options(url)
            )
        return self._queues[url]

    def queue(self, account: Account, name: str) -> QueueClient:
        """Return the client of one queue; those that were asked for last are kept."""
        key = (account.queue_url, name)
        client = self._by_name.pop(key, None) or self.queues(account).get_queue_client(name)
        self._by_name[key] = client  # behind the others: the first was not asked for the longest
        if len(self._by_name) > MOST_QUEUES:
            del self._by_name[next(iter(self._by_name))]
        return client

    def signed_container(self, url: SecretUrl) -> ContainerClient:
        """Return a client that may do what the container's SAS says, and nothing more."""
        return ContainerClient.from_container_url(
            url.value,
            max_single_put_size=ONE_REQUEST_BYTES,
            **self._options(url.value),
        )

    async def close(self) -> None:
        """Close every client."""
        for blobs in self._blobs.values():
            await blobs.close()
        for queues in self._queues.values():
            await queues.close()
        self._by_name.clear()
        self._blobs.clear()
        self._queues.clear()

    def _options(self, url: str) -> dict[str, Any]:
        return {
            **self._clients.options(url),
            "raw_request_hook": self._clients.fence.on_request,
            "retry_total": 1,  # the storage SDKs' own retries back off for quarters of a minute
            "api_version": SERVICE_VERSION,
        }
