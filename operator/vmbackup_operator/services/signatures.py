"""SAS by user delegation: signed with keys that Azure gives our identity, never an account's.

A delegation key is asked for per account and service and kept while it outlives what is signed
with it. Azure can end what one key signed only all at once, so keys live a day, not a week, unless
somebody asks for longer. A key that was revoked can't be told from a good one: after a refusal all
are asked for anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from azure.core.exceptions import HttpResponseError
from azure.storage.blob import (
    BlobSasPermissions,
    ContainerSasPermissions,
    generate_blob_sas,
    generate_container_sas,
)
from azure.storage.queue import QueueSasPermissions, generate_queue_sas
from typing_extensions import override

from vmbackup_core.clock import Clock
from vmbackup_core.errors import PermanentError
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.naming import name_of
from vmbackup_operator.services.data_plane import DataPlane
from vmbackup_operator.services.failures import translated
from vmbackup_operator.sessions.ports import ContainerAccess, Signatures
from vmbackup_operator.sessions.seen import Account, SecretUrl

# Azure's limit for a delegation key, and so for what it signs.
LONGEST = timedelta(days=7)
_KEY_LIFETIME = timedelta(days=1)

# Clocks differ: a SAS that begins at this very second is refused by a machine that lags.
_SKEW = timedelta(minutes=5)

_CONTAINER_ACCESS: dict[ContainerAccess, ContainerSasPermissions] = {
    "read": ContainerSasPermissions(read=True, list=True),
    # Create permits a new blob and nothing else: no overwriting (write), no deleting.
    "write_new": ContainerSasPermissions(read=True, list=True, create=True),
    # Who stores into a repository is told what to read, and learns no other name there.
    "store": ContainerSasPermissions(read=True, create=True),
    # To read back what is named in a job, and to find nothing else.
    "read_named": ContainerSasPermissions(read=True),
}
_QUEUE_ACCESS: dict[str, QueueSasPermissions] = {
    # Taking hides a message, removes it and extends its lease; no peeking, no adding.
    "take": QueueSasPermissions(process=True, update=True),
    "send": QueueSasPermissions(add=True),
}

_REFUSED = frozenset({401, 403})

Service = Literal["blob", "queue"]


@dataclass(frozen=True, slots=True)
class _Key:
    key: Any  # the SDK's UserDelegationKey: blob's and queue's are two classes
    starts_at: datetime
    ends_at: datetime


class AzureSignatures(Signatures):
    """Signs URLs."""

    def __init__(self, data_plane: DataPlane, clock: Clock) -> None:
        self._data_plane = data_plane
        self._clock = clock
        self._keys: dict[tuple[str, Service], _Key] = {}

    @override
    async def container(
        self,
        account: Account,
        container: str,
        access: ContainerAccess,
        until: datetime,
    ) -> SecretUrl:
        held = await self._key(account, "blob", until)
        query = generate_container_sas(
            name_of(account.id),
            container,
            user_delegation_key=held.key,
            permission=_CONTAINER_ACCESS[access],
            start=held.starts_at,
            expiry=until,
            protocol="https",
        )
        return SecretUrl(f"{account.blob_url}/{container}?{query}", until)

    async def blob(self, account: Account, container: str, name: str, until: datetime) -> SecretUrl:
        """Return the blob's URL, signed to read it."""
        held = await self._key(account, "blob", until)
        query = generate_blob_sas(
            name_of(account.id),
            container,
            name,
            user_delegation_key=held.key,
            permission=BlobSasPermissions(read=True),
            start=held.starts_at,
            expiry=until,
            protocol="https",
        )
        return SecretUrl(f"{account.blob_url}/{container}/{name}?{query}", until)

    @override
    async def queue(
        self, account: Account, queue: str, access: Literal["take", "send"], until: datetime
    ) -> SecretUrl:
        held = await self._key(account, "queue", until)
        query = generate_queue_sas(
            name_of(account.id),
            queue,
            user_delegation_key=held.key,
            permission=_QUEUE_ACCESS[access],
            start=held.starts_at,
            expiry=until,
            protocol="https",
        )
        return SecretUrl(f"{account.queue_url}/{queue}?{query}", until)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Forget the keys where Azure refuses what was signed with one of them inside."""
        try:
            yield
        except HttpResponseError as error:
            if error.status_code in _REFUSED:
                self.forget_keys()
            raise

    @override
    def forget_keys(self) -> None:
        self._keys.clear()

    async def _key(self, account: Account, service: Service, until: datetime) -> _Key:
        now = self._clock.now()
        if until - now > LONGEST:
            raise PermanentError(f"a SAS until {until} is too long", reason="SignatureTooLong")
        held = self._keys.get((folded(account.id), service))
        if held is not None and held.ends_at >= until:
            return held
        starts_at = now - _SKEW
        ends_at = min(max(until, now + _KEY_LIFETIME), starts_at + LONGEST)
        with translated(f"asking for a delegation key of {name_of(account.id)}"):
            key: Any
            if service == "blob":
                blobs = self._data_plane.blobs(account)
                key = await blobs.get_user_delegation_key(starts_at, ends_at)
            else:
                queues = self._data_plane.queues(account)
                key = await queues.get_user_delegation_key(start=starts_at, expiry=ends_at)
        made = self._keys[folded(account.id), service] = _Key(key, starts_at, ends_at)
        return made
