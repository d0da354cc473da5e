"""The region's account over the life of the key ring: rotated, dropped, and installed again."""

from __future__ import annotations

from tests.unit.environments.conftest import OWNERSHIP, Appliance
from tests.worlds.memory_objects import MemoryEnvironments
from vmbackup_operator.ownership import OWNER_TAG, Ownership
from vmbackup_operator.reconciling.outcome import Failed

NEW_KEY = {"2027": b"n" * 32}
ROTATED = Ownership("contoso", "2027", {**OWNERSHIP.keys, **NEW_KEY})
DROPPED = Ownership("contoso", "2027", NEW_KEY)


def restart(appliance: Appliance, ownership: Ownership) -> None:
    """Start the operator anew with another key ring, and note its writes from here on."""
    appliance.ownership = ownership
    appliance.restart()
    appliance.arm.puts.clear()


async def test_an_account_whose_key_was_dropped_too_early_is_named_and_not_touched(
    appliance: Appliance,
) -> None:
    await appliance.ready("westeurope")

    restart(appliance, DROPPED)
    report = await appliance.ensure()

    assert isinstance(report.outcome, Failed)
    assert report.outcome.reason == "KeyRingIncomplete"
    assert "'2026' (storage account " in report.outcome.message
    assert appliance.arm.puts == []
    restart(appliance, ROTATED)
    await appliance.ready("westeurope")
    assert [kind for kind, _ in appliance.arm.puts] == ["StorageAccount"]


async def test_a_key_dropped_after_the_account_was_sealed_anew_changes_nothing(
    appliance: Appliance,
) -> None:
    before = await appliance.ready("westeurope")
    restart(appliance, ROTATED)
    await appliance.ready("westeurope")
    bodies = appliance.arm.bodies[before.storage_account_id.lower()]
    assert bodies["tags"][OWNER_TAG].startswith("1 2027 ")

    restart(appliance, DROPPED)
    after = await appliance.ready("westeurope")

    assert after == before
    assert appliance.arm.puts == []


async def test_an_appliance_in_an_empty_cluster_finds_all_of_its_regions_and_writes_nothing(
    appliance: Appliance,
) -> None:
    before = [await appliance.ready(each) for each in ("westeurope", "northeurope")]

    appliance.objects = MemoryEnvironments(appliance.clock, "vmbackup")
    restart(appliance, OWNERSHIP)
    after = [await appliance.ready(each) for each in ("westeurope", "northeurope")]

    assert after == before
    assert appliance.arm.puts == []
