"""What is refused before the VM is touched, with the reason that programs read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace as seen
from typing import Any

import pytest
from msgspec.structs import replace

from tests.unit.restores.harmed_sets import HARMS
from tests.unit.restores.restoring_worlds import RESTORE
from tests.unit.restores.rewinding_worlds import (
    WHERE,
    disks_of_vm,
    rewinding_world,
    rewound,
    run_confirmed,
)
from tests.unit.restores.rewriting_worlds import rewriting_world, run_written
from tests.worlds.memory_azure import HOME, SUBSCRIPTION
from tests.worlds.memory_rewinds import Copy
from tests.worlds.memory_world import World
from tests.worlds.samples import FOREIGN_SUBSCRIPTION, VM
from vmbackup_core.ids import RunId
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.restore_session import RestoreTarget
from vmbackup_operator.naming import ArmId


async def refused(world: World, reason: str) -> str:
    """Run the session, prove that it was refused for *reason*, and return what is said.

    Nothing was asked of Azure for it, and the VM is as it was.
    """
    before = disks_of_vm(world) if folded(VM) in world.azure.machines else {}
    await world.run(RESTORE)

    status = world.restored(RESTORE)
    assert status.outcome == "Failed", status
    failed, accepted = world.condition("Failed", RESTORE), world.condition("Accepted", RESTORE)
    assert (failed.reason, accepted.status) == (reason, "False"), failed
    assert [each for each in world.azure.order if not each.startswith("delete")] == []
    assert world.loose.power(VM) == "running"
    if before:
        assert disks_of_vm(world) == before
    assert world.undo_records.stored == {}
    return failed.message


@pytest.mark.parametrize(
    "target",
    [
        RestoreTarget(SUBSCRIPTION, "restored", WHERE.region),
        RestoreTarget(SUBSCRIPTION, "prod", HOME),
        RestoreTarget("22222222-2222-4222-8222-222222222222", "prod", WHERE.region),
    ],
    ids=["another group", "another region", "another subscription"],
)
async def test_a_target_that_is_not_where_the_vm_is(target: RestoreTarget) -> None:
    world = await rewinding_world(target=target)

    assert "a rewind happens where its VM is" in await refused(world, "TargetElsewhere")


async def test_a_vm_that_the_namespace_may_back_up_and_not_rewind() -> None:
    world = await rewinding_world()
    (shown,) = world.point_objects.stored.values()
    other = shown.spec.virtual_machine_id.replace("/prod/", "/others/")
    world.point_objects.put(replace(shown, spec=replace(shown.spec, virtual_machine_id=other)))

    assert "rewindScopes" in await refused(world, "ScopeNotAllowed")


async def test_a_vm_of_the_appliances_own_group() -> None:
    world = await rewinding_world()
    (shown,) = world.point_objects.stored.values()
    other = shown.spec.virtual_machine_id.replace("/prod/", "/appliance/")
    world.point_objects.put(replace(shown, spec=replace(shown.spec, virtual_machine_id=other)))

    assert "appliance's own resource group" in await refused(world, "ScopeNotAllowed")


async def test_a_vm_of_another_subscription() -> None:
    world = await rewinding_world()
    (shown,) = world.point_objects.stored.values()
    other = shown.spec.virtual_machine_id.replace(SUBSCRIPTION, FOREIGN_SUBSCRIPTION)
    world.point_objects.put(replace(shown, spec=replace(shown.spec, virtual_machine_id=other)))

    await refused(world, "CrossSubscriptionRefused")


async def test_a_disk_outside_of_what_may_be_rewound() -> None:
    world = await rewinding_world()
    machine = world.azure.machines[folded(VM)]
    elsewhere = ArmId(machine.disks[1].id.replace("/prod/", "/others/"))
    disks = (machine.disks[0], seen(machine.disks[1], id=elsewhere))
    world.azure.machines[folded(VM)] = seen(machine, disks=disks)

    assert "/others/" in (await refused(world, "ScopeNotAllowed")).lower()


async def test_a_point_that_counts_no_longer() -> None:
    world = await rewinding_world()
    (shown,) = world.point_objects.stored.values()
    world.point_objects.put(replace(shown, spec=replace(shown.spec, run_id=RunId("9" * 32))))

    assert "expired" in await refused(world, "RecoveryPointExpired")


@pytest.mark.parametrize("harm", HARMS)
async def test_a_point_whose_snapshot_set_is_not_what_it_was_stored_of(
    harm: Callable[[World], None],
) -> None:
    world = await rewinding_world(source="Snapshots")
    harm(world)

    assert "mode Disks" in await refused(world, "PointNotRetained")


@pytest.mark.parametrize("harm", HARMS)
async def test_without_a_source_such_a_point_is_written_by_a_worker(
    harm: Callable[[World], None],
) -> None:
    world = await rewinding_world()
    harm(world)
    await world.run_until("Accepted", RESTORE)

    assert rewound(world).rewritten


async def test_a_vm_that_is_not_there() -> None:
    world = await rewinding_world()
    del world.azure.machines[folded(VM)]

    await refused(world, "VirtualMachineNotFound")


async def test_a_disk_that_the_vm_has_no_more() -> None:
    world = await rewinding_world()
    machine = world.azure.machines[folded(VM)]
    world.azure.machines[folded(VM)] = seen(machine, disks=machine.disks[:1])

    assert "no disk at 0" in await refused(world, "DiskNotAttached")


async def test_a_disk_that_the_point_does_not_have() -> None:
    await refused(await rewinding_world(disks=("7",)), "DiskNotInPoint")


async def test_a_name_that_is_taken() -> None:
    other = await rewinding_world()
    await other.run_until("Accepted", RESTORE)
    taken = ArmId(rewound(other).disks[0].snapshot_id)
    world = await rewinding_world()
    theirs = Copy(taken, ArmId(""), {}, {}, "theirs", ready=True)
    world.loose.copies[folded(taken)] = theirs

    assert "nothing is overwritten" in await refused(world, "NameTaken")
    assert list(world.loose.copies.values()) == [theirs]


async def test_a_region_without_room_for_the_new_disks_beside_the_vms_own() -> None:
    world = await rewinding_world()
    world.target.limit("PremiumDiskCount", 49_999, 50_000)

    message = await refused(world, "QuotaExceeded")

    assert "2 more are needed, 49999 of 50000 are in use" in message
    assert "delete disks that an earlier rewind has left" in message


async def test_room_for_as_many_disks_as_are_made_is_enough() -> None:
    world = await rewinding_world()
    world.target.limit("PremiumDiskCount", 49_998, 50_000)

    await run_confirmed(world)

    assert world.restored(RESTORE).outcome == "Succeeded"


async def world_of_small_workers(**spec: Any) -> World:
    """Return a world whose workers take four disks, and whose VM's set of five is gone."""
    world = await rewriting_world(5, **spec)
    world.azure.worker_size = "Standard_F2s_v2"
    return world


async def test_more_disks_than_a_worker_takes_at_once() -> None:
    message = await refused(await world_of_small_workers(), "TooManyDisks")

    assert "writes 5 disks" in message
    assert "Standard_F2s_v2, the size of workers in" in message
    assert "takes 4 at once" in message


async def test_as_many_as_a_worker_takes_are_written() -> None:
    world = await world_of_small_workers(disks=("os", "0", "1", "2"))
    await run_written(world)

    assert world.restored(RESTORE).outcome == "Succeeded", world.restored(RESTORE).message


async def test_disks_that_azure_makes_alone_are_no_workers_to_take() -> None:
    world = await rewinding_world(5)
    world.azure.worker_size = "Standard_F2s_v2"
    await run_confirmed(world)

    assert world.restored(RESTORE).outcome == "Succeeded", world.restored(RESTORE).message
