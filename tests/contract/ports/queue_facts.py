"""What the home account's queues promise, and the blobs of messages that are too long for one."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from tests.contract.ports.suites import Suite, Until
from vmbackup_core.errors import RefusedForNow, VmbackupError
from vmbackup_operator.sessions.ports import Queues
from vmbackup_operator.sessions.seen import Account, Received, SecretUrl

#: What Azure says of a queue that it is about to forget, and of one that it has forgotten.
GONE = {"QueueBeingDeleted", "NotFound"}


@dataclass(frozen=True)
class QueuePlace:
    """Where queues are; *let_pass* lets a time pass, by the service's own clock."""

    queues: Queues
    account: Account
    until: Until
    now: Callable[[], datetime]
    let_pass: Callable[[float], Awaitable[None]]
    #: What a URL that reads a blob reads, None where it opens nothing.
    read: Callable[[SecretUrl], Awaitable[bytes | None]]

    async def new(self, stem: str = "") -> str:
        """Return the name of a queue that was just made."""
        name = stem or f"vmb-jobs-{uuid.uuid4().hex[:12]}"
        assert await self.queues.ensure(self.account, name) is True
        return name

    async def take(self, name: str, lease_s: int = 600) -> list[Received]:
        return list(await self.queues.take(self.account, name, lease_s))


class QueueFacts(Suite):
    """Gets *place*."""

    ports = (Queues,)

    async def test_one_is_made_once_and_deleted_twice(self, place: QueuePlace) -> None:
        name = await place.new()
        await place.queues.put(place.account, name, "one", 600)

        assert await place.queues.ensure(place.account, name) is True
        assert [each.text for each in await place.take(name)] == ["one"]
        await place.queues.delete(place.account, name)
        await place.queues.delete(place.account, name)

    async def test_one_that_is_gone_is_refused_for_now(self, place: QueuePlace) -> None:
        name = await place.new()
        await place.queues.delete(place.account, name)

        with pytest.raises(RefusedForNow) as of_taking:
            await place.take(name)
        with pytest.raises(RefusedForNow) as of_putting:
            await place.queues.put(place.account, name, "one", 600)
        for refused in (of_taking, of_putting):
            assert refused.value.reason in GONE

    async def test_one_that_is_made_again_is_empty(self, place: QueuePlace) -> None:
        name = await place.new()
        await place.queues.put(place.account, name, "one", 600)
        await place.queues.delete(place.account, name)
        at_once = await place.queues.ensure(place.account, name)
        await place.until(lambda: place.queues.ensure(place.account, name))

        assert at_once is False
        assert await place.take(name) == []

    async def test_all_of_a_worker_are_deleted_and_no_others(self, place: QueuePlace) -> None:
        stem = f"vmb-jobs-{uuid.uuid4().hex[:12]}"
        for name in (f"{stem}-1-aaaa", f"{stem}-1-bbbb", f"{stem}-10-cccc"):
            await place.new(name)

        await place.queues.delete_all(place.account, f"{stem}-1-")

        for gone in (f"{stem}-1-aaaa", f"{stem}-1-bbbb"):
            with pytest.raises(RefusedForNow) as refused:
                await place.take(gone)
            assert refused.value.reason in GONE
        assert await place.take(f"{stem}-10-cccc") == []
        await place.queues.delete_all(place.account, stem)

    @pytest.mark.parametrize("name", ["Jobs", "a", "a--b", "-a-b", "jobs_1", "j" * 64])
    async def test_a_name_that_azure_does_not_take_is_refused(
        self, place: QueuePlace, name: str
    ) -> None:
        with pytest.raises(VmbackupError):
            await place.queues.ensure(place.account, name)

    async def test_what_is_taken_is_hidden_and_comes_again_after_its_lease(
        self, place: QueuePlace
    ) -> None:
        name = await place.new()
        await place.queues.put(place.account, name, "<job/> & more, ü", 600)
        (first,) = await place.take(name, 2)
        hidden = await place.take(name, 2)
        await place.let_pass(3)
        (again,) = await place.take(name, 600)
        await place.queues.delete(place.account, name)

        assert first.text == "<job/> & more, ü"
        assert hidden == []
        assert (again.text, again.message_id) == (first.text, first.message_id)
        assert (first.dequeue_count, again.dequeue_count) == (1, 2)
        assert again.receipt != first.receipt

    async def test_what_another_took_meanwhile_is_not_removed(self, place: QueuePlace) -> None:
        name = await place.new()
        await place.queues.put(place.account, name, "one", 600)
        (first,) = await place.take(name, 1)
        await place.let_pass(2)
        (second,) = await place.take(name, 1)

        await place.queues.remove(place.account, name, first)
        await place.let_pass(2)
        (third,) = await place.take(name, 600)
        await place.queues.remove(place.account, name, third)
        await place.queues.remove(place.account, name, third)
        await place.queues.remove(place.account, name, replace(third, message_id=second.receipt))
        left = await place.take(name)
        await place.queues.delete(place.account, name)

        assert third.message_id == first.message_id
        assert left == []

    async def test_what_expires_while_it_is_taken_never_comes_again(
        self, place: QueuePlace
    ) -> None:
        name = await place.new()
        await place.queues.put(place.account, name, "one", 2)
        (first,) = await place.take(name, 3)
        await place.let_pass(4)
        left = await place.take(name, 3)
        await place.queues.delete(place.account, name)

        assert first.text == "one"
        assert left == []

    async def test_at_most_32_are_taken_at_once_and_all_in_the_end(self, place: QueuePlace) -> None:
        name = await place.new()
        for number in range(35):
            await place.queues.put(place.account, name, str(number), 600)
        first, second = await place.take(name), await place.take(name)
        await place.queues.delete(place.account, name)

        assert (len(first), len(second)) == (32, 3)
        texts = {each.text for each in (*first, *second)}
        assert texts == {str(number) for number in range(35)}

    async def test_a_message_longer_than_azure_takes_is_refused(self, place: QueuePlace) -> None:
        name = await place.new()
        await place.queues.put(place.account, name, "x" * 65536, 600)
        with pytest.raises(VmbackupError):
            await place.queues.put(place.account, name, "x" * 65537, 600)

        assert [len(each.text) for each in await place.take(name)] == [65536]
        await place.queues.delete(place.account, name)

    async def test_what_is_too_long_for_a_queue_is_read_by_its_sas(self, place: QueuePlace) -> None:
        name, until = uuid.uuid4().hex, place.now() + timedelta(hours=1)
        first = await place.queues.spill(place.account, name, b"first", until)
        await place.queues.spill(place.account, name, b"sealed", until)
        again = await place.queues.spill(place.account, name, b"sealed", until)

        assert again.expires_at == until
        assert await place.read(again) == b"sealed"
        assert await place.read(first) == b"first"
        assert await place.read(SecretUrl(again.value.partition("?")[0])) is None
        assert "sig=" not in f"{again} {again!r}"
