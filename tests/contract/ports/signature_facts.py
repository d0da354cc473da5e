"""What SAS by user delegation promise, whoever holds them."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import pytest

from tests.contract.ports.suites import Suite
from vmbackup_core.errors import PermanentError
from vmbackup_operator.sessions.ports import Signatures
from vmbackup_operator.sessions.seen import Account, SecretUrl

#: What somebody who has nothing but a SAS may try.
Deed = Literal["list", "read", "create", "overwrite", "delete", "take", "send"]


@dataclass(frozen=True)
class SignaturePlace:
    """An account with a container and a queue; *may* tries what a SAS lets its holder do."""

    signatures: Signatures
    account: Account
    container: str
    queue: str
    now: Callable[[], datetime]
    may: Callable[[SecretUrl, Deed], Awaitable[bool]]
    revoke_keys: Callable[[], Awaitable[None]]

    def soon(self) -> datetime:
        return self.now() + timedelta(hours=1)

    async def all_of(self, url: SecretUrl, *deeds: Deed) -> list[Deed]:
        """Return which of *deeds* the SAS lets its holder do."""
        return [deed for deed in deeds if await self.may(url, deed)]


class SignatureFacts(Suite):
    """Gets *place*."""

    ports = (Signatures,)

    async def test_read_lists_and_reads_and_no_more(self, place: SignaturePlace) -> None:
        url = await place.signatures.container(place.account, place.container, "read", place.soon())

        may = await place.all_of(url, "list", "read", "create", "overwrite", "delete")
        assert may == ["list", "read"]

    async def test_write_new_creates_and_neither_overwrites_nor_deletes(
        self, place: SignaturePlace
    ) -> None:
        url = await place.signatures.container(
            place.account, place.container, "write_new", place.soon()
        )

        may = await place.all_of(url, "list", "read", "create", "overwrite", "delete")
        assert may == ["list", "read", "create"]

    async def test_store_reads_and_creates_and_lists_nothing(self, place: SignaturePlace) -> None:
        url = await place.signatures.container(
            place.account, place.container, "store", place.soon()
        )

        may = await place.all_of(url, "list", "read", "create", "overwrite", "delete")
        assert may == ["read", "create"]

    async def test_read_named_reads_and_lists_nothing(self, place: SignaturePlace) -> None:
        url = await place.signatures.container(
            place.account, place.container, "read_named", place.soon()
        )

        may = await place.all_of(url, "list", "read", "create", "overwrite", "delete")
        assert may == ["read"]

    @pytest.mark.parametrize(
        ("access", "deeds"), [("take", ["take"]), ("send", ["send"])], ids=["take", "send"]
    )
    async def test_a_queue_is_taken_from_or_sent_to(
        self, place: SignaturePlace, access: Literal["take", "send"], deeds: list[Deed]
    ) -> None:
        url = await place.signatures.queue(place.account, place.queue, access, place.soon())

        assert await place.all_of(url, "send", "take") == deeds

    async def test_a_sas_says_its_end_and_hides_what_opens(self, place: SignaturePlace) -> None:
        until = place.soon()
        opened = await place.signatures.container(place.account, place.container, "read", until)
        queue = await place.signatures.queue(place.account, place.queue, "take", until)

        assert (opened.expires_at, queue.expires_at) == (until, until)
        assert str(opened) == f"{place.account.blob_url}/{place.container}"
        assert str(queue) == f"{place.account.queue_url}/{place.queue}"
        assert "sig=" not in f"{opened!r}{queue!r}"

    async def test_it_is_for_one_container_alone(self, place: SignaturePlace) -> None:
        url = await place.signatures.container(place.account, place.container, "read", place.soon())
        other = SecretUrl(url.value.replace(f"/{place.container}?", f"/{uuid.uuid4().hex}?"))

        assert await place.may(other, "list") is False

    async def test_one_that_has_ended_opens_nothing(self, place: SignaturePlace) -> None:
        ended = place.now() - timedelta(minutes=1)
        url = await place.signatures.container(place.account, place.container, "read", ended)

        assert await place.may(url, "list") is False

    async def test_one_for_longer_than_azure_gives_keys_is_refused(
        self, place: SignaturePlace
    ) -> None:
        with pytest.raises(PermanentError) as refused:
            await place.signatures.container(
                place.account, place.container, "read", place.now() + timedelta(days=8)
            )

        assert refused.value.reason == "SignatureTooLong"

    async def test_a_key_that_was_revoked_is_asked_for_anew_once_it_is_forgotten(
        self, place: SignaturePlace
    ) -> None:
        async def signed() -> SecretUrl:
            until = place.soon()
            return await place.signatures.container(place.account, place.container, "read", until)

        before = await signed()
        opened = await place.may(before, "list")
        await place.revoke_keys()
        kept = await signed()
        place.signatures.forget_keys()
        anew = await signed()

        assert opened
        assert [await place.may(url, "list") for url in (before, kept, anew)] == [
            False,
            False,
            True,
        ]
