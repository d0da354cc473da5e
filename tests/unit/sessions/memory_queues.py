"""Azure's queues in memory: leases, at least once, nothing lost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from typing_extensions import override

from tests.unit.sessions.memory_azure import Azure, Refused
from vmbackup_operator.sessions import ports, seen


class MemoryQueues(ports.Queues):
    def __init__(self, azure: Azure) -> None:
        self.azure = azure
        self.taken: dict[str, datetime] = {}

    @override
    async def ensure(self, account: seen.Account, queue: str) -> bool:
        key = (account.id, queue)
        if key not in self.azure.queues:
            self.azure.write(f"queue {queue}", lambda: self.azure.queues.update({key: []}))
        return True

    @override
    async def clear(self, account: seen.Account, queue: str) -> None:
        self._messages(account, queue).clear()

    @override
    async def delete(self, account: seen.Account, queue: str) -> None:
        self.azure.queues.pop((account.id, queue), None)

    @override
    async def put(self, account: seen.Account, queue: str, text: str, lifetime_s: int) -> None:
        number = str(self.azure.number())
        message = seen.Received(text, number, number, 0)
        messages = self._messages(account, queue)
        self.azure.write(f"message to {queue}", lambda: messages.append(message))

    @override
    async def take(
        self, account: seen.Account, queue: str, lease_s: int
    ) -> Sequence[seen.Received]:
        now = self.azure.clock.now()
        free = [
            message
            for message in self._messages(account, queue)
            if self.taken.get(message.message_id, now) <= now
        ][:32]
        for message in free:
            self.taken[message.message_id] = now + timedelta(seconds=lease_s)
        return free

    @override
    async def remove(self, account: seen.Account, queue: str, received: seen.Received) -> None:
        messages = self._messages(account, queue)
        kept = [each for each in messages if each.message_id != received.message_id]
        self.azure.meets("before removing a message")
        messages[:] = kept
        self.azure.meets("after removing a message")

    @override
    async def spill(
        self, account: seen.Account, name: str, sealed: bytes, until: datetime
    ) -> seen.SecretUrl:
        self.azure.blobs[name] = sealed
        return seen.SecretUrl(f"{account.blob_url}/messages/{name}?sig=secret", until)

    def _messages(self, account: seen.Account, queue: str) -> list[seen.Received]:
        if (account.id, queue) not in self.azure.queues:
            raise Refused(f"queue {queue} does not exist")
        return self.azure.queues[account.id, queue]
