"""The operator killed at each write of a restore to a VM, and of what takes one back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from tests.sampling import some_of
from tests.unit.restores.restoring_worlds import (
    RESTORE,
    cancelled_when,
    holders,
    is_as_backed_up,
    made_disks,
    undo_what_is_left,
)
from tests.unit.restores.vm_worlds import VM_TARGET, described_world
from tests.worlds.killed_operator import run_through_kills
from tests.worlds.memory_targets import RESTORED_GROUP
from tests.worlds.memory_world import World
from vmbackup_operator.model.restore_session import DiskOverride, RestoreOverrides

NAME = "back-again"
MACHINE = f"{RESTORED_GROUP}/providers/Microsoft.Compute/virtualMachines/{NAME}".lower()
#: Azure takes it only once the content is whole: the disk is changed behind its upload.
LATER = {"properties": {"dataAccessAuthMode": "AzureActiveDirectory"}}
#: Asking for this twice is harmless, and what a crash before the record of the first one leads to.
REPEATABLE = "message to vmb-jobs"


async def machine_world() -> World:
    """Return a world with a session that makes a VM, and no worker that has been there before."""
    overrides = RestoreOverrides(disks=(DiskOverride("0", patch=LATER),))
    target = replace(VM_TARGET, vm_name=NAME)
    world = await described_world(target=target, overrides=overrides)
    world.azure.workers.clear()
    world.azure.commands.clear()
    return world


def kinds(said: list[str]) -> set[str]:
    """Return what is done in writes, by their first word: the objects' names say nothing more."""
    return {each.split()[1] for each in said}


async def test_what_a_restore_to_a_vm_writes_is_all_met() -> None:
    world, said = await machine_world(), list[str]()
    world.meets(said.append)
    await world.run(RESTORE)

    assert world.restored(RESTORE).outcome == "Succeeded", world.restored(RESTORE).message
    assert kinds(said) >= {"disk", "grant", "revoke", "change", "make", "command", "queue"}
    holds = [each for each in said if each.startswith("before d/")]
    assert len(holds) == 4  # each disk's is put, and deleted


async def test_killed_anywhere_a_restore_to_a_vm_makes_everything_once() -> None:
    moments, _ = await run_through_kills(await machine_world(), RESTORE, 0)
    assert moments > 100

    for at in some_of(range(1, moments + 1)):
        world = await machine_world()
        _, where = await run_through_kills(world, RESTORE, at)
        await undo_what_is_left(world)

        status = world.restored(RESTORE)
        assert status.outcome == "Succeeded", (where, status.message)
        assert status.attempt == 1, where
        twice = [what for what, count in world.azure.asked.items() if count > 1]
        assert all(what.startswith(REPEATABLE) for what in twice), (where, twice)
        assert len(world.target.parts) == 2, where
        assert all(part.ready for part in world.target.parts.values()), where
        assert [is_as_backed_up(world, disk) for disk in made_disks(world)] == [True, True], where
        assert [LATER in disk.changes for disk in made_disks(world)] == [False, True], where
        assert holders(world) == [], where
        assert world.undo_records.stored == {}, where
        assert {each.state for each in world.azure.workers.values()} == {"deallocated"}, where


async def cancelled_world(is_so: Callable[[World], bool]) -> World:
    return await cancelled_when(await machine_world(), "DataRestored", is_so)


@pytest.mark.parametrize(
    "is_so",
    [
        pytest.param(lambda world: len(world.target.parts) == 1, id="its interface is made"),
        pytest.param(lambda world: MACHINE in world.target.parts, id="its VM is made"),
    ],
)
async def test_killed_anywhere_a_restore_to_a_vm_that_is_cancelled_leaves_nothing(
    is_so: Callable[[World], bool],
) -> None:
    moments, _ = await run_through_kills(await cancelled_world(is_so), RESTORE, 0)
    assert moments > 20

    for at in some_of(range(1, moments + 1)):
        world = await cancelled_world(is_so)
        _, where = await run_through_kills(world, RESTORE, at)
        await undo_what_is_left(world)

        assert world.restored(RESTORE).outcome == "Cancelled", where
        assert world.target.parts == {}, where
        assert made_disks(world) == [], where
        assert holders(world) == [], where
        assert world.undo_records.stored == {}, where
