"""What is made of snapshot sets that stand alone."""

from __future__ import annotations

from dataclasses import replace as seen

import pytest
from msgspec.structs import replace

from tests.unit.backups.set_worlds import (
    SETS,
    bring_back,
    kept_world,
    snapshotting_world,
    taken,
)
from tests.unit.restores.restoring_worlds import RESTORE
from tests.unit.restores.rewinding_worlds import WHERE, disks_of_vm, rewound, run_confirmed
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.references import ObjectReference


async def test_disks_are_made_of_a_set_that_no_repository_knows() -> None:
    world = await kept_world()
    await world.run(RESTORE)

    status = world.restored(RESTORE)
    assert status.outcome == "Succeeded", status.message
    assert {folded(each.source_id) for each in world.loose.copies.values()} == (
        world.azure.snapshots.keys()
    )
    assert status.restored is not None
    assert status.restored.recovery_point.repository is None
    assert world.undo_records.stored == {}


async def test_a_vm_is_rewound_to_a_set_that_no_repository_knows() -> None:
    world = await kept_world(mode="Rewind", target=WHERE, source=None)
    before = disks_of_vm(world)
    await run_confirmed(world)

    status = world.restored(RESTORE)
    assert status.outcome == "Succeeded", status.message
    assert not set(before.values()) & set(disks_of_vm(world).values())
    assert {folded(each.source_snapshot_id) for each in rewound(world).disks} == (
        world.azure.snapshots.keys()
    )


async def test_it_is_not_restored_from_a_repository_that_does_not_have_it() -> None:
    world = await kept_world(source="Repository")
    await world.run(RESTORE)

    failed = world.condition("Failed", RESTORE)
    assert failed.reason == "PointNotInRepository"
    assert "source Snapshots" in failed.message


async def test_after_the_loss_of_the_cluster_disks_come_back_and_no_vm() -> None:
    world = snapshotting_world()
    await world.run(SETS)
    world.point_objects.stored.clear()
    await taken(world, 1)
    world.restores.put(bring_back(world, mode="VirtualMachine"))
    await world.run(RESTORE)
    assert world.condition("Failed", RESTORE).reason == "VirtualMachineNotDescribed"

    made = bring_back(world)
    key = replace(made.metadata, name="disks-alone", uid="u-2")
    world.restores.put(replace(made, metadata=key))
    again = type(RESTORE)("team", "disks-alone")
    await world.run(again)
    assert world.restored(again).outcome == "Succeeded", world.restored(again).message


@pytest.mark.parametrize("harm", ["gone", "altered", "of others"])
async def test_a_set_that_is_not_there_or_not_the_namespaces_is_refused(harm: str) -> None:
    world = await kept_world()
    key, snapshot = next(iter(world.azure.snapshots.items()))
    if harm == "gone":
        world.azure.snapshots.clear()
    elif harm == "altered":
        tags = {**snapshot.tags, "vmbackup-sealed-0": "A" * 256}
        world.azure.snapshots[key] = seen(snapshot, tags=tags)
    else:
        (point,) = world.point_objects.stored.values()
        forged = replace(point, metadata=replace(point.metadata, namespace="others"))
        world.point_objects.put(forged)
        named = ObjectReference(point.metadata.name, "others")
        world.restores.put(bring_back(world, recovery_point_ref=named))
    await world.run(RESTORE)

    assert world.condition("Failed", RESTORE).reason == "PointNotRetained"
    assert world.loose.copies == {}
