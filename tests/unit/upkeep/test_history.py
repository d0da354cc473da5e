"""A person accepts the history of a repository that was put back, by the head that was found."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.worlds.memory_upkeep import UpkeepWorld
from vmbackup_operator.model.backup_repository import LogHead, Maintenance, Sight
from vmbackup_operator.reconciling.outcome import Waiting

KNOWN = LogHead(9, "a" * 64)
FOUND = LogHead(4, "b" * 64)
RIGHT = f"{FOUND.number}:{FOUND.sha256}"


@pytest.fixture
async def put_back(world: UpkeepWorld) -> UpkeepWorld:
    """A repository whose log was put back to an earlier time."""
    world.jobs.put_back_to = FOUND
    world.say_ready("HistoryRolledBack")
    status = replace(world.repository.status, log=KNOWN)
    world.repositories.store(replace(world.repository, status=status))
    return world


async def test_the_head_that_was_found_is_accepted_and_known_from_then_on(
    put_back: UpkeepWorld,
) -> None:
    put_back.annotate(accept_history=RIGHT)
    await put_back.settle()

    assert put_back.jobs.put_back_to is None
    assert put_back.repository.status.log == FOUND
    assert put_back.repository.status.handled_accept_history == RIGHT
    assert put_back.events.told == []


async def test_what_was_seen_of_the_other_history_counts_no_more(put_back: UpkeepWorld) -> None:
    """Its numbers mean other entries by now: none of them has waited for its day."""
    status = put_back.repository.status
    seen = Maintenance(sights=(Sight(9, put_back.clock.now() - timedelta(days=3)),))
    put_back.repositories.store(
        replace(put_back.repository, status=replace(status, maintenance=seen))
    )

    put_back.annotate(accept_history=RIGHT)
    await put_back.settle()

    assert put_back.repository.status.log == FOUND
    assert put_back.maintenance.sights == ()


@pytest.mark.parametrize(
    "told",
    [f"9:{'a' * 64}", f"4:{'c' * 64}", "yes", "4", f"04:{'b' * 64}", f"4:{'B' * 64}", "x" * 500],
    ids=["the one before", "another digest", "a word", "no digest", "zeros", "capitals", "long"],
)
async def test_anything_else_is_refused_once_and_said(put_back: UpkeepWorld, told: str) -> None:
    put_back.annotate(accept_history=told)
    await put_back.settle()
    writes = put_back.repositories.writes
    await put_back.settle()

    assert put_back.jobs.put_back_to == FOUND
    assert put_back.repository.status.log == KNOWN
    assert [reason for _, reason, _ in put_back.events.told] == ["HistoryNotAccepted"]
    assert put_back.repositories.writes == writes


async def test_a_refused_value_does_not_stand_in_the_way_of_the_right_one(
    put_back: UpkeepWorld,
) -> None:
    put_back.annotate(accept_history="yes")
    await put_back.settle()
    put_back.annotate(accept_history=RIGHT)
    await put_back.settle()

    assert put_back.repository.status.log == FOUND


async def test_it_is_acted_on_once(put_back: UpkeepWorld) -> None:
    """Put back to the same head again, a person is asked again."""
    put_back.annotate(accept_history=RIGHT)
    await put_back.settle()
    put_back.jobs.put_back_to = FOUND
    await put_back.settle()
    assert put_back.jobs.put_back_to == FOUND

    put_back.annotate()
    await put_back.settle()
    put_back.annotate(accept_history=RIGHT)
    await put_back.settle()
    assert put_back.jobs.put_back_to is None


async def test_where_nothing_was_put_back_nothing_is_accepted_and_the_value_stays_new(
    world: UpkeepWorld,
) -> None:
    world.annotate(accept_history=RIGHT)
    await world.settle()
    assert world.repository.status.handled_accept_history == ""

    world.jobs.put_back_to = FOUND
    world.say_ready("HistoryRolledBack")
    await world.settle()
    assert world.jobs.put_back_to is None


async def test_a_repository_that_is_at_work_is_asked_again(put_back: UpkeepWorld) -> None:
    put_back.jobs.accepting = Waiting(2, "at work")
    put_back.annotate(accept_history=RIGHT)
    assert await put_back.look() == Waiting(2, "at work")
    put_back.jobs.accepting = None
    await put_back.settle()

    assert put_back.repository.status.log == FOUND


async def test_killed_before_it_is_written_it_is_accepted_again(put_back: UpkeepWorld) -> None:
    class Killed(BaseException):
        pass

    def kill(what: str) -> None:
        if what == "before the status":
            raise Killed

    put_back.repositories.meets = kill
    put_back.annotate(accept_history=RIGHT)
    with pytest.raises(Killed):
        await put_back.look()
    put_back.repositories.meets = lambda _what: None
    # What was accepted was in memory, and status still has the head before.
    put_back.jobs.put_back_to = FOUND
    put_back.start()
    await put_back.settle()

    assert put_back.repository.status.log == FOUND
