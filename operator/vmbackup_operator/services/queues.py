"""Queues of the home region's account, and blobs for messages that are too long for one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from typing_extensions import override

from vmbackup_operator.arm_ids import folded
from vmbackup_operator.environments.plan import MESSAGES_CONTAINER
from vmbackup_operator.services.data_plane import DataPlane, delete_blobs
from vmbackup_operator.services.failures import code_and_message, translated
from vmbackup_operator.services.signatures import AzureSignatures
from vmbackup_operator.sessions.ports import Queues
from vmbackup_operator.sessions.seen import Account, Received, SecretUrl

# The most that Azure hands out at once.
_AT_ONCE = 32

# Taken by somebody else meanwhile, or gone: neither is ours to remove any more.
_NO_LONGER_OURS = frozenset(
    {"popreceiptmismatch", "messagenotfound", "queuenotfound", "queuebeingdeleted"}
)

# A put whose answer was lost, sent again.
_THERE_ALREADY = frozenset({"blobalreadyexists", "unauthorizedbloboverwrite"})


class AzureQueues(Queues):
    """Azure Queue Storage."""

    def __init__(self, data_plane: DataPlane, signatures: AzureSignatures) -> None:
        self._data_plane = data_plane
        self._signatures = signatures

    @override
    async def ensure(self, account: Account, queue: str) -> bool:
        with translated(f"making queue {queue}"):
            try:
                await self._data_plane.queue(account, queue).create_queue()
            except ResourceExistsError as error:
                match folded(code_and_message(error)[0]):
                    case "queuealreadyexists":
                        return True
                    case "queuebeingdeleted":
                        return False
                    case _:
                        raise
        return True

    @override
    async def delete(self, account: Account, queue: str) -> None:
        with translated(f"deleting queue {queue}"):
            try:
                await self._data_plane.queue(account, queue).delete_queue()
            except ResourceNotFoundError:
                return
            except ResourceExistsError as error:
                # For 40 seconds after its deletion whatever is asked of a queue is refused so.
                if folded(code_and_message(error)[0]) != "queuebeingdeleted":
                    raise

    @override
    async def delete_all(self, account: Account, prefix: str) -> None:
        with translated(f"listing queues {prefix}…"):
            listed = self._data_plane.queues(account).list_queues(name_starts_with=prefix)
            names = [queue.name async for queue in listed]
        for name in names:
            await self.delete(account, name)

    @override
    async def put(self, account: Account, queue: str, text: str, lifetime_s: int) -> None:
        with translated(f"sending to queue {queue}"):
            client = self._data_plane.queue(account, queue)
            await client.send_message(text, time_to_live=lifetime_s)

    @override
    async def take(self, account: Account, queue: str, lease_s: int) -> Sequence[Received]:
        with translated(f"taking from queue {queue}"):
            client = self._data_plane.queue(account, queue)
            pages = client.receive_messages(
                messages_per_page=_AT_ONCE, visibility_timeout=lease_s, max_messages=_AT_ONCE
            ).by_page()
            # The first page alone: the SDK goes on asking until there is nothing any more.
            first = await anext(pages, None)
            if first is None:
                return []
            return [
                Received(
                    text=message.content,
                    message_id=message.id,
                    receipt=message.pop_receipt or "",
                    dequeue_count=message.dequeue_count or 1,
                )
                async for message in first
            ]

    @override
    async def remove(self, account: Account, queue: str, received: Received) -> None:
        with translated(f"removing from queue {queue}"):
            client = self._data_plane.queue(account, queue)
            try:
                await client.delete_message(received.message_id, received.receipt)
            except HttpResponseError as error:
                if folded(code_and_message(error)[0]) not in _NO_LONGER_OURS:
                    raise

    @override
    async def spill(self, account: Account, name: str, sealed: bytes, until: datetime) -> SecretUrl:
        # Named by its bytes: nothing is ever written over, which the operator has no right to do.
        stored = f"{name}-{hashlib.sha256(sealed).hexdigest()[:32]}"
        with translated(f"storing message {name}"):
            client = self._data_plane.blobs(account).get_blob_client(MESSAGES_CONTAINER, stored)
            try:
                await client.upload_blob(sealed, overwrite=False)
            except HttpResponseError as error:
                if folded(code_and_message(error)[0]) not in _THERE_ALREADY:
                    raise
        return await self._signatures.blob(account, MESSAGES_CONTAINER, stored, until)

    @override
    async def delete_spilled(self, account: Account, prefix: str) -> None:
        container = self._data_plane.blobs(account).get_container_client(MESSAGES_CONTAINER)
        with translated(f"deleting messages {prefix}…"):
            names = [name async for name in container.list_blob_names(name_starts_with=prefix)]
            await delete_blobs(container, names)
