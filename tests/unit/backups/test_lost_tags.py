"""Snapshots that lost a tag: their set is neither counted nor deleted, their point is as others.

Whether a point is kept is the repository's matter, which knows nothing of snapshots.
"""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest

from tests.contract.ports.point_facts import settled
from tests.unit.backups.incremental_stories import back_up, kinds, reasons, told
from tests.unit.restores.restoring_worlds import RESTORE, is_as_backed_up, made_disks, restore
from tests.worlds.memory_cluster import ready_repository
from tests.worlds.memory_points import USER_KEY
from tests.worlds.memory_world import World
from tests.worlds.samples import RING
from vmbackup_core.ids import RunId
from vmbackup_core.retention.in_force import LiveRule
from vmbackup_core.retention.rules import Retention
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.backup_repository import Sight
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.references import LocalReference, ObjectReference
from vmbackup_operator.naming import APPLIANCE_TAG, RUN_TAG
from vmbackup_operator.services.fence import open_fence
from vmbackup_operator.services.upkeep_jobs import RepositoryUpkeep
from vmbackup_operator.sessions.tags import SEALED_TAG, TagsNotGenuine, verified_set
from vmbackup_operator.upkeep.ports import GoOn, Job, JobAsked

POLICY = LocalReference("nightly")
FIRST, SECOND, THIRD, FOURTH, FIFTH = (ObjectKey("team", f"nightly-{each}") for each in "12345")
DAY_S = 24 * 3600
LOST = (SEALED_TAG, f"{SEALED_TAG}-0", RUN_TAG, APPLIANCE_TAG)


@pytest.fixture
def world() -> World:
    return World()


async def nightly(world: World, key: ObjectKey, keep: int = 2) -> None:
    await back_up(world, key, policy_ref=POLICY, snapshots_to_keep=keep)


def snapshots_of(world: World, key: ObjectKey) -> set[str]:
    """Return which snapshots of the session's set are there."""
    ids = {folded(each.snapshot_id) for each in world.status(key).snapshot_set}
    return ids & world.azure.snapshots.keys()


def lose(world: World, key: ObjectKey, *names: str) -> str:
    """Take tags from a snapshot of the session's set, or all that it has, and return its id."""
    lost = folded(world.status(key).snapshot_set[1].snapshot_id)
    seen = world.azure.snapshots[lost]
    tags = {name: value for name, value in seen.tags.items() if names and name not in names}
    assert len(tags) < len(seen.tags)
    world.azure.snapshots[lost] = dataclasses.replace(seen, tags=tags)
    return lost


def run_of(world: World, key: ObjectKey) -> RunId:
    run = world.status(key).run_id
    assert run is not None
    return run


class Upkeep:
    """Upkeep of the world's repository, by a policy that keeps one point."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.jobs = RepositoryUpkeep(world.points.opened_repositories, open_fence, world.clock)
        self.sights: tuple[Sight, ...] = ()

    async def through(self, job: Job) -> None:
        rule = LiveRule(Retention(1, 0, 0, 0, 0), self.world.clock.now() - timedelta(days=99))
        cursor, repository = "", ready_repository()
        rules = {("team", "nightly"): rule}
        while True:
            asked = JobAsked(job, cursor, timedelta(0), rules, frozenset(), self.sights)
            found = await settled(lambda: self.jobs.work(repository, USER_KEY, asked))  # noqa: B023 - called here
            if not isinstance(found, GoOn):
                break
            cursor = found.cursor
        number = await settled(lambda: self.jobs.log_number(repository, USER_KEY))
        self.sights = (Sight(number, self.world.clock.now()),)

    async def night(self) -> None:
        """Let go what the rules do not keep, and two days later delete what it leaves."""
        await self.through("Expire")
        self.world.clock.turn(2 * DAY_S)
        await self.through("Expire")
        await self.through("Prune")


@pytest.mark.parametrize("names", [*((each,) for each in LOST), ()], ids=[*LOST, "all"])
async def test_a_set_that_lost_a_tag_is_not_counted_nor_deleted_and_each_session_tells(
    world: World, names: tuple[str, ...]
) -> None:
    await nightly(world, FIRST)
    await nightly(world, SECOND)
    lose(world, FIRST, *names)

    for told_before, key in enumerate((THIRD, FOURTH), start=1):
        await nightly(world, key)
        assert len(told(world, "SnapshotSetAltered")) >= told_before

    assert len(snapshots_of(world, FIRST)) == 3
    assert [len(snapshots_of(world, each)) for each in (SECOND, THIRD, FOURTH)] == [0, 3, 3]
    assert set(kinds(world, FOURTH).values()) == {"incremental"}
    for each in snapshots_of(world, FIRST):
        del world.azure.snapshots[each]
    before = len(told(world, "SnapshotSetAltered"))
    await nightly(world, FIFTH)
    assert len(told(world, "SnapshotSetAltered")) == before
    assert [len(snapshots_of(world, each)) for each in (THIRD, FOURTH, FIFTH)] == [0, 3, 3]


@pytest.mark.parametrize("names", [*((each,) for each in LOST), ()], ids=[*LOST, "all"])
async def test_where_the_newest_set_lost_a_tag_the_next_one_reads_whole_and_the_counting_goes_on(
    world: World, names: tuple[str, ...]
) -> None:
    await nightly(world, FIRST, keep=1)
    lost = lose(world, FIRST, *names)
    await nightly(world, SECOND, keep=1)
    await nightly(world, THIRD, keep=1)

    assert set(reasons(world, SECOND).values()) <= {"TagsNotVerified", "PredecessorGone"}
    assert set(kinds(world, SECOND).values()) == {"full"}
    assert set(kinds(world, THIRD).values()) == {"incremental"}
    assert lost in snapshots_of(world, FIRST)
    assert [len(snapshots_of(world, each)) for each in (FIRST, SECOND, THIRD)] == [3, 0, 3]


async def test_a_point_whose_snapshots_lost_a_tag_expires_by_its_rule_and_no_other_is_hurt(
    world: World,
) -> None:
    for key in (FIRST, SECOND, THIRD):
        await nightly(world, key)
    lose(world, THIRD, SEALED_TAG)
    await nightly(world, FOURTH)
    upkeep = Upkeep(world)

    await upkeep.night()

    assert world.points.points.keys() == {run_of(world, FOURTH)}
    assert world.points.open().check(read_data=True).findings == ()
    assert len(snapshots_of(world, THIRD)) == 3
    left = [world.azure.snapshots[each] for each in snapshots_of(world, THIRD)]
    with pytest.raises(TagsNotGenuine):
        verified_set(RING, left)


async def test_a_point_that_is_kept_is_restored_though_its_snapshots_lost_all_tags(
    world: World,
) -> None:
    await nightly(world, FIRST)
    await nightly(world, SECOND)
    lose(world, SECOND)
    await Upkeep(world).night()
    assert world.points.points.keys() == {run_of(world, SECOND)}

    (shown,) = [
        each
        for each in world.point_objects.stored.values()
        if each.spec.run_id == run_of(world, SECOND)
    ]
    reference = ObjectReference(shown.metadata.name)
    world.restores.put(restore(world, recovery_point_ref=reference))
    await world.run(RESTORE)

    assert world.restored(RESTORE).outcome == "Succeeded"
    assert [is_as_backed_up(world, each) for each in made_disks(world)] == [True] * 3
