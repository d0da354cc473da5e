"""Since when a policy's retention stands: what upkeep lets go by it waits from then."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from tests.worlds.memory_policies import PolicyWorld
from vmbackup_operator.model.backup_policy import StandingRetention
from vmbackup_operator.model.retention import Retention


def standing(world: PolicyWorld) -> StandingRetention:
    found = world.policy.status.retention
    assert found is not None
    return found


async def test_a_retention_stands_from_when_it_was_first_seen(idle: PolicyWorld) -> None:
    seen = standing(idle)
    idle.clock.turn(3600)
    await idle.look()

    assert standing(idle) == seen == StandingRetention(Retention(), seen.since)


async def test_another_one_stands_from_its_own_first_sight(idle: PolicyWorld) -> None:
    before = idle.clock.now()
    idle.clock.turn(3600)
    idle.edit(retention=Retention(last=2))
    await idle.look()

    assert standing(idle) == StandingRetention(Retention(last=2), before + timedelta(hours=1))


async def test_one_that_comes_back_stands_anew(idle: PolicyWorld) -> None:
    first = standing(idle)
    for retention in (Retention(last=2), first.rule):
        idle.clock.turn(3600)
        idle.edit(retention=retention)
        await idle.look()

    assert standing(idle) == StandingRetention(first.rule, first.since + timedelta(hours=2))


async def test_a_moment_ahead_of_now_is_not_believed(idle: PolicyWorld) -> None:
    now = idle.clock.now()
    ahead = replace(standing(idle), since=now + timedelta(days=400))
    status = replace(idle.policy.status, retention=ahead)
    idle.policies.store(replace(idle.policy, status=status))
    await idle.look()

    assert standing(idle).since == now


async def test_looked_at_again_nothing_is_written_for_it(idle: PolicyWorld) -> None:
    writes = idle.policies.writes
    for _ in range(3):
        idle.clock.turn(3600)
        await idle.look()

    assert idle.policies.writes == writes
