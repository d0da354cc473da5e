"""A recovery point brought back as a VM: what is made, in which order, and what stays of it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.unit.restores.restoring_worlds import (
    RESTORE,
    holders,
    is_as_backed_up,
    made_disks,
    undo_what_is_left,
)
from tests.unit.restores.vm_worlds import described_world
from tests.worlds.memory_targets import RESTORED_GROUP
from tests.worlds.memory_world import Killed, World
from vmbackup_operator.environments.bodies import bodies_at, value_at
from vmbackup_operator.naming import ArmId
from vmbackup_operator.sessions.target_ports import PartMade


def made(world: World, kind: str) -> list[str]:
    return [each.id for key, each in world.target.parts.items() if f"/{kind}/" in key]


async def test_a_vm_is_made_of_the_disks_of_the_point() -> None:
    world = await described_world()
    await world.run(RESTORE)

    status = world.restored(RESTORE)
    assert status.outcome == "Succeeded", status.message
    assert all(is_as_backed_up(world, disk) for disk in made_disks(world))
    (machine,) = made(world, "virtualmachines")
    body = dict(world.target.bodies[machine.lower()].body)
    attached = [value_at(body, "properties", "storageProfile", "osDisk", "managedDisk", "id")]
    data = bodies_at(body, "properties", "storageProfile", "dataDisks")
    attached += [value_at(each, "managedDisk", "id") for each in data]
    assert sorted(map(str, attached)) == sorted(disk.id for disk in made_disks(world))
    (interface,) = bodies_at(body, "properties", "networkProfile", "networkInterfaces")
    assert [interface["id"]] == made(world, "networkinterfaces")


async def test_what_was_made_and_what_not_set_again_is_in_the_status() -> None:
    world = await described_world()
    await world.run(RESTORE)

    restored = world.restored(RESTORE).restored
    assert restored is not None
    assert restored.virtual_machine_id == made(world, "virtualmachines")[0]
    assert list(restored.network_interface_ids) == made(world, "networkinterfaces")
    assert any("publicIPAddress" in note for note in restored.not_restored)
    assert restored.conclusion.startswith("restored web-01 with 2 disks: ")


async def test_the_vm_comes_last_and_once_access_to_its_disks_has_ended() -> None:
    world = await described_world()
    await world.run(RESTORE)

    order = [each for each in world.azure.order if "make /" in each or "revoke" in each]
    kinds = [each.split("/")[-2] for each in order if "make" in each and "/disks/" not in each]
    assert kinds == ["networkInterfaces", "virtualMachines"]
    assert all(disk.url is None for disk in made_disks(world))


async def test_of_a_vm_that_azure_does_not_make_nothing_stays() -> None:
    world = await described_world()
    machine = f"{RESTORED_GROUP}/providers/Microsoft.Compute/virtualMachines/web-01"
    world.target.broken.add(machine.lower())
    await world.run(RESTORE)

    status = world.restored(RESTORE)
    failed = next(each for each in status.conditions if each.type == "Failed")
    assert (status.outcome, failed.reason) == ("Failed", "VirtualMachineFailed")
    assert world.target.parts == {}
    assert made_disks(world) == []
    assert holders(world) == []


async def test_a_vm_that_somebody_made_meanwhile_is_not_touched() -> None:
    world = await described_world()
    await world.run_until("DataRestored", RESTORE)
    restored = world.restored(RESTORE).restored
    assert restored is not None
    assert restored.virtual_machine_id is not None
    theirs = PartMade(ArmId(restored.virtual_machine_id), None, ready=True, doubt="no tag")
    world.target.parts[restored.virtual_machine_id.lower()] = theirs
    await world.run(RESTORE)

    assert world.restored(RESTORE).outcome == "Failed"
    assert list(world.target.parts.values()) == [theirs]
    assert made_disks(world) == []


async def test_a_cancelled_restore_leaves_no_vm() -> None:
    world = await described_world()
    await world.run_until("DataRestored", RESTORE)
    for _ in range(20):
        await world.look_again(RESTORE)
        if world.target.parts:
            break
    stored = world.restores.stored[RESTORE.at]
    world.restores.put(replace(stored, spec=replace(stored.spec, cancel=True)))
    await world.run(RESTORE)

    assert world.restored(RESTORE).outcome == "Cancelled"
    assert world.target.parts == {}
    assert made_disks(world) == []


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("part", ["networkInterfaces", "virtualMachines"])
async def test_an_operator_killed_while_it_makes_the_vm_makes_it_once(
    moment: str, part: str
) -> None:
    world = await described_world()
    left = [True]

    def kill(what: str) -> None:
        if left and what.startswith(f"{moment} make") and f"/{part}/" in what:
            left.clear()
            raise Killed

    world.meets(kill)
    with pytest.raises(Killed):
        await world.run(RESTORE)
    world.start()
    await world.run(RESTORE)

    assert world.restored(RESTORE).outcome == "Succeeded"
    assert len(made(world, "virtualmachines")) == 1
    writes = [each for each in world.azure.order if each.startswith("make") and part in each]
    assert len(writes) == 1


async def test_what_a_session_without_its_finalizer_made_goes_too() -> None:
    world = await described_world()
    await world.run_until("DataRestored", RESTORE)
    for _ in range(20):
        await world.look_again(RESTORE)
        if world.target.parts:
            break
    del world.restores.stored[RESTORE.at]
    world.restores.gone(RESTORE.at)
    await undo_what_is_left(world)

    assert world.target.parts == {}
    assert made_disks(world) == []
