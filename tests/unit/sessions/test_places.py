"""How regions are remembered for the steps of sessions."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from datetime import datetime

import pytest
from msgspec.structs import replace
from typing_extensions import override

from tests.unit.sessions.memory_world import KEY, World, session_of
from tests.unit.sessions.turned_clock import TurnedClock
from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_operator.model.conditions import is_true
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.sessions.places import REMEMBERED_S, Places
from vmbackup_operator.sessions.ports import Regions
from vmbackup_operator.sessions.seen import RegionSeen
from vmbackup_operator.sessions.steps.region import prepare_region


class Answers(Regions):
    """Regions that answer as the test says."""

    def __init__(self, answer: RegionSeen | Waiting | Exception) -> None:
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
    ) -> RegionSeen | Waiting:
        self.asked += 1
        self.not_before = not_before
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
async def remembered(world: World) -> tuple[Places, Answers, TurnedClock]:
    """Places that have seen a region once."""
    seen: RegionSeen | Waiting = Waiting(0, "not asked yet")
    while isinstance(seen, Waiting):
        seen = await world.ground.places.ensure("northeurope", ())
    assert isinstance(seen, RegionSeen)
    answers, clock = Answers(seen), TurnedClock()
    places = Places(world.ground.settings.appliance, answers, clock)
    await places.ensure("northeurope", ())
    return places, answers, clock


async def test_a_region_is_recalled_without_asking(
    remembered: tuple[Places, Answers, TurnedClock],
) -> None:
    places, answers, _ = remembered

    assert isinstance(await places.recall("NorthEurope"), RegionSeen)
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
    remembered: tuple[Places, Answers, TurnedClock], answer: Waiting | Exception
) -> None:
    places, answers, clock = remembered
    seen = answers.answer
    answers.answer = answer

    clock.turn(12 * REMEMBERED_S)

    assert await places.recall("northeurope") == seen
    assert answers.asked == 2


async def test_what_begins_there_is_told_of_the_trouble(
    remembered: tuple[Places, Answers, TurnedClock],
) -> None:
    places, answers, _ = remembered
    answers.answer = PermanentError("gone", reason="StorageAccountNotFound")

    with pytest.raises(PermanentError):
        await places.ensure("northeurope", ())


async def test_a_region_that_was_never_seen_is_waited_for(world: World) -> None:
    places = Places(world.ground.settings.appliance, Answers(Waiting(1, "x")), TurnedClock())

    assert isinstance(await places.recall("northeurope"), Waiting)


async def test_the_next_attempt_has_its_region_looked_at_since_the_last_one_was_lost() -> None:
    world = World()
    world.sessions.put(session_of())
    while not is_true(world.status().conditions, "EnvironmentReady"):
        world.clock.turn(await world.look() or 0)
    seen = await world.ground.places.recall("northeurope")
    assert isinstance(seen, RegionSeen)
    answers = Answers(seen)
    places = Places(world.ground.settings.appliance, answers, world.clock)
    ground = dataclasses.replace(world.ground, places=places)
    first = world.sessions.stored[KEY]
    second = replace(first, status=replace(first.status, attempt=2))

    await prepare_region(ground, first)
    assert answers.not_before is None
    await places.ensure_home(())
    answers.not_before = None
    await prepare_region(ground, second)

    said = world.condition("EnvironmentReady")
    assert answers.not_before == said.last_transition_time
