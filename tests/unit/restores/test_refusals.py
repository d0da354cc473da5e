"""What is refused before anything is made, with the reason that programs read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from tests.unit.restores.restoring_worlds import (
    RESTORE,
    TARGET,
    backed_up_world,
    holders,
    made_disks,
    restore,
    restoring_world,
)
from tests.unit.restores.vm_worlds import (
    IDENTITY,
    NETWORK,
    NSG,
    SUBNET,
    VM_TARGET,
    described_world,
)
from tests.worlds.memory_azure import AWAY, HOME, SUBSCRIPTION
from tests.worlds.memory_cluster import ready_repository, stalled_repository
from tests.worlds.memory_world import World
from tests.worlds.samples import FOREIGN_SUBSCRIPTION, SETTINGS, SETTINGS_ACROSS
from vmbackup_core.ids import RunId
from vmbackup_operator.environments.bodies import text_at
from vmbackup_operator.model.references import ObjectReference
from vmbackup_operator.model.restore_session import (
    DiskOverride,
    InterfaceOverride,
    RestoreOverrides,
)
from vmbackup_operator.naming import ArmId, arm_id
from vmbackup_operator.sessions.target_ports import ResourceSeen
from vmbackup_operator.settings import Settings

ENCRYPTION_SET = arm_id(SUBSCRIPTION, "restored", "Microsoft.Compute/diskEncryptionSets", "keys")


async def refused(world: World, reason: str) -> str:
    """Run the session to its end, prove that it was refused for *reason*, and return what is said.

    Nothing was made in Azure for it, and nothing is held.
    """
    await world.run(RESTORE)
    status = world.restored(RESTORE)
    assert status.outcome == "Failed", status
    failed = next(each for each in status.conditions if each.type == "Failed")
    accepted = next(each for each in status.conditions if each.type == "Accepted")
    assert (failed.reason, accepted.status) == (reason, "False"), failed
    assert made_disks(world) == []
    assert world.target.parts == {}
    assert [each for each in world.azure.asked if "worker" in each or "disk" in each] == []
    assert holders(world) == []
    assert world.undo_records.stored == {}
    return failed.message


def asked(world: World, **spec: Any) -> None:
    world.restores.put(restore(world, **spec))


async def test_a_point_that_nobody_shows_is_not_restored() -> None:
    world = await restoring_world()
    asked(world, recovery_point_ref=ObjectReference("no-such-point"))

    assert "no RecoveryPoint team/no-such-point" in await refused(world, "RecoveryPointNotFound")


async def test_a_point_that_counts_no_longer_is_not_restored() -> None:
    world = await restoring_world()
    (shown,) = world.point_objects.stored.values()
    gone = replace(shown, spec=replace(shown.spec, run_id=RunId("9" * 32)))
    world.point_objects.put(gone)

    assert "counts no longer" in await refused(world, "RecoveryPointExpired")


async def test_a_damaged_point_is_not_restored() -> None:
    world = await restoring_world()
    (point,) = world.points.points.values()
    world.points.containers.container("backups").delete(point.disks[0].manifest_name)

    await refused(world, "CorruptRepository")


async def test_a_point_of_a_repository_that_is_none_of_ones_own_is_not_restored() -> None:
    world = await restoring_world()
    (shown,) = world.point_objects.stored.values()
    elsewhere = replace(shown.spec, repository_ref=ObjectReference("repo", "theirs"))
    world.point_objects.put(replace(shown, spec=elsewhere))

    assert "may not use repository theirs/repo" in await refused(world, "ScopeNotAllowed")


@pytest.mark.parametrize("reason", ["KeyMismatch", "NewerFormat"])
async def test_what_another_key_or_a_newer_version_wrote_is_not_restored(reason: str) -> None:
    world = await restoring_world()
    world.repositories.put(stalled_repository(reason, "it does not open"))

    assert "it does not open" in await refused(world, reason)


async def test_another_appliances_repository_is_not_written_to() -> None:
    world = await restoring_world()
    ready = ready_repository()
    world.repositories.put(replace(ready, status=replace(ready.status, owner="fabrikam")))

    await refused(world, "ReadOnly")


async def test_a_group_that_is_not_the_namespaces_is_not_restored_into() -> None:
    world = await restoring_world()
    asked(world, target=replace(TARGET, resource_group="theirs"))

    assert "resourceGroups/theirs" in await refused(world, "ScopeNotAllowed")


async def test_an_encryption_set_that_is_not_the_namespaces_is_not_used() -> None:
    world = await restoring_world()
    set_id = arm_id(SUBSCRIPTION, "theirs", "Microsoft.Compute/diskEncryptionSets", "x")
    asked(world, target=replace(TARGET, disk_encryption_set_id=set_id))

    assert set_id in await refused(world, "ScopeNotAllowed")


async def test_a_group_that_is_not_there_is_not_restored_into() -> None:
    world = await restoring_world()
    world.target.there.clear()

    assert "create it" in await refused(world, "ResourceGroupNotFound")


async def test_a_taken_name_is_left_to_whose_it_is() -> None:
    world = await restoring_world()
    named = RestoreOverrides(disks=(DiskOverride("os", name="taken"),))
    asked(world, overrides=named)
    taken = arm_id(SUBSCRIPTION, "restored", "Microsoft.Compute/disks", "taken")
    world.target.put(ResourceSeen(taken, AWAY))

    assert "nothing is overwritten" in await refused(world, "NameTaken")


async def test_a_disk_that_would_be_too_small_is_not_made() -> None:
    world = await restoring_world()
    asked(world, overrides=RestoreOverrides(disks=(DiskOverride("0", size_gib=1),)))

    assert "ask for 2 GiB or more" in await refused(world, "TargetTooSmall")


async def test_a_patch_sets_nothing_that_the_session_decides() -> None:
    world = await restoring_world()
    patch = {"properties": {"networkAccessPolicy": "AllowAll"}}
    asked(world, overrides=RestoreOverrides(disks=(DiskOverride("0", patch=patch),)))

    assert "properties.networkAccessPolicy" in await refused(world, "PatchNotAllowed")


async def test_a_region_without_room_for_disks_is_not_restored_into() -> None:
    world = await restoring_world()
    world.target.limit("PremiumDiskCount", 9, 10)

    said = await refused(world, "QuotaExceeded")
    assert "2 more are needed, 9 of 10 are in use" in said


async def test_a_vm_is_not_made_of_a_point_that_does_not_describe_one() -> None:
    world = await restoring_world()
    asked(world, mode="VirtualMachine")

    assert "mode Disks" in await refused(world, "VirtualMachineNotDescribed")


async def test_a_point_in_a_newer_form_is_not_guessed_at() -> None:
    world = await described_world(description=lambda text: text.replace('"schema":1', '"schema":2'))

    assert "mode Disks" in await refused(world, "VirtualMachineNotDescribed")


@pytest.mark.parametrize("quota", ["cores", "standardDSv5Family", "virtualMachines"])
async def test_a_region_without_room_for_the_vm_is_not_restored_into(quota: str) -> None:
    world = await described_world()
    world.target.limit(quota, 10, 10)

    assert f"{quota} in words in {AWAY}" in await refused(world, "QuotaExceeded")


async def test_a_size_that_is_not_to_be_had_is_not_made() -> None:
    world = await described_world()
    asked(world, mode="VirtualMachine", target=replace(VM_TARGET, vm_size="Standard_M416"))

    assert "spec.target.vmSize" in await refused(world, "SizeNotAvailable")


async def test_the_network_of_another_region_is_not_used() -> None:
    world = await described_world()
    world.target.put(ResourceSeen(NETWORK, HOME, subnets=frozenset({"machines"})))

    assert f"lies in {HOME}" in await refused(world, "NetworkOfAnotherRegion")


@pytest.mark.parametrize(
    ("forget", "reason"),
    [
        (lambda world: world.target.there.pop(NETWORK.lower()), "SubnetNotFound"),
        (lambda world: world.target.put(ResourceSeen(NETWORK, AWAY)), "SubnetNotFound"),
        (lambda world: world.target.there.pop(NSG.lower()), "ReferenceNotFound"),
        (lambda world: world.target.there.pop(IDENTITY.lower()), "ReferenceNotFound"),
    ],
    ids=["no network", "no subnet", "no security group", "no identity"],
)
async def test_what_is_not_there_is_not_used(forget: Callable[[World], Any], reason: str) -> None:
    world = await described_world()
    forget(world)

    await refused(world, reason)


@pytest.mark.parametrize(
    "patch",
    [
        {"identity": {"type": "UserAssigned", "userAssignedIdentities": {"somebody": {}}}},
        {
            "properties": {
                "securityProfile": {
                    "encryptionIdentity": {"userAssignedIdentityResourceId": f"{IDENTITY}-x"}
                }
            }
        },
    ],
    ids=["no id at all", "of the encryption at host"],
)
async def test_an_identity_of_a_patch_has_to_be_there(patch: dict[str, Any]) -> None:
    world = await described_world()
    overrides = RestoreOverrides(virtual_machine=patch)
    asked(world, mode="VirtualMachine", target=VM_TARGET, overrides=overrides)

    assert "user-assigned identity" in await refused(world, "ReferenceNotFound")


async def test_the_security_group_of_another_region_is_not_used() -> None:
    world = await described_world()
    world.target.put(ResourceSeen(NSG, HOME))

    assert f"lies in {HOME}" in await refused(world, "NetworkOfAnotherRegion")


async def test_an_encryption_set_has_to_be_there_before_anything_is_written() -> None:
    world = await restoring_world()
    asked(world, target=replace(TARGET, disk_encryption_set_id=ENCRYPTION_SET))

    said = await refused(world, "ReferenceNotFound")
    assert f"no disk encryption set {ENCRYPTION_SET}" in said
    assert "spec.target.diskEncryptionSetId" in said


async def test_the_encryption_set_of_another_region_is_not_used() -> None:
    world = await restoring_world()
    world.target.put(ResourceSeen(ENCRYPTION_SET, HOME))
    asked(world, target=replace(TARGET, disk_encryption_set_id=ENCRYPTION_SET))

    assert f"lies in {HOME}" in await refused(world, "EncryptionSetOfAnotherRegion")


async def test_an_encryption_set_that_is_there_is_used_for_every_disk() -> None:
    world = await restoring_world()
    world.target.put(ResourceSeen(ENCRYPTION_SET, AWAY))
    asked(world, target=replace(TARGET, disk_encryption_set_id=ENCRYPTION_SET))
    await world.run(RESTORE)

    assert world.restored(RESTORE).outcome == "Succeeded"
    used = [
        text_at(dict(change), "properties", "encryption", "diskEncryptionSetId")
        for disk in made_disks(world)
        for change in disk.changes
    ]
    assert used == [ENCRYPTION_SET] * 2


async def test_a_network_that_is_not_the_namespaces_is_not_used() -> None:
    world = await described_world()
    theirs = SUBNET.replace("restored", "theirs")
    asked(world, mode="VirtualMachine", target=replace(VM_TARGET, subnet_id=theirs))

    assert theirs in await refused(world, "ScopeNotAllowed")


async def test_an_id_in_a_patch_is_looked_at_as_any_other() -> None:
    world = await described_world()
    theirs = ArmId(NSG.replace("restored", "theirs"))
    patch = {"properties": {"networkSecurityGroup": {"id": theirs}}}
    overrides = RestoreOverrides(network_interfaces=(InterfaceOverride(0, patch=patch),))
    asked(world, mode="VirtualMachine", target=VM_TARGET, overrides=overrides)

    assert theirs in await refused(world, "ScopeNotAllowed")


async def test_a_spec_that_changes_behind_its_acceptance_makes_nothing_more() -> None:
    """Patches lie in a part of the spec that no schema keeps from changing."""
    world = await described_world()
    await world.run_until("Accepted", RESTORE)
    stored = world.restores.stored[RESTORE.at]
    patch = RestoreOverrides(virtual_machine={"properties": {"licenseType": "None"}})
    world.restores.put(replace(stored, spec=replace(stored.spec, overrides=patch)))
    await world.run(RESTORE)

    status = world.restored(RESTORE)
    failed = next(each for each in status.conditions if each.type == "Failed")
    assert failed.reason == "SpecChanged"
    assert world.target.parts == {}
    assert made_disks(world) == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [(SETTINGS, "otherSubscriptions"), (SETTINGS_ACROSS, "crossSubscriptionExport: Refuse")],
    ids=["no place there", "nothing crosses"],
)
async def test_a_target_in_another_subscription_is_refused_where_nothing_crosses(
    settings: Settings, said: str
) -> None:
    world = await backed_up_world()
    scope = f"/subscriptions/{FOREIGN_SUBSCRIPTION}"
    team, *others = settings.tenancy
    team = replace(team, restore_scopes=(*team.restore_scopes, scope))
    world.settings = replace(settings, tenancy=(team, *others))
    world.start()
    asked(world, target=replace(TARGET, subscription_id=FOREIGN_SUBSCRIPTION))

    assert said in await refused(world, "CrossSubscriptionRefused")
