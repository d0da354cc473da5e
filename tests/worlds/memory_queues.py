"""Azure's queues in memory: leases, at least once, nothing lost."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from typing_extensions import override

from tests.worlds.memory_azure import Azure
from vmbackup_core.errors import RefusedForNow
from vmbackup_operator.sessions import ports, seen


class MemoryQueues(ports.Queues):
    def __init__(self, azure: Azure) -> None:
        self.azure = azure
        self.taken: dict[str, datetime] = {}
        #: When a message expires that was sent with a short life.
        self.expires: dict[str, datetime] = {}

    @override
    async def ensure(self, account: seen.Account, queue: str) -> bool:
        key = (account.id, queue)
        if key not in self.azure.queues:
            self.azure.write(f"queue {queue}", lambda: self.azure.queues.update({key: []}))
        return True

    @override
    async def delete(self, account: seen.Account, queue: str) -> None:
        place = (account.id, queue)
        if place in self.azure.queues:
            self.azure.write(f"delete queue {queue}", lambda: self.azure.queues.pop(place))

    @override
    async def delete_all(self, account: seen.Account, prefix: str) -> None:
        for place in list(self.azure.queues):
            if place[0] == account.id and place[1].startswith(prefix):
                await self.delete(account, place[1])

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
        messages = self._messages(account, queue)
        messages[:] = [each for each in messages if self.expires.get(each.message_id, now) >= now]
        free = [each for each in messages if self.taken.get(each.message_id, now) <= now][:32]
        for message in free:
            self.taken[message.message_id] = now + timedelta(seconds=lease_s)
            again = replace(message, dequeue_count=message.dequeue_count + 1)
            messages[messages.index(message)] = again
        taken = {message.message_id for message in free}
        return [each for each in messages if each.message_id in taken]

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
        # Beside what lies there: who has no right to overwrite stores other bytes as another blob.
        stored = f"{name}-{hashlib.sha256(sealed).hexdigest()[:32]}"
        if stored not in self.azure.blobs:
            store = {stored: sealed}
            self.azure.write(f"message blob {stored}", lambda: self.azure.blobs.update(store))
        return seen.SecretUrl(f"{account.blob_url}/messages/{stored}?sig=secret", until)

    @override
    async def delete_spilled(self, account: seen.Account, prefix: str) -> None:
        for name in [each for each in self.azure.blobs if each.startswith(prefix)]:
            self.azure.write(f"delete message blob {name}", partial(self.azure.blobs.pop, name))

    def _messages(self, account: seen.Account, queue: str) -> list[seen.Received]:
        if (account.id, queue) not in self.azure.queues:
            # As the adapter says it: what was just made is not to be found for a while either.
            raise RefusedForNow(f"queue {queue} does not exist", reason="NotFound", retry_after_s=2)
        return self.azure.queues[account.id, queue]
