"""Since when a policy's retention stands: what upkeep lets go by it waits from then."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.worlds.memory_policies import PolicyWorld
from vmbackup_operator.model.backup_policy import (
    ReplacedRetention,
    Schedule,
    StandingRetention,
)
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

    moment = before + timedelta(hours=1)
    replaced = (ReplacedRetention(Retention(), moment),)
    assert standing(idle) == StandingRetention(Retention(last=2), moment, before=replaced)


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


async def test_other_days_stand_from_their_own_first_sight(idle: PolicyWorld) -> None:
    """Another time zone tells other points apart."""
    before = standing(idle)
    idle.clock.turn(3600)
    idle.edit(schedule=Schedule("0 1 1 1 *", time_zone="Asia/Tokyo"))
    await idle.look()

    after = standing(idle)
    assert (before.time_zone, after.time_zone) == ("Etc/UTC", "Asia/Tokyo")
    assert after.since == before.since + timedelta(hours=1)


def told(world: PolicyWorld) -> list[str]:
    return [message for reason, message in world.events.reasons if reason == "RetentionReduced"]


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        pytest.param(
            Retention(last=7, daily=3), Retention(last=2, daily=9),
            "last 7, daily 3 → last 2, daily 9", id="partly",
        ),
        pytest.param(
            Retention(within_days=30), Retention(within_days=29),
            "last 7, withinDays 30 → last 7, withinDays 29",
            id="by age",
        ),
        pytest.param(
            Retention(min_successful=2), Retention(),
            "last 7, minSuccessful 2 → last 7", id="successful",
        ),
    ],
)  # fmt: skip
async def test_a_retention_that_keeps_less_is_told_of_at_once_with_its_day(
    idle: PolicyWorld, before: Retention, after: Retention, change: str
) -> None:
    idle.edit(retention=before)
    await idle.look()
    idle.clock.turn(3600)
    idle.edit(retention=after)
    await idle.look()
    await idle.look()

    (message,) = told(idle)[-1:]
    assert f"({change})" in message
    assert f"{idle.clock.now() + timedelta(days=7):%Y-%m-%d %H:%MZ}" in message
    kinds = {kind for kind, reason, _ in idle.events.told if reason == "RetentionReduced"}
    assert kinds == {"Warning"}


async def test_a_retention_that_keeps_more_is_nothing_to_tell(idle: PolicyWorld) -> None:
    for each in (Retention(last=8), Retention(last=8, hourly=24), Retention(last=9, hourly=24)):
        idle.edit(retention=each)
        await idle.look()

    assert told(idle) == []


async def test_other_days_may_keep_less_and_are_told_of(idle: PolicyWorld) -> None:
    idle.edit(retention=Retention(daily=5))
    await idle.look()
    idle.edit(schedule=Schedule("0 1 1 1 *", time_zone="Asia/Tokyo"))
    await idle.look()

    assert "daily 5 in Asia/Tokyo" in told(idle)[-1]


async def test_without_a_repository_no_day_is_named(idle: PolicyWorld) -> None:
    idle.repositories.stored.clear()
    idle.edit(retention=Retention(last=1))
    await idle.look()

    assert "retentionChangeDelayDays" in told(idle)[-1]
