"""How regions are remembered for the steps of sessions."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from datetime import datetime

import pytest
from msgspec.structs import replace
from typing_extensions import override

from tests.worlds.memory_world import World
from tests.worlds.samples import KEY, session_of
from tests.worlds.turned_clock import TurnedClock
from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_operator.model.conditions import is_true
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.sessions.region_ports import Regions
from vmbackup_operator.sessions.seen import Region
from vmbackup_operator.sessions.seen_regions import REMEMBERED_S, SeenRegions
from vmbackup_operator.sessions.steps.region import prepare_region


class Answers(Regions):
    """Regions that answer as the test says."""

    def __init__(self, answer: Region | Waiting | Exception) -> None:
        self.answer = answer
        self.asked = 0
        self.not_before: datetime | None = None

    @override
    async def ensure(
        self,
        subscription_id: str,
        region: str,
        repository_accounts: Collection[ArmId],
        not_before: datetime | None = None,
    ) -> Region | Waiting:
        self.asked += 1
        self.not_before = not_before
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    @override
    async def exports_refused(self, region: str) -> str:
        return ""

    @override
    async def worker_size(self, region: str) -> str:
        return ""


@pytest.fixture
async def remembered(world: World) -> tuple[SeenRegions, Answers, TurnedClock]:
    """Regions that have seen a region once."""
    seen: Region | Waiting = Waiting(0, "not asked yet")
    while isinstance(seen, Waiting):
        seen = await world.ground.regions.ensure("northeurope", ())
    assert isinstance(seen, Region)
    answers, clock = Answers(seen), TurnedClock()
    regions = SeenRegions(world.ground.settings.appliance, answers, clock)
    await regions.ensure("northeurope", ())
    return regions, answers, clock


async def test_a_region_is_recalled_without_asking(
    remembered: tuple[SeenRegions, Answers, TurnedClock],
) -> None:
    regions, answers, _ = remembered

    assert isinstance(await regions.recall("NorthEurope"), Region)
    assert answers.asked == 1


@pytest.mark.parametrize(
    "answer",
    [
        Waiting(5, "busy"),
        TransientError("Azure was not reached"),
        PermanentError("a zone's link is missing", reason="ZoneAlreadyAsked"),
    ],
)
async def test_while_azure_cannot_be_asked_what_was_seen_last_is_true(
    remembered: tuple[SeenRegions, Answers, TurnedClock], answer: Waiting | Exception
) -> None:
    regions, answers, clock = remembered
    seen = answers.answer
    answers.answer = answer

    clock.turn(12 * REMEMBERED_S)

    assert await regions.recall("northeurope") == seen
    assert answers.asked == 2


async def test_what_begins_there_is_told_of_the_trouble(
    remembered: tuple[SeenRegions, Answers, TurnedClock],
) -> None:
    regions, answers, _ = remembered
    answers.answer = PermanentError("gone", reason="StorageAccountNotFound")

    with pytest.raises(PermanentError):
        await regions.ensure("northeurope", ())


async def test_a_region_that_was_never_seen_is_waited_for(world: World) -> None:
    regions = SeenRegions(world.ground.settings.appliance, Answers(Waiting(1, "x")), TurnedClock())

    assert isinstance(await regions.recall("northeurope"), Waiting)


async def test_the_next_attempt_has_its_region_looked_at_since_the_last_one_was_lost() -> None:
    world = World()
    world.sessions.put(session_of())
    while not is_true(world.status().conditions, "EnvironmentReady"):
        world.clock.turn(await world.look() or 0)
    seen = await world.ground.regions.recall("northeurope")
    assert isinstance(seen, Region)
    answers = Answers(seen)
    regions = SeenRegions(world.ground.settings.appliance, answers, world.clock)
    ground = dataclasses.replace(world.ground, regions=regions)
    first = world.sessions.stored[KEY]
    second = replace(first, status=replace(first.status, attempt=2))

    await prepare_region(ground, first)
    assert answers.not_before is None
    await regions.ensure_home(())
    answers.not_before = None
    await prepare_region(ground, second)

    said = world.condition("EnvironmentReady")
    assert answers.not_before == said.last_transition_time
