"""Refusals that may end by themselves, and attempts that Azure lost, as a session meets them."""

from __future__ import annotations

import pytest

from tests.worlds.memory_world import World
from tests.worlds.samples import KEY
from vmbackup_core.errors import LostAttempt, PermanentError, RefusedForNow, TransientError


class Refusing:
    """Refuses what is done under a word, as often as the test says."""

    def __init__(self, world: World, word: str, error: Exception, times: int = 1) -> None:
        self.word = word
        self.error = error
        self.left = times
        world.azure.meets = self.meet

    def meet(self, what: str) -> None:
        if what.startswith(f"before {self.word}") and self.left > 0:
            self.left -= 1
            raise self.error


def not_yet() -> RefusedForNow:
    return RefusedForNow("not you, tried again", reason="NotAuthorized", retry_after_s=30)


async def end(world: World, limit: int = 400) -> None:
    """Run the session to its end; what it meets meanwhile is the work queue's to repeat."""
    for _ in range(limit):
        try:
            if await world.look(KEY) is None:
                return
        except TransientError:
            pass
        world.agents_work()
        await world.intake.round()
        world.clock.turn(5)
    raise AssertionError(f"it does not end: {world.status()}")


@pytest.mark.parametrize("word", ["snapshot", "grant", "worker", "command"])
async def test_refusals_while_a_role_spreads_fail_nothing(world: World, word: str) -> None:
    refusing = Refusing(world, word, not_yet(), times=3)

    await end(world)

    assert refusing.left == 0
    assert (world.status().outcome, world.status().attempt) == ("Succeeded", 1)


async def test_what_is_refused_is_said(world: World) -> None:
    Refusing(world, "snapshot", not_yet())
    await world.run_until("Accepted")

    with pytest.raises(RefusedForNow):
        await world.look()

    said = world.condition("SnapshotsReady")
    assert said.reason == "NotAuthorized"
    assert "tried again" in said.message


async def test_what_was_begun_and_lost_is_another_attempts(world: World) -> None:
    Refusing(world, "grant", LostAttempt("no", reason="DiskReadFailed"))

    await end(world)

    (error,) = world.status().errors
    assert (world.status().outcome, world.status().attempt) == ("Succeeded", 2)
    assert error.reason == "DiskReadFailed"


async def test_what_is_final_takes_no_other_attempt(world: World) -> None:
    Refusing(world, "grant", PermanentError("no", reason="NotAuthorized"))

    await end(world)

    assert (world.status().outcome, world.status().attempt) == ("Failed", 1)
