"""Which keys a region still needs, as its object's status lists them, and what waits for one."""

from __future__ import annotations

import msgspec

from tests.unit.environments.conftest import OWNERSHIP, SUBSCRIPTION, Appliance
from vmbackup_core.ids import RunId
from vmbackup_operator.environments.bodies import Body
from vmbackup_operator.environments.seals import Sealed, region_key
from vmbackup_operator.model.conditions import find_condition
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.region_environment import RegionEnvironmentStatus
from vmbackup_operator.naming import (
    APPLIANCE_TAG,
    ArmId,
    arm_id,
    digest,
    environment_names,
    snapshot_name,
)
from vmbackup_operator.ownership import OWNER_TAG, SNAPSHOT_TAG, Ownership

NEW_KEY = {"2027": b"n" * 32}
ROTATED = Ownership("contoso", "2027", {**OWNERSHIP.keys, **NEW_KEY})
DROPPED = Ownership("contoso", "2027", NEW_KEY)
HOME, AWAY = ObjectKey("vmbackup", "westeurope"), ObjectKey("vmbackup", "northeurope")


def worker_id(name: str, region: str) -> ArmId:
    group = environment_names("contoso", SUBSCRIPTION, region).resource_group
    return arm_id(SUBSCRIPTION, group, "Microsoft.Compute/virtualMachines", name)


def add_worker(
    appliance: Appliance, region: str, key_id: str, name: str = "vmb-w-00000000000000000001-1"
) -> ArmId:
    tags: Body = {OWNER_TAG: f"1 {key_id} c2VhbA=="}
    identity = worker_id(name, region)
    appliance.arm.add("VirtualMachine", identity, {"location": region, "tags": tags})
    return identity


def add_snapshot(
    appliance: Appliance, region: str, head: str, whose: str = "contoso", name: str = "vmb-s-1"
) -> ArmId:
    called = snapshot_name(RunId(digest(name).hex()), None)
    identity = arm_id(SUBSCRIPTION, "rg", "Microsoft.Compute/snapshots", called)
    tags: Body = {SNAPSHOT_TAG: head, APPLIANCE_TAG: whose}
    appliance.arm.add("Snapshot", identity, {"location": region, "tags": tags})
    return identity


def restart(appliance: Appliance, ownership: Ownership) -> None:
    """Start the operator anew with another key ring, and note its writes from here on."""
    appliance.ownership = ownership
    appliance.restart()
    appliance.arm.puts.clear()


async def look(appliance: Appliance, key: ObjectKey) -> RegionEnvironmentStatus:
    await appliance.reconcile(key)
    return appliance.objects.stored[key].status


async def test_a_region_needs_the_key_that_seals_its_account(appliance: Appliance) -> None:
    await appliance.ready("westeurope")

    assert (await look(appliance, HOME)).keys_needed == ("2026",)


async def test_after_a_rotation_an_older_key_is_needed_for_as_long_as_it_seals_anything(
    appliance: Appliance,
) -> None:
    await appliance.ready("westeurope")
    restart(appliance, ROTATED)
    worker = add_worker(appliance, "westeurope", "2026")

    assert (await look(appliance, HOME)).keys_needed == ("2026", "2027")

    del appliance.arm.bodies[worker.lower()]
    appliance.woken.clear()
    appliance.seals.note_list("VirtualMachine", SUBSCRIPTION, worker.split("/")[4], [])
    assert appliance.woken == [HOME]
    assert (await look(appliance, HOME)).keys_needed == ("2027",)


async def test_snapshots_need_their_key_in_the_region_where_they_are(appliance: Appliance) -> None:
    await appliance.ready("northeurope")
    restart(appliance, ROTATED)
    add_snapshot(appliance, "northeurope", "1 2026 2")

    assert (await look(appliance, AWAY)).keys_needed == ("2026", "2027")
    assert (await look(appliance, HOME)).keys_needed == ("2027",)


async def test_the_launch_of_an_unfinished_session_needs_its_key(appliance: Appliance) -> None:
    await appliance.ready("westeurope")
    restart(appliance, ROTATED)
    place = region_key(SUBSCRIPTION, "WestEurope")
    appliance.seals.ask(lambda: [Sealed(place, "2026", "launch of worker w")])

    assert (await look(appliance, HOME)).keys_needed == ("2026", "2027")


