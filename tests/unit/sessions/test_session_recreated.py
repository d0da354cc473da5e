"""A session's object that is made again without its status, as GitOps and cluster restores do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.sampling import some_of
from tests.worlds.memory_world import Killed, World
from tests.worlds.samples import VM, session_of
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.references import LocalReference
from vmbackup_operator.naming import session_name_of_slot

SLOT = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
KEY = ObjectKey("team", session_name_of_slot("nightly", VM, SLOT))


def policys_session(number: int) -> BackupSession:
    uid = f"00000000-0000-4000-8000-{number:012d}"
    return session_of(KEY, uid=uid, policy_ref=LocalReference("nightly"), slot=SLOT)


async def ended_after_loss_at(moment: int) -> tuple[World, str]:
    """Return a world whose session lost its object at write number *moment*, and what that was."""
    world, count, where = World(), 0, ""
    world.sessions.put(policys_session(1))

    def meet(what: str) -> None:
        nonlocal count, where
        count += 1
        if count == moment:
            where = what
            raise Killed

    world.meets(meet)
    try:
        await world.run(KEY)
    except Killed:
        world.start()
        world.sessions.stored.pop(KEY, None)
        world.sessions.put(policys_session(2))
    world.meets(lambda _what: None)
    await world.run(KEY)
    return world, where


async def moments_of_a_whole_session() -> int:
    world, count = World(), 0
    world.sessions.put(policys_session(1))

    def meet(_what: str) -> None:
        nonlocal count
        count += 1

    world.meets(meet)
    await world.run(KEY)
    return count


def check_end(world: World, where: str) -> None:
    assert world.status(KEY).outcome == "Succeeded", where
    assert world.azure.sas == {}, where
    states = {each.state for each in world.azure.workers.values()}
    assert states <= {"deallocated"}, where
    assert len(world.points.points) == 1, where


async def test_made_again_at_any_moment_it_succeeds_and_leaves_nothing_behind() -> None:
    """Before each write: what is stored after one is what is stored before the next."""
    moments = await moments_of_a_whole_session()
    assert moments > 80

    for moment in some_of(range(1, moments + 1, 2)):
        world, where = await ended_after_loss_at(moment)
        assert where, moment
        check_end(world, where)


@pytest.mark.parametrize("reached", ["WorkerReady", "ExportGranted"])
async def test_made_again_while_its_worker_runs_it_launches_the_agent_anew_at_once(
    reached: str,
) -> None:
    """The command of the launch that is forgotten has the name of the one to come."""
    world = World()
    world.sessions.put(policys_session(1))
    await world.run_until(reached, KEY)
    world.start()
    world.sessions.stored.pop(KEY)
    world.sessions.put(policys_session(2))
    began = world.clock.now()

    await world.run(KEY)

    assert (world.status(KEY).outcome, world.status(KEY).attempt) == ("Succeeded", 1)
    assert world.clock.now() - began < timedelta(minutes=10)
    check_end(world, reached)
