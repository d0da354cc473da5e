"""A point brought back from its retained snapshot set: what is made of it, told, and refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from tests.unit.restores.copying_worlds import copied, copied_machine_world, copying_world
from tests.unit.restores.harmed_sets import HARMS
from tests.unit.restores.restoring_worlds import (
    RESTORE,
    TARGET,
    cancel,
    holders,
    restore,
    undo_what_is_left,
)
from tests.unit.restores.vm_worlds import VM_TARGET
from tests.worlds.memory_azure import HOME
from tests.worlds.memory_targets import RESTORED_GROUP
from tests.worlds.memory_world import World
from vmbackup_core.ids import RunId
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.restore_session import DiskOverride, RestoreOverrides
from vmbackup_operator.model.session_findings import position_of
from vmbackup_operator.naming import ArmId

MACHINE = f"{RESTORED_GROUP}/providers/Microsoft.Compute/virtualMachines/back-again".lower()


def retained(world: World) -> dict[str, str]:
    """Return the id of the snapshot that the point has of each position."""
    (point,) = world.points.points.values()
    return {position_of(each.lun): folded(each.snapshot_id) for each in point.disks}


async def test_each_disk_is_made_of_the_snapshot_that_the_point_was_stored_of() -> None:
    world = await copying_world()
    await world.run(RESTORE)

    status = world.restored(RESTORE)
    assert status.outcome == "Succeeded", status.message
    assert {position: folded(each.source_id) for position, each in copied(world).items()} == (
        retained(world)
    )
    assert status.message.startswith("restored 2 disks: ")
    assert world.undo_records.stored == {}


async def test_no_worker_no_export_and_no_hold_is_in_it() -> None:
    world = await copying_world()
    said = list[str]()
    world.meets(said.append)
    await world.run(RESTORE)

    assert {each.split(" ")[0] for each in world.azure.order} == {"copy"}
    assert world.azure.workers == {}
    assert [each for each in said if "hold" in each or each.startswith("before d/")] == []
    assert holders(world) == []


async def test_the_disks_are_closed_to_everybody_and_as_large_as_is_asked_for() -> None:
    overrides = RestoreOverrides(disks=(DiskOverride("0", size_gib=64),))
    world = await copying_world(overrides=overrides)
    await world.run(RESTORE)

    (point,) = world.points.points.values()
    sizes = {position_of(each.lun): each.size_bytes >> 30 for each in point.disks} | {"0": 64}
    for position, disk in copied(world).items():
        properties = disk.body["properties"]
        assert properties["networkAccessPolicy"] == "DenyAll"
        assert properties["publicNetworkAccess"] == "Disabled"
        assert properties["diskSizeGB"] == sizes[position]


async def test_what_an_upload_has_to_come_before_is_said_when_the_copy_is_made() -> None:
    patch = {"properties": {"dataAccessAuthMode": "AzureActiveDirectory"}}
    overrides = RestoreOverrides(disks=(DiskOverride("0", patch=patch),))
    world = await copying_world(overrides=overrides)
    await world.run(RESTORE)

    said = {position: each.body["properties"] for position, each in copied(world).items()}
    assert said["0"]["dataAccessAuthMode"] == "AzureActiveDirectory"
    assert "dataAccessAuthMode" not in said["os"]


async def test_only_the_disks_that_the_spec_names_are_made() -> None:
    world = await copying_world(3, disks=("1",))
    await world.run(RESTORE)

    assert world.restored(RESTORE).outcome == "Succeeded"
    assert copied(world).keys() == {"1"}
    assert len(world.loose.copies) == 1


async def test_a_vm_is_made_of_the_copies_as_it_was() -> None:
    world = await copied_machine_world(target=replace(VM_TARGET, vm_name="back-again"))
    await world.run(RESTORE)

    status = world.restored(RESTORE)
    assert status.outcome == "Succeeded", status.message
    body = world.target.bodies[MACHINE].body["properties"]
    profile = body["storageProfile"]
    attached = [profile["osDisk"], *profile["dataDisks"]]
    assert {folded(each["managedDisk"]["id"]) for each in attached} == world.loose.copies.keys()
    assert world.azure.workers == {}


async def test_the_phases_are_those_of_its_own_steps() -> None:
    world = await copied_machine_world()
    phases = list[str]()
    for _ in range(60):
        await world.look_again(RESTORE)
        phase = world.restored(RESTORE).phase or ""
        if phase not in phases[-1:]:
            phases.append(phase)

    assert [each for each in phases if each not in {"", "Pending"}] == [
        "CreatingDisks",
        "CreatingVirtualMachine",
        "RemovingRemains",
        "Complete",
    ]


async def test_nobody_deletes_the_retained_snapshots_while_it_runs() -> None:
    world = await copying_world()
    await world.run_until("Accepted", RESTORE)
    world.start()  # what it knows is in the status

    assert all(world.ground.book.names(ArmId(each)) for each in retained(world).values())


async def refused(world: World, reason: str) -> str:
    """Run the session, prove that it was refused for *reason*, and return what is said."""
    await world.run(RESTORE)

    failed, accepted = world.condition("Failed", RESTORE), world.condition("Accepted", RESTORE)
    assert (failed.reason, accepted.status) == (reason, "False"), failed
    assert world.loose.copies == {}
    assert world.target.parts == {}
    assert world.undo_records.stored == {}
    return failed.message


@pytest.mark.parametrize("harm", HARMS)
async def test_a_point_whose_snapshot_set_is_not_what_it_was_stored_of_is_refused(
    harm: Callable[[World], None],
) -> None:
    world = await copying_world()
    harm(world)

    assert "source Repository" in await refused(world, "PointNotRetained")


async def test_a_region_that_the_snapshots_are_not_in_is_refused() -> None:
    world = await copying_world(target=replace(TARGET, region=HOME))

    assert "source Repository" in await refused(world, "SnapshotsOfAnotherRegion")


async def test_a_point_that_counts_no_longer_is_refused() -> None:
    world = await copying_world()
    (shown,) = world.point_objects.stored.values()
    world.point_objects.put(replace(shown, spec=replace(shown.spec, run_id=RunId("9" * 32))))

    await refused(world, "RecoveryPointExpired")


async def test_a_group_that_the_namespace_may_not_restore_into_is_refused() -> None:
    world = await copying_world(target=replace(TARGET, resource_group="others"))

    await refused(world, "ScopeNotAllowed")


async def test_a_disk_that_does_not_hold_the_snapshot_is_refused() -> None:
    overrides = RestoreOverrides(disks=(DiskOverride("0", size_gib=1),))
    world = await copying_world(overrides=overrides)

    await refused(world, "TargetTooSmall")


async def test_a_copy_that_azure_gives_up_on_is_made_anew() -> None:
    world = await copying_world()
    await world.run_until("Accepted", RESTORE)
    restored = world.restored(RESTORE).restored
    assert restored is not None
    world.loose.broken.add(folded(restored.disks[0].disk_id))
    await world.run(RESTORE)

    status = world.restored(RESTORE)
    assert status.outcome == "Succeeded", status.message
    assert [each.reason for each in status.errors] == ["CopyFailed"]


async def test_a_vm_that_azure_does_not_make_leaves_nothing() -> None:
    world = await copied_machine_world(target=replace(VM_TARGET, vm_name="back-again"))
    world.target.broken.add(MACHINE)
    await world.run(RESTORE)

    assert world.condition("Failed", RESTORE).reason == "VirtualMachineFailed"
    assert world.loose.copies == {}
    assert world.target.parts == {}
    assert world.undo_records.stored == {}


async def test_overrides_that_are_changed_behind_the_acceptance_end_it() -> None:
    world = await copying_world()
    await world.run_until("Accepted", RESTORE)
    stored = world.restores.stored[RESTORE.at]
    patch = {"properties": {"tier": "P80"}}
    overrides = RestoreOverrides(disks=(DiskOverride("0", patch=patch),))
    world.restores.put(replace(stored, spec=replace(stored.spec, overrides=overrides)))
    await world.run(RESTORE)

    assert world.condition("Failed", RESTORE).reason == "SpecChanged"
    assert world.loose.copies == {}


async def test_of_a_session_that_is_cancelled_nothing_is_left() -> None:
    world = await copying_world()
    await world.run_until("DisksCreated", RESTORE)
    assert len(world.loose.copies) == 2
    cancel(world)
    await world.run(RESTORE)

    assert world.restored(RESTORE).outcome == "Cancelled"
    assert world.loose.copies == {}
    assert world.undo_records.stored == {}


async def test_of_a_session_without_its_finalizer_nothing_is_left() -> None:
    world = await copying_world()
    await world.run_until("DisksCreated", RESTORE)
    del world.restores.stored[RESTORE.at]
    world.restores.gone(RESTORE.at)
    await undo_what_is_left(world)

    assert world.loose.copies == {}
    assert world.undo_records.stored == {}


def made_again(world: World, **spec: object) -> None:
    """Have the session's object made again, by another uid and without its status."""
    world.restores.stored.pop(RESTORE.at)
    world.restores.gone(RESTORE.at)
    made = restore(world, **({"source": "Snapshots"} | spec))
    metadata = replace(made.metadata, uid="11111111-2222-4333-8444-555555555555")
    world.restores.put(replace(made, metadata=metadata))


async def test_a_session_made_again_goes_on_where_the_first_one_was() -> None:
    world = await copying_world()
    await world.run_until("DisksCreated", RESTORE)
    before = set(world.loose.copies)
    made_again(world)
    await world.run(RESTORE)
    await undo_what_is_left(world)

    status = world.restored(RESTORE)
    assert status.outcome == "Succeeded", status.message
    assert set(world.loose.copies) == before
    assert world.undo_records.stored == {}


async def test_one_that_asks_for_something_else_leaves_what_was_begun_to_the_undoing() -> None:
    world = await copying_world()
    await world.run_until("DisksCreated", RESTORE)
    made_again(world, disks=("0",))
    await world.run(RESTORE)
    await undo_what_is_left(world)

    assert world.condition("Failed", RESTORE).reason == "SessionReplaced"
    assert world.loose.copies == {}
    assert world.undo_records.stored == {}


async def test_what_was_restored_is_not_restored_once_more_under_the_same_name() -> None:
    world = await copying_world()
    await world.run(RESTORE)
    made_again(world)
    await world.run(RESTORE)
    await undo_what_is_left(world)

    assert world.condition("Failed", RESTORE).reason == "NameTaken"
    assert len(world.loose.copies) == 2
