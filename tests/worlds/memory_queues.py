"""Azure's queues in memory: leases, at least once, nothing lost, nothing too long."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from typing_extensions import override

from tests.worlds.memory_azure import Azure, Refused
from vmbackup_operator.sessions import ports, seen

_NAME = re.compile(r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
#: Azure's own: so long a deleted queue's name is taken, and so long a message may be.
DELETION_S = 40
MESSAGE_BYTES = 64 * 1024


class MemoryQueues(ports.Queues):
    def __init__(self, azure: Azure) -> None:
        self.azure = azure
        self.taken: dict[str, datetime] = {}
        #: When a message expires that was sent with a short life.
        self.expires: dict[str, datetime] = {}

    @override
    async def ensure(self, account: seen.Account, queue: str) -> bool:
        key = (account.id, queue)
        if _NAME.fullmatch(queue) is None:
            raise Refused(f"{queue!r} is no name of a queue")
        if self._is_being_deleted(key):
            return False
        if key not in self.azure.queues:
            self.azure.write(f"queue {queue}", lambda: self.azure.queues.update({key: []}))
        return True

    @override
    async def delete(self, account: seen.Account, queue: str) -> None:
        place = (account.id, queue)

        def deleted() -> None:
            del self.azure.queues[place]
            over = self.azure.clock.now() + timedelta(seconds=DELETION_S)
            self.azure.deleted_queues[place] = over

        if place in self.azure.queues:
            self.azure.write(f"delete queue {queue}", deleted)

    @override
    async def delete_all(self, account: seen.Account, prefix: str) -> None:
        for place in list(self.azure.queues):
            if place[0] == account.id and place[1].startswith(prefix):
                await self.delete(account, place[1])

    @override
    async def put(self, account: seen.Account, queue: str, text: str, lifetime_s: int) -> None:
        if len(text.encode()) > MESSAGE_BYTES:
            raise Refused(f"a message of {len(text)} characters is too long for {queue}")
        number = str(self.azure.number())
        message = seen.Received(text, number, number, 0)
        messages = self._messages(account, queue)

        def sent() -> None:
            messages.append(message)
            self.expires[number] = self.azure.clock.now() + timedelta(seconds=lifetime_s)

        self.azure.write(f"message to {queue}", sent)

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
            receipt, count = str(self.azure.number()), message.dequeue_count + 1
            again = replace(message, receipt=receipt, dequeue_count=count)
            messages[messages.index(message)] = again
        taken = {message.message_id for message in free}
        return [each for each in messages if each.message_id in taken]

    @override
    async def remove(self, account: seen.Account, queue: str, received: seen.Received) -> None:
        messages = self.azure.queues.get((account.id, queue), [])
        mine = (received.message_id, received.receipt)
        kept = [each for each in messages if (each.message_id, each.receipt) != mine]
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
        key = f"key={self.azure.revoked_keys}"
        signed = f"{account.blob_url}/messages/{stored}?sp=read&{key}&sig=secret"
        self.azure.signed[signed] = until
        return seen.SecretUrl(signed, until)

    @override
    async def delete_spilled(self, account: seen.Account, prefix: str) -> None:
        for name in [each for each in self.azure.blobs if each.startswith(prefix)]:
            self.azure.write(f"delete message blob {name}", partial(self.azure.blobs.pop, name))

    def _is_being_deleted(self, place: tuple[str, str]) -> bool:
        now = self.azure.clock.now()
        return self.azure.deleted_queues.get(place, now) > now

    def _messages(self, account: seen.Account, queue: str) -> list[seen.Received]:
        place = (account.id, queue)
        if self._is_being_deleted(place):
            text = f"queue {queue} is being deleted"
            raise self.azure.refused(f"asking queue {queue}", "QueueBeingDeleted", text)
        if place not in self.azure.queues:
            # As the adapter says it: what was just made is not to be found for a while either.
            text = f"queue {queue} does not exist"
            raise self.azure.refused(f"asking queue {queue}", "NotFound", text)
        return self.azure.queues[place]
