"""A recovery point brought back as disks: what is made, how it is written, what stays."""

from __future__ import annotations

from msgspec.structs import replace

from tests.unit.restores.restoring_worlds import (
    RESTORE,
    TARGET,
    backed_up_world,
    holders,
    is_as_backed_up,
    made_disks,
    restore,
    restoring_world,
)
from tests.worlds.other_subscription import across
from tests.worlds.samples import FOREIGN_SUBSCRIPTION
from vmbackup_core.ids import RunId
from vmbackup_operator.naming import RUN_TAG, subscription_of
from vmbackup_operator.restores.judging import group_of
from vmbackup_operator.sessions.target_ports import ResourceSeen


async def test_every_disk_of_the_point_comes_back_byte_for_byte() -> None:
    world = await restoring_world()

    await world.run(RESTORE)

    status = world.restored(RESTORE)
    assert status.outcome == "Succeeded", status.message
    assert len(made_disks(world)) == 2
    assert all(is_as_backed_up(world, disk) for disk in made_disks(world))
    assert {disk.state for disk in made_disks(world)} == {"Unattached"}
    assert status.attempt == 1


async def test_nothing_is_open_held_or_owed_when_it_has_ended() -> None:
    world = await restoring_world()

    await world.run(RESTORE)

    assert [disk.url for disk in made_disks(world)] == [None, None]
    assert holders(world) == []
    assert world.undo_records.stored == {}
    assert {each.state for each in world.azure.workers.values()} == {"deallocated"}
    assert world.azure.queues == {}
    assert world.restores.stored[RESTORE.at].metadata.finalizers == ()


async def test_disks_are_written_through_a_disk_access_alone() -> None:
    world = await restoring_world()

    await world.run(RESTORE)

    assert all(disk.disk_access_id is not None for disk in made_disks(world))


async def test_no_sas_is_in_the_status() -> None:
    world = await restoring_world()
    seen: set[str] = set()

    def look(_what: str) -> None:
        seen.update(disk.url for disk in made_disks(world) if disk.url is not None)
        texts = [repr(each.status) for each in world.restores.stored.values()]
        assert not any(url in text for url in seen for text in texts)

    world.meets(look)
    await world.run(RESTORE)

    assert len(seen) == 2


async def test_what_is_made_says_whose_and_of_which_run_it_is() -> None:
    world = await restoring_world()

    await world.run(RESTORE)

    run = world.restored(RESTORE).run_id or RunId("")
    assert [disk.tags[RUN_TAG] for disk in made_disks(world)] == [run, run]


async def test_the_job_names_the_disks_that_were_chosen_and_no_others() -> None:
    world = await restoring_world(3, disks=("os", "1"))

    await world.run(RESTORE)

    assert world.restored(RESTORE).outcome == "Succeeded"
    assert len(made_disks(world)) == 2
    assert [len(job.disks) for _, _, job in world.restore_jobs] == [2]


async def test_disks_of_another_subscription_are_written_through_a_disk_access_there() -> None:
    world = await backed_up_world(made=across())
    scope = f"/subscriptions/{FOREIGN_SUBSCRIPTION}"
    team, *others = world.settings.tenancy
    team = replace(team, restore_scopes=(*team.restore_scopes, scope))
    world.settings = replace(world.settings, tenancy=(team, *others))
    world.start()
    target = replace(TARGET, subscription_id=FOREIGN_SUBSCRIPTION)
    world.target.put(ResourceSeen(group_of(target)))
    world.restores.put(restore(world, target=target))

    await world.run(RESTORE)

    assert world.restored(RESTORE).outcome == "Succeeded"
    through = {subscription_of(disk.disk_access_id or disk.id) for disk in made_disks(world)}
    assert through == {FOREIGN_SUBSCRIPTION}
    assert all(is_as_backed_up(world, disk) for disk in made_disks(world))