async def test_the_home_region_answers_for_regions_without_an_environment(
    appliance: Appliance,
) -> None:
    await appliance.ready("westeurope")
    restart(appliance, ROTATED)
    add_snapshot(appliance, "northeurope", "1 2026 2")
    assert (await look(appliance, HOME)).keys_needed == ("2026", "2027")

    await appliance.ready("northeurope")

    assert (await look(appliance, HOME)).keys_needed == ("2027",)
    assert (await look(appliance, AWAY)).keys_needed == ("2026", "2027")


async def test_what_is_not_ours_needs_no_key(appliance: Appliance) -> None:
    await appliance.ready("westeurope")
    add_snapshot(appliance, "westeurope", "1 1999 2", whose="fabrikam")
    add_snapshot(appliance, "westeurope", "2 1999 2", name="of another version")
    add_snapshot(appliance, "westeurope", "1 ../etc 2", name="no key's id")
    foreign = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/theirs/providers/Microsoft.Storage"
    tags: Body = {OWNER_TAG: "1 1999 c2VhbA==", APPLIANCE_TAG: "contoso"}
    appliance.arm.add(
        "StorageAccount",
        f"{foreign}/storageAccounts/theirs01",
        {"location": "westeurope", "tags": tags},
    )
    restart(appliance, OWNERSHIP)

    status = await look(appliance, HOME)

    assert status.keys_needed == ("2026",)
    ready = find_condition(status.conditions, "Ready")
    assert ready is not None
    assert ready.status == "True"


async def test_a_region_whose_workers_key_is_missing_is_stalled_and_nothing_is_written(
    appliance: Appliance,
) -> None:
    await appliance.ready("northeurope")
    restart(appliance, DROPPED)
    for body in appliance.arm.bodies.values():  # its accounts were sealed anew in time
        if OWNER_TAG in body.get("tags", {}):
            body["tags"] |= DROPPED.sealed_tag(ArmId(body["id"]))
    add_worker(appliance, "northeurope", "2026")
    group = environment_names("contoso", SUBSCRIPTION, "northeurope").resource_group
    gone = [each for each in appliance.arm.bodies if "/privateendpoints/" in each and group in each]
    for each in gone:
        del appliance.arm.bodies[each]

    status = await look(appliance, AWAY)

    conditions = {each.type: each for each in status.conditions}
    assert (conditions["Ready"].status, conditions["Ready"].reason) == (
        "False",
        "KeyRingIncomplete",
    )
    assert conditions["Stalled"].status == "True"
    assert "'2026' (worker vmb-w-00000000000000000001-1)" in conditions["Ready"].message
    assert "restart the operator" in conditions["Ready"].message
    assert status.keys_needed == ("2026", "2027")
    assert appliance.arm.puts == []
    home = await look(appliance, HOME)
    ready = find_condition(home.conditions, "Ready")
    assert ready is not None
    assert ready.status == "True"


async def test_a_region_goes_on_by_itself_once_nothing_is_sealed_with_the_lost_key(
    appliance: Appliance,
) -> None:
    await appliance.ready("westeurope")
    worker = add_worker(appliance, "westeurope", "2025")
    restart(appliance, OWNERSHIP)
    stalled = await look(appliance, HOME)
    assert find_condition(stalled.conditions, "Ready").reason == "KeyRingIncomplete"  # type: ignore[union-attr]

    del appliance.arm.bodies[worker.lower()]
    status = await look(appliance, HOME)

    assert find_condition(status.conditions, "Ready").status == "True"  # type: ignore[union-attr]
    assert status.keys_needed == ("2026",)


async def test_an_adopted_account_is_known_by_what_was_written_down(appliance: Appliance) -> None:
    await appliance.ready("westeurope")
    elsewhere = (
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Storage"
        "/storageAccounts/adopted01"
    )
    appliance.arm.add(
        "StorageAccount",
        elsewhere,
        {"location": "westeurope", "tags": {OWNER_TAG: "1 2025 c2VhbA=="}},
    )
    object_ = appliance.objects.stored[HOME]
    status = msgspec.structs.replace(object_.status, storage_account_id=elsewhere)
    appliance.objects.stored[HOME] = msgspec.structs.replace(object_, status=status)
    restart(appliance, OWNERSHIP)

    ready = find_condition((await look(appliance, HOME)).conditions, "Ready")

    assert ready is not None
    assert ready.reason == "KeyRingIncomplete"
    assert "'2025' (storage account adopted01)" in ready.message
    assert appliance.arm.puts == []
