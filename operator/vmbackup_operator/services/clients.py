"""The SDK's clients, one of each kind per subscription, over one pool of connections.

All requests go one way: fenced where they write; those to Resource Manager are paced and say the id
of their step as well.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import aiohttp
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.pipeline.transport import AioHttpTransport
from azure.mgmt.compute.aio import ComputeManagementClient
from azure.mgmt.network.aio import NetworkManagementClient
from azure.mgmt.privatedns.aio import PrivateDnsManagementClient
from azure.mgmt.resource.resources.aio import ResourceManagementClient
from azure.mgmt.storage.aio import StorageManagementClient

from vmbackup_core.clock import Clock
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.metrics.arm_counts import ArmCounts
from vmbackup_operator.services.connections import session
from vmbackup_operator.services.correlation import CorrelationPolicy
from vmbackup_operator.services.failures import REFUSALS, refusal
from vmbackup_operator.services.fence import Fence, WriteFence, open_fence
from vmbackup_operator.services.pacing import PacingPolicy
from vmbackup_operator.services.proxies import proxies_for
from vmbackup_operator.services.refusals import Refusals
from vmbackup_operator.services.token_buckets import TokenBuckets

Client = TypeVar("Client")

_RESOURCE_MANAGER = "https://management.azure.com"


class Clients:
    """Azure Resource Manager's clients, made when they are first needed."""

    def __init__(
        self,
        credential: AsyncTokenCredential,
        clock: Clock,
        fence: Fence = open_fence,
        refusals: Refusals = REFUSALS,
        counts: ArmCounts | None = None,
    ) -> None:
        self.credential = credential
        self.fence = WriteFence(fence)
        self._refusals = refusals
        self._buckets = TokenBuckets(clock)
        self._counts = ArmCounts() if counts is None else counts
        self._session: aiohttp.ClientSession | None = None
        self._clients: dict[tuple[str, str], Any] = {}

    def compute(self, subscription_id: str) -> ComputeManagementClient:
        """Return the client for VMs, disks, snapshots and disk accesses."""
        return self._client(ComputeManagementClient, subscription_id)

    def network(self, subscription_id: str) -> NetworkManagementClient:
        """Return the client for networks, their parts, and private endpoints."""
        return self._client(NetworkManagementClient, subscription_id)

    def private_dns(self, subscription_id: str) -> PrivateDnsManagementClient:
        """Return the client for private zones and their links."""
        return self._client(PrivateDnsManagementClient, subscription_id)

    def storage(self, subscription_id: str) -> StorageManagementClient:
        """Return the client for storage accounts and their containers."""
        return self._client(StorageManagementClient, subscription_id)

    def resources(self, subscription_id: str) -> ResourceManagementClient:
        """Return the client for resource groups."""
        return self._client(ResourceManagementClient, subscription_id)

    def translated(self, what: str) -> AbstractContextManager[None]:
        """Turn what the SDK raises inside into our errors; *what* names what was being done."""
        return self._refusals.translated(what, refusal)

    def options(self, url: str) -> dict[str, Any]:
        """Return what every client of ours is made with, those of the data plane too; *url* is its.

        Statuses are not retried inside the SDK: it would sleep as long as Retry-After says, while
        the work queue has better things to do. Connections are.
        """
        if self._session is None:
            self._session = session(self.fence.check)
        return {
            "transport": AioHttpTransport(session=self._session, session_owner=False),
            "retry_total": 2,
            "retry_status": 0,
            "retry_backoff_factor": 0.2,
            "connection_timeout": 10,
            "read_timeout": 60,
            "user_agent": "vmbackup",
            "proxies": proxies_for(url),
        }

    async def close(self) -> None:
        """Close every connection, the credential's too."""
        for client in self._clients.values():
            await client.close()
        self._clients.clear()
        if self._session is not None:
            await self._session.close()
            self._session = None
        await self.credential.close()

    def _client(self, kind: Callable[..., Client], subscription_id: str) -> Client:
        key = (getattr(kind, "__name__", ""), folded(subscription_id))
        if key not in self._clients:
            self._clients[key] = kind(
                self.credential,
                subscription_id,
                **self.options(_RESOURCE_MANAGER),
                per_call_policies=[CorrelationPolicy()],
                per_retry_policies=[PacingPolicy(self._buckets, counts=self._counts), self.fence],
            )
        client: Client = self._clients[key]
        return client
