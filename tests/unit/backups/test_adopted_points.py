"""A recovery point that exists is adopted, and what it lacks of what was asked for is said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.worlds.memory_world import World
from tests.worlds.samples import KEY, VM, machine, session_of
from vmbackup_core.ids import DiskUniqueId
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.references import LocalReference


async def adopted(world: World, exclude: tuple[int, ...] = ()) -> str:
    """Have the session made again, excluding those LUNs; return what it says of its point."""
    ended = world.sessions.stored.pop(KEY)
    world.jobs.clear()
    world.sessions.put(session_of(uid=ended.metadata.uid, exclude_data_disk_luns=exclude))
    await world.run()
    assert (world.status().outcome, world.jobs) == ("Succeeded", [])
    return world.condition("Accepted").message


def warned(world: World, reason: str) -> list[str]:
    return [said for _, known, said in world.events.told if known == reason]


async def test_a_point_that_has_what_was_asked_for_is_adopted_without_a_word(world: World) -> None:
    await world.run()

    said = await adopted(world)

    assert said == "the recovery point of this run exists already"
    assert warned(world, "PointDiffers") == []


async def test_a_point_without_lun_0_is_adopted_and_that_is_said(world: World) -> None:
    world.sessions.stored[KEY] = session_of(exclude_data_disk_luns=(0,))
    await world.run()
    assert [each.disk for each in world.status().disks] == ["os", "1"]

    said = await adopted(world)

    assert said.endswith("; it lacks the data disk at LUN 0")
    assert len(warned(world, "PointDiffers")) == 1


async def test_a_point_with_a_disk_that_is_excluded_is_adopted_and_that_is_said(
    world: World,
) -> None:
    await world.run()

    said = await adopted(world, exclude=(0,))

    assert said.endswith("; it holds the excluded data disk at LUN 0")


async def test_a_point_of_another_disk_at_the_same_lun_is_adopted_and_that_is_said(
    world: World,
) -> None:
    await world.run()
    seen = machine()
    disks = list(seen.disks)
    disks[0] = replace(disks[0], unique_id=DiskUniqueId("swapped os"))
    disks[1] = replace(disks[1], unique_id=DiskUniqueId("swapped data"))
    world.add(replace(seen, disks=tuple(disks)))

    said = await adopted(world)

    assert "it holds the OS disk as another disk than it is now" in said
    assert said.endswith(", holds the data disk at LUN 0 as another disk than it is now")


async def test_a_point_whose_vm_is_gone_is_adopted_without_a_word(world: World) -> None:
    await world.run()
    world.azure.machines.clear()

    assert await adopted(world) == "the recovery point of this run exists already"


async def test_a_point_whose_vm_cannot_be_read_is_adopted_all_the_same(world: World) -> None:
    await world.run()
    world.azure.unsupported.add(folded(VM))

    assert await adopted(world) == "the recovery point of this run exists already"


async def test_a_users_session_that_excludes_a_lun_without_a_disk_says_so(world: World) -> None:
    world.sessions.stored[KEY] = session_of(exclude_data_disk_luns=(0, 7, 63))

    await world.run()

    name = VM.rsplit("/", 1)[1]
    assert warned(world, "UnknownLun") == [
        f"excludeDataDiskLuns: {name} has no data disk at LUN 7, 63"
    ]
    assert [each.disk for each in world.status().disks] == ["os", "1"]


@pytest.mark.parametrize("luns", [(), (0,), (0, 1)])
async def test_known_luns_are_excluded_without_a_word(world: World, luns: tuple[int, ...]) -> None:
    world.sessions.stored[KEY] = session_of(exclude_data_disk_luns=luns)

    await world.run()

    assert warned(world, "UnknownLun") == []


async def test_a_policys_session_leaves_that_to_its_policy(world: World) -> None:
    policy = LocalReference("nightly")
    world.sessions.stored[KEY] = session_of(policy_ref=policy, exclude_data_disk_luns=(7,))

    await world.run()

    assert warned(world, "UnknownLun") == []
