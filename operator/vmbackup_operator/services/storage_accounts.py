"""Storage accounts and their blob containers, as Resource Manager knows them."""

from __future__ import annotations

from collections.abc import Sequence

from vmbackup_operator.environments.bodies import Body
from vmbackup_operator.naming import ArmId
from vmbackup_operator.services.arm import address, encoded, ended, find, reading, writing
from vmbackup_operator.services.clients import Clients
from vmbackup_operator.services.failures import translated


class StorageAccounts:
    """Looks at storage accounts and writes them."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    async def of_subscription(self, subscription_id: str) -> Sequence[Body]:
        """Return every account of the subscription."""
        accounts = self._clients.storage(subscription_id).storage_accounts
        with translated(f"listing storage accounts of subscription {subscription_id}"):
            return [dict(account.as_dict()) async for account in accounts.list()]

    async def find(self, resource_id: ArmId) -> Body | None:
        """Return the account, or None."""
        at = address(resource_id)
        accounts = self._clients.storage(at.subscription_id).storage_accounts
        return await find(reading(resource_id), accounts.get_properties(at.group, at.name))

    async def put(self, resource_id: ArmId, body: Body) -> Body:
        """Write the account to its end."""
        at = address(resource_id)
        accounts = self._clients.storage(at.subscription_id).storage_accounts
        call = accounts.begin_create(at.group, at.name, encoded(body))
        return await ended(writing(resource_id), call)


class BlobContainers:
    """Looks at containers and makes them, past their account's network rules."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    async def find(self, resource_id: ArmId) -> Body | None:
        """Return the container, or None."""
        at, account = address(resource_id), _account_of(resource_id)
        containers = self._clients.storage(at.subscription_id).blob_containers
        return await find(reading(resource_id), containers.get(at.group, account, at.name))

    async def put(self, resource_id: ArmId, body: Body) -> Body:
        """Make the container."""
        at, account = address(resource_id), _account_of(resource_id)
        containers = self._clients.storage(at.subscription_id).blob_containers
        with translated(writing(resource_id)):
            made = await containers.create(at.group, account, at.name, encoded(body))
            return dict(made.as_dict())


def _account_of(container_id: ArmId) -> str:
    """Return NAME of …/storageAccounts/NAME/blobServices/default/containers/CONTAINER."""
    return container_id.rstrip("/").split("/")[-5]
