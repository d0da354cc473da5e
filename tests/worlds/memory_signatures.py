"""SAS by user delegation in memory: what they let do, which key signed them, and until when."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from typing_extensions import override

from tests.worlds.memory_azure import Azure
from vmbackup_core.errors import PermanentError
from vmbackup_operator.sessions import ports, seen


class MemorySignatures(ports.Signatures):
    """Signs with one delegation key, which is kept until it is forgotten or about to end."""

    def __init__(self, azure: Azure) -> None:
        self.azure = azure
        self._key: int | None = None

    @override
    async def container(
        self,
        account: seen.Account,
        container: str,
        access: ports.ContainerAccess,
        until: datetime,
    ) -> seen.SecretUrl:
        return self._signed(f"{account.blob_url}/{container}?sp={access}", until)

    @override
    async def queue(
        self, account: seen.Account, queue: str, access: Literal["take", "send"], until: datetime
    ) -> seen.SecretUrl:
        return self._signed(f"{account.queue_url}/{queue}?sp={access}", until)

    @override
    def forget_keys(self) -> None:
        self._key = None

    def _signed(self, url: str, until: datetime) -> seen.SecretUrl:
        if until - self.azure.clock.now() > timedelta(days=7):
            raise PermanentError(f"a SAS until {until} is too long", reason="SignatureTooLong")
        if self._key is None:
            self._key = self.azure.revoked_keys
        signed = f"{url}&key={self._key}&sig=secret-{self.azure.number()}"
        self.azure.signed[signed] = until
        return seen.SecretUrl(signed, until)
