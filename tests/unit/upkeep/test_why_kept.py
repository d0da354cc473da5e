"""RecoveryPoint objects say why their points are kept, and until when."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from tests.unit.upkeep.test_mirroring import mirror, point
from tests.worlds.memory_policies import policy
from tests.worlds.memory_upkeep import UpkeepWorld
from tests.worlds.samples import VM
from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_core.ids import RunId
from vmbackup_core.retention.in_force import Stamp
from vmbackup_core.retention.rules import Retention
from vmbackup_operator.model.backup_policy import StandingRetention
from vmbackup_operator.model.recovery_point import Kept
from vmbackup_operator.model.retention import Retention as Said
from vmbackup_operator.naming import ArmId
from vmbackup_operator.policies.kept_points import PointFacts

GROUP = ("team", "nightly", VM.lower())


def told_of(world: UpkeepWorld, numbers: list[int], stamp: Stamp) -> None:
    """Have the points of so many days ago be there, with their facts."""
    world.mirror.points = [point(world, number) for number in numbers]
    for each in world.mirror.points:
        facts = PointFacts(each.run_id, each.created_at, GROUP, stamp)
        world.mirror.facts[each.run_id] = facts


def keeps(world: UpkeepWorld, retention: Said) -> None:
    """Have a policy that backs up daily at one o'clock say so since long ago."""
    wanted = policy(ArmId(VM))
    spec = replace(wanted.spec, retention=retention)
    world.policies.put(replace(wanted, spec=spec))
    standing = StandingRetention(retention, world.clock.now() - timedelta(days=99))
    stored = world.policies.stored[wanted.metadata.key]
    world.policies.store(replace(stored, status=replace(stored.status, retention=standing)))


def shown(world: UpkeepWorld) -> dict[RunId, Kept]:
    return {each.spec.run_id: each.status.kept for each in world.point_objects.stored.values()}


def one_o_clock(moment: datetime, days: int) -> datetime:
    return moment.replace(hour=1, minute=0, second=0, microsecond=0) + timedelta(days=days)


async def test_a_piece_of_one_vm_at_a_time_tells_of_each_why_it_is_kept(
    world: UpkeepWorld,
) -> None:
    """Each piece has one point here, so each of them is the newest of those that are told of."""
    keeps(world, Said(last=2, daily=5))
    told_of(world, [1], Stamp(Retention(1, 0, 0, 0, 0)))
    await world.pass_night()

    (kept,) = shown(world).values()
    assert kept.because == "last 2, daily 5, minSuccessful 1"
    assert kept.until is not None
    assert kept.until > world.clock.now() + timedelta(days=3)
    assert kept.until == one_o_clock(kept.until, 0)


async def test_an_object_that_is_there_is_told_anew_once(world: UpkeepWorld) -> None:
    keeps(world, Said(within_days=30, last=1))
    told_of(world, [1], Stamp(Retention(1, 0, 0, 0, 0)))
    (seen,) = world.mirror.points
    await world.point_objects.ensure(mirror(world, seen))
    assert shown(world) == {seen.run_id: Kept()}

    await world.pass_night()
    first = shown(world)[seen.run_id]
    writes = world.point_objects.writes
    await world.pass_night()

    assert first.because == "last 1, withinDays 30, minSuccessful 1"
    assert first.until == (seen.created_at + timedelta(days=30)).replace(microsecond=0)
    assert shown(world)[seen.run_id] == first
    assert world.point_objects.writes == writes


async def test_without_its_policy_a_point_is_kept_by_its_stamp_for_good(
    world: UpkeepWorld,
) -> None:
    told_of(world, [1], Stamp(Retention(3, 0, 0, 0, 0)))
    await world.pass_night()

    assert list(shown(world).values()) == [Kept("last 3, minSuccessful 1")]


@pytest.mark.parametrize(
    "trouble",
    [TransientError("503"), PermanentError("not as its schema says", reason="UnreadableObject")],
    ids=["not now", "not at all"],
)
async def test_where_policies_cannot_be_read_points_are_shown_and_nothing_is_said(
    world: UpkeepWorld, trouble: Exception
) -> None:
    world.live.trouble = trouble
    told_of(world, [1], Stamp(Retention(3, 0, 0, 0, 0)))
    for _ in range(3):
        await world.pass_time(3000)
        world.annotate(upkeep=str(world.clock.now()))
    await world.pass_night()

    assert list(shown(world).values()) == [Kept()]
    assert world.outcomes()["Mirror"] == "Succeeded"
