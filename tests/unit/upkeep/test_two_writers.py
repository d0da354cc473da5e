"""The repository's own reconciler and that of its upkeep write one status, each its fields."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import Awaitable, Callable

import pytest
from msgspec.structs import replace
from typing_extensions import override

from tests.worlds.memory_azure import APPLIANCE
from tests.worlds.memory_cluster import ready_repository
from tests.worlds.memory_objects import MemoryObjects
from tests.worlds.memory_repositories import MemoryOpening, MemoryWays
from tests.worlds.memory_upkeep import REPOSITORY, UpkeepWorld
from tests.worlds.samples import SETTINGS
from vmbackup_core.ids import RepositoryId
from vmbackup_operator.model.backup_repository import BackupRepository, LogHead
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.reconciling.outcome import Conflict, Outcome
from vmbackup_operator.repositories.ports import RepositorySeen
from vmbackup_operator.repositories.reconciler import RepositoryReconciler

LOG = LogHead(7, "a" * 64)
CONFLICTS: list[Conflict] = []
FOUND = LogHead(4, "b" * 64)
SEEN = RepositorySeen(RepositoryId("0" * 32), APPLIANCE, "f" * 32, "1.0", 1, LOG)


class SlowObjects(MemoryObjects[BackupRepository]):
    """Objects whose reading takes a while, in which somebody else may write."""

    chance = random.Random(7)  # noqa: S311 - who goes first

    @override
    async def find(self, key: ObjectKey) -> BackupRepository | None:
        found = await super().find(key)
        for _ in range(self.chance.randrange(4)):
            await asyncio.sleep(0)
        return found


class Both(UpkeepWorld):
    """Both reconcilers over one object, and what opening the repository shows."""

    @override
    def start(self) -> None:
        super().start()
        self.opened = MemoryOpening()
        self.opened.found = SEEN
        self.own = RepositoryReconciler(
            SETTINGS, self.clock, self.repositories, self.secrets, MemoryWays(), self.opened
        )


async def ask(look: Callable[[], Awaitable[Outcome]]) -> None:
    """Look as the queue does: a conflict is looked at again at once."""
    for _ in range(50):
        try:
            await look()
        except Conflict as conflict:
            CONFLICTS.append(conflict)
            await asyncio.sleep(0)
            continue
        return
    raise AssertionError("a conflict without end")


async def test_each_keeps_the_fields_of_the_other() -> None:
    world = Both()
    await world.own.reconcile(REPOSITORY)
    world.annotate(upkeep="now")
    for points in range(2, 30):
        await world.look()
        world.opened.found = dataclasses.replace(SEEN, recovery_points=points)
        await world.own.reconcile(REPOSITORY)

    status = world.repository.status
    assert (status.recovery_points, status.log) == (29, LOG)
    assert set(world.outcomes().values()) == {"Succeeded"}
    assert world.maintenance.running is None


async def test_what_one_has_written_meanwhile_is_read_again_by_the_other() -> None:
    """Both at once, each interrupted by the other between its read and its write."""
    world = Both()
    world.repositories = SlowObjects(BackupRepository, world.clock)
    world.repositories.put(ready_repository())
    world.start()
    await ask(lambda: world.own.reconcile(REPOSITORY))
    world.annotate(upkeep="now")

    async def own() -> None:
        for points in range(2, 40):
            world.opened.found = dataclasses.replace(SEEN, recovery_points=points)
            await ask(lambda: world.own.reconcile(REPOSITORY))

    async def upkeep() -> None:
        for _ in range(40):
            await ask(world.look)
            await asyncio.sleep(0)

    conflicts = len(CONFLICTS)
    await asyncio.gather(own(), upkeep())

    assert len(CONFLICTS) > conflicts
    assert world.repository.status.recovery_points == 39
    assert set(world.outcomes().values()) == {"Succeeded"}


async def test_the_message_of_a_lost_history_is_the_command_that_accepts_it() -> None:
    world = Both()
    world.jobs.put_back_to = FOUND
    world.opened.found = dataclasses.replace(
        SEEN, history_lost="the log does not have object 7", log_found=FOUND
    )
    await world.own.reconcile(REPOSITORY)
    ready = world.repository.status.conditions[0]
    assert ready.reason == "HistoryRolledBack"

    # The last word of the message is the annotation, as a person copies it.
    name, _, value = ready.message.rsplit(" ", 1)[1].partition("=")
    metadata = replace(world.repository.metadata, annotations={name: value})
    world.repositories.put(replace(world.repository, metadata=metadata))
    await world.settle()
    assert world.jobs.put_back_to is None

    world.opened.found = dataclasses.replace(SEEN, log=FOUND)
    await world.own.reconcile(REPOSITORY)
    assert world.repository.status.conditions[0].reason == "Ready"
    assert world.repository.status.log == FOUND


@pytest.mark.parametrize("length", [1, 253])
async def test_the_command_is_whole_however_long_the_names_are(length: int) -> None:
    world = Both()
    metadata = replace(world.repository.metadata, name="r" * length)
    world.repositories.put(replace(world.repository, metadata=metadata))
    lost = dataclasses.replace(SEEN, history_lost="x" * 300, log_found=LogHead(10**15, "c" * 64))
    world.opened.found = lost
    tenancy = (replace(SETTINGS.tenancy[0], repositories=("team/*",)), *SETTINGS.tenancy[1:])
    world.own = RepositoryReconciler(
        replace(SETTINGS, tenancy=tenancy),
        world.clock,
        world.repositories,
        world.secrets,
        MemoryWays(),
        world.opened,
    )
    await world.own.reconcile(metadata.key)

    ready = world.repositories.stored[metadata.key].status.conditions[0]
    assert ready.message.endswith(f"accept-history={10**15}:{'c' * 64}")
