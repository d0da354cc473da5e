"""Disks of restores that the cluster was lost beneath: what never got its content goes."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.unit.restores.restoring_worlds import (
    RESTORE,
    backed_up_world,
    made_disks,
    restore,
    undo_what_is_left,
)
from tests.unit.sweeping.swept import GRACE_S, Swept
from tests.worlds.memory_world import World
from vmbackup_operator.arm_tags import joined_tags
from vmbackup_operator.ownership import OWNER_TAG


async def restoring(condition: str) -> Swept:
    """Return a world whose restore has come so far, and the operator's sweeper in it."""
    swept = Swept()
    await backed_up_world(made=swept.world)
    swept.world.restores.put(restore(swept.world))
    await swept.world.run_until(condition, RESTORE)
    return swept


def lose_cluster(swept: Swept) -> None:
    """Have an operator that knows neither the restore nor its record."""
    del swept.world.restores.stored[RESTORE.at]
    swept.world.restores.gone(RESTORE.at)
    swept.lose_cluster()


def states(world: World) -> set[str]:
    return {each.state for each in made_disks(world)}


@pytest.mark.parametrize(
    ("condition", "state"), [("DisksCreated", "ReadyToUpload"), ("AccessGranted", "ActiveUpload")]
)
async def test_disks_that_never_got_their_content_go(condition: str, state: str) -> None:
    swept = await restoring(condition)
    assert states(swept.world) == {state}
    lose_cluster(swept)
    await swept.sweep()

    assert made_disks(swept.world) == []


async def test_the_disks_of_a_finished_restore_stay() -> None:
    swept = await restoring("DisksCreated")
    await swept.world.run(RESTORE)
    assert swept.world.restored(RESTORE).outcome == "Succeeded"
    before = made_disks(swept.world)
    lose_cluster(swept)
    await swept.sweep()

    assert made_disks(swept.world) == before


async def test_disks_of_a_restore_that_goes_on_stay() -> None:
    swept = await restoring("DisksCreated")
    swept.start()
    before = made_disks(swept.world)
    for _ in range(3):
        await swept.look()
        swept.world.clock.turn(GRACE_S)

    assert made_disks(swept.world) == before
    await swept.world.run(RESTORE)
    assert swept.world.restored(RESTORE).outcome == "Succeeded"


async def test_while_there_is_a_record_that_is_gone_by_and_the_sweeper_waits() -> None:
    swept = await restoring("DisksCreated")
    del swept.world.restores.stored[RESTORE.at]
    swept.world.restores.gone(RESTORE.at)
    swept.start()
    await swept.look()
    swept.world.clock.turn(GRACE_S)
    await swept.look()
    assert len(made_disks(swept.world)) == 2

    await undo_what_is_left(swept.world)
    assert made_disks(swept.world) == []


async def test_what_does_not_prove_to_be_ours_stays() -> None:
    swept = await restoring("DisksCreated")
    theirs, *_ = made_disks(swept.world)
    theirs.tags = joined_tags(theirs.tags, {OWNER_TAG: "somebody's"})
    lose_cluster(swept)
    await swept.sweep()

    assert made_disks(swept.world) == [theirs]


async def test_where_nobody_may_restore_into_nothing_is_looked_at() -> None:
    swept = await restoring("DisksCreated")
    lose_cluster(swept)
    tenants = tuple(replace(each, restore_scopes=()) for each in swept.world.settings.tenancy)
    swept.world.settings = replace(swept.world.settings, tenancy=tenants)
    swept.start()
    await swept.sweep()

    assert len(made_disks(swept.world)) == 2
