"""A VM that is made of a snapshot set which no repository knows, whatever happens meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.sampling import some_of
from tests.unit.backups.set_worlds import SETS, bring_back, snapshot_session
from tests.unit.restores.restoring_worlds import RESTORE, TARGET, undo_what_is_left
from tests.unit.restores.vm_worlds import VM_TARGET, described_machine, with_surroundings
from tests.worlds.killed_operator import run_killed_every, run_through_kills
from tests.worlds.memory_world import World

NAME = "back-again"


async def described_world(**spec: Any) -> World:
    """Return a world with a set whose VM is described, and a session that makes a VM of it."""
    world = with_surroundings(World())
    world.add(described_machine())
    world.sessions.put(snapshot_session())
    await world.run(SETS)
    world.azure.asked.clear()
    wanted = {"mode": "VirtualMachine", "target": replace(VM_TARGET, vm_name=NAME)} | spec
    world.restores.put(bring_back(world, **wanted))
    return world


def check_restored(world: World, where: str) -> None:
    status = world.restored(RESTORE)
    assert status.outcome == "Succeeded", (where, status.message)
    assert status.attempt == 1, where
    assert len(world.loose.copies) == 2, where
    assert {each.rsplit("/", 1)[1] for each in world.target.parts} >= {NAME}, where
    assert all(part.ready for part in world.target.parts.values()), where
    assert world.undo_records.stored == {}, where
    assert [what for what, count in world.azure.asked.items() if count > 1] == [], where


def check_nothing_was_made(world: World, where: str = "") -> None:
    assert world.loose.copies == {}, where
    assert world.target.parts == {}, where
    assert world.undo_records.stored == {}, where


async def test_killed_anywhere_the_vm_is_made_once() -> None:
    moments, _ = await run_through_kills(await described_world(), RESTORE, 0)
    assert moments > 20

    for at in some_of(range(1, moments + 1)):
        world = await described_world()
        _, where = await run_through_kills(world, RESTORE, at)
        await undo_what_is_left(world)

        check_restored(world, where)


async def test_killed_again_and_again_it_still_ends() -> None:
    world = await described_world()
    await run_killed_every(world, RESTORE, 5, starts=500)
    await undo_what_is_left(world)

    check_restored(world, "every fifth write")


async def test_without_its_object_a_set_is_not_known_by_that_name() -> None:
    world = await described_world()
    world.point_objects.stored.clear()
    await world.run(RESTORE)

    assert world.condition("Failed", RESTORE).reason == "RecoveryPointNotFound"
    check_nothing_was_made(world)


@pytest.mark.parametrize("condition", ["Accepted", "DisksCreated"])
async def test_an_object_that_goes_once_it_was_read_is_not_missed(condition: str) -> None:
    world = await described_world()
    await world.run_until(condition, RESTORE)
    world.point_objects.stored.clear()
    await world.run(RESTORE)

    check_restored(world, condition)


@pytest.mark.parametrize("mode", ["Disks", "VirtualMachine"])
@pytest.mark.parametrize("condition", ["Accepted", "DisksCreated"])
async def test_where_another_process_lacks_the_object_all_is_taken_back(
    condition: str, mode: str
) -> None:
    target = VM_TARGET if mode == "VirtualMachine" else TARGET
    world = await described_world(mode=mode, target=target)
    await world.run_until(condition, RESTORE)
    world.point_objects.stored.clear()
    world.start()
    await world.run(RESTORE)

    failed = world.condition("Failed", RESTORE)
    assert failed.reason == "VirtualMachineNotDescribed"
    assert "what Azure said of the VM" in failed.message
    check_nothing_was_made(world)
