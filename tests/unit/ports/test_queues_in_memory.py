"""Queues and signatures in memory keep what Azure's keep."""

from __future__ import annotations

import pytest

from tests.contract.ports.queue_facts import QueueFacts, QueuePlace
from tests.contract.ports.signature_facts import Deed, SignatureFacts, SignaturePlace
from tests.contract.ports.suites import until_by
from tests.worlds.memory_azure import HOME, Azure, account
from tests.worlds.memory_queues import MemoryQueues
from tests.worlds.memory_signatures import MemorySignatures
from tests.worlds.turned_clock import TurnedClock
from vmbackup_operator.sessions.seen import SecretUrl


@pytest.fixture
def azure() -> Azure:
    return Azure(TurnedClock())


class TestMemoryQueues(QueueFacts):
    over = (MemoryQueues,)

    @pytest.fixture
    def place(self, azure: Azure) -> QueuePlace:
        async def let_pass(seconds: float) -> None:
            azure.clock.turn(seconds)

        async def read(url: SecretUrl) -> bytes | None:
            name = url.value.partition("?")[0].rsplit("/", 1)[1]
            return azure.blobs[name] if url.value in azure.signed else None

        queues, until = MemoryQueues(azure), until_by(azure.clock)
        return QueuePlace(queues, account(HOME), until, azure.clock.now, let_pass, read)


class TestMemorySignatures(SignatureFacts):
    over = (MemorySignatures,)

    @pytest.fixture
    def place(self, azure: Azure) -> SignaturePlace:
        async def may(url: SecretUrl, deed: Deed) -> bool:
            return azure.opens(url.value, deed)

        async def revoke_keys() -> None:
            azure.revoked_keys += 1

        signatures, now = MemorySignatures(azure), azure.clock.now
        home = account(HOME)
        return SignaturePlace(signatures, home, "messages", "jobs", now, may, revoke_keys)
