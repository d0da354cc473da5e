"""Storage accounts' data planes: which Azurite serves which account.

Implements `backing.StorageAccounts`.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict

from azure_simulator.storage.azurite import AzuriteFailed, AzuriteProcess, AzuriteProgram
from azure_simulator.storage.upstream import Account, Forwarded, Upstream

_CREATED, _EXISTS, _FOUND, _MISSING = 201, 409, 200, 404


class AzuriteAccounts:
    """One Azurite process for each account."""

    def __init__(self, program: AzuriteProgram, upstream: Upstream) -> None:
        self._program = program
        self._upstream = upstream
        self._running: dict[str, tuple[AzuriteProcess, Account]] = {}
        self._starting: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def find(self, name: str) -> Account | None:
        """Return the account called *name*, or None where it has no data plane."""
        running = self._running.get(name)
        return running[1] if running else None

    async def create(self, name: str, key: str) -> None:
        """Start the account's Azurite; the same again changes nothing."""
        async with self._starting[name]:
            existing = self.find(name)
            if existing is not None:
                if existing.key != key:
                    raise ValueError(f"the account {name} is there with another key")
                return
            process = await AzuriteProcess.start(self._program, name, key)
            account = Account(
                name, key, {"blob": process.port("blob"), "queue": process.port("queue")}
            )
            self._running[name] = (process, account)

    async def delete(self, name: str) -> None:
        """End the account's Azurite; where there is none, nothing happens."""
        async with self._starting[name]:
            running = self._running.pop(name, None)
            if running is not None:
                await running[0].stop()

    async def create_container(self, name: str, container: str) -> None:
        """Make a container; one that is there stays as it is."""
        status = await self._container(name, "PUT", container)
        if status not in (_CREATED, _EXISTS):
            raise AzuriteFailed(f"making the container {container} of {name}: {status}")

    async def container_exists(self, name: str, container: str) -> bool:
        """Tell whether *container* is there."""
        status = await self._container(name, "HEAD", container)
        if status not in (_FOUND, _MISSING):
            raise AzuriteFailed(f"looking for the container {container} of {name}: {status}")
        return status == _FOUND

    async def close(self) -> None:
        """End every Azurite."""
        await asyncio.gather(*(self.delete(name) for name in list(self._running)))
        await self._upstream.close()

    async def _container(self, name: str, method: str, container: str) -> int:
        account = self.find(name)
        if account is None:
            raise LookupError(f"the account {name} has no data plane")
        request = Forwarded("blob", method, f"/{container}", [("restype", "container")])
        response = await self._upstream.send(account, request)
        response.release()
        return response.status
