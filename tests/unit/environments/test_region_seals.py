"""Which writes are kept away while a key that seals something of a region is lost."""

from __future__ import annotations

import pytest

from tests.unit.environments.conftest import SUBSCRIPTION
from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import RunId
from vmbackup_operator.environments.bodies import Body
from vmbackup_operator.environments.seals import (
    RegionKey,
    RegionSeals,
    Sealed,
    accounts_of,
    region_key,
)
from vmbackup_operator.naming import (
    APPLIANCE_TAG,
    ArmId,
    arm_id,
    digest,
    environment_names,
    name_of,
    snapshot_name,
)
from vmbackup_operator.ownership import OWNER_TAG, SNAPSHOT_TAG
from vmbackup_operator.settings import Settings

AWAY = region_key(SUBSCRIPTION, "northeurope")


def group_of(region: str) -> str:
    return environment_names("contoso", SUBSCRIPTION, region).resource_group


def vm(region: str, name: str = "vmb-w-00000000000000000001-1") -> ArmId:
    return arm_id(SUBSCRIPTION, group_of(region), "Microsoft.Compute/virtualMachines", name)


def snapshot(name: str, group: str = "rg") -> ArmId:
    called = snapshot_name(RunId(digest(name).hex()), None)
    return arm_id(SUBSCRIPTION, group, "Microsoft.Compute/snapshots", called)


def listed(identity: ArmId, region: str, tag: str, key_id: str) -> Body:
    tags: Body = {tag: f"1 {key_id} x", APPLIANCE_TAG: "contoso"}
    return {"id": identity, "location": region, "tags": tags}


@pytest.fixture
def seals(settings: Settings) -> RegionSeals:
    made = RegionSeals(settings.appliance, {"2026"})
    lost = listed(snapshot("lost"), "northeurope", SNAPSHOT_TAG, "2025")
    kept = listed(snapshot("kept"), "westeurope", SNAPSHOT_TAG, "2026")
    made.note_list("Snapshot", SUBSCRIPTION, "rg", [lost, kept])
    return made


def refused(seals: RegionSeals, resource_id: str, region: str = "") -> bool:
    try:
        seals.check_write(ArmId(resource_id), region)
    except PermanentError as error:
        return error.reason == "KeyRingIncomplete" and "'2025'" in str(error)
    return False


def test_what_lies_in_the_regions_own_group_is_refused(seals: RegionSeals) -> None:
    assert refused(seals, vm("northeurope"))
    assert refused(seals, vm("northeurope").upper())
    assert refused(seals, f"{vm('northeurope')}/runCommands/launch")
    assert refused(seals, f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{group_of('northeurope')}")


def test_what_lies_in_another_regions_group_is_not(seals: RegionSeals) -> None:
    assert not refused(seals, vm("westeurope"))
    assert not refused(seals, arm_id(SUBSCRIPTION, "prod", "Microsoft.Compute/disks", "d"))


def test_snapshots_are_refused_by_where_they_are(seals: RegionSeals) -> None:
    assert refused(seals, snapshot("lost"))
    assert not refused(seals, snapshot("kept"))
    assert refused(seals, snapshot("new"), "North Europe")
    assert not refused(seals, snapshot("new"), "westeurope")


def test_a_snapshot_that_nobody_listed_is_refused_as_it_may_be_there(seals: RegionSeals) -> None:
    assert refused(seals, snapshot("unknown"))
    assert not refused(seals, snapshot("unknown", group="prod"))


def test_the_regions_account_is_refused_wherever_it_lies(seals: RegionSeals) -> None:
    account = arm_id(SUBSCRIPTION, "theirs", "Microsoft.Storage/storageAccounts", "adopted01")
    seals.note_accounts(AWAY, [listed(account, "northeurope", OWNER_TAG, "2026")])

    assert refused(seals, f"{account}/blobServices/default/containers/bundle")


def test_writes_pass_again_when_nothing_is_sealed_with_the_lost_key(seals: RegionSeals) -> None:
    seals.note_list("Snapshot", SUBSCRIPTION, "rg", [])

    assert not refused(seals, snapshot("new"), "northeurope")
    assert not refused(seals, vm("northeurope"))
    assert seals.missing(AWAY) == ""


def test_a_launch_under_a_lost_key_is_a_reason_too(settings: Settings) -> None:
    seals = RegionSeals(settings.appliance, {"2026"})
    seals.ask(lambda: [Sealed(AWAY, "2025", "launch of worker w")])
    assert not refused(seals, vm("northeurope"))

    seals.note_launches()

    assert refused(seals, vm("northeurope"))


def test_each_source_is_told_of_by_itself_and_changes_once(settings: Settings) -> None:
    seals = RegionSeals(settings.appliance, {"2025", "2026"})
    changed: list[RegionKey] = []
    seals.tell(changed.append)
    worker = listed(vm("northeurope"), "northeurope", OWNER_TAG, "2025")
    workers = ("VirtualMachine", SUBSCRIPTION, group_of("northeurope"))

    seals.note_list(*workers, [worker])
    seals.note_list(*workers, [worker])
    seals.note_list(
        "Snapshot",
        SUBSCRIPTION,
        "rg",
        [listed(snapshot("s"), "northeurope", SNAPSHOT_TAG, "2025")],
    )
    seals.note_list(*workers, [])

    assert changed == [AWAY]
    assert dict(seals.needed(AWAY)) == {"2025": f"snapshot {name_of(snapshot('s'))}"}


def test_a_snapshot_of_another_subscription_is_of_the_region_that_it_is_read_in(
    settings: Settings,
) -> None:
    other = "66666666-7777-4888-8999-000000000000"
    seals = RegionSeals(settings.appliance, {"2026"}, [(other, "exports")])
    there = ArmId(snapshot("s", "exports").replace(SUBSCRIPTION, other))
    access = there.replace("snapshots/", "diskAccesses/")

    seals.note_list(
        "Snapshot", other, "exports", [listed(there, "northeurope", SNAPSHOT_TAG, "2025")]
    )

    assert dict(seals.needed(AWAY)) == {"2025": f"snapshot {name_of(there)}"}
    assert refused(seals, there)
    assert refused(seals, access, "northeurope")
    assert not refused(seals, access, "westeurope")
    assert refused(seals, vm("northeurope"))
    assert not refused(seals, there.replace("exports", "others"), "northeurope")


def test_a_vm_of_somebody_elses_group_is_no_worker(settings: Settings) -> None:
    seals = RegionSeals(settings.appliance, {"2026"})
    body = listed(vm("northeurope"), "westeurope", OWNER_TAG, "2025")

    seals.note_list("VirtualMachine", SUBSCRIPTION, group_of("northeurope"), [body])

    assert seals.places() == frozenset()


@pytest.mark.parametrize(
    "name", ["lost", "vmb-os", "vmb-0000000000000000000g-os", "vmb-00000000000000000001-x"]
)
def test_a_tag_on_a_snapshot_of_another_name_than_ours_stalls_nothing(
    settings: Settings, name: str
) -> None:
    seals = RegionSeals(settings.appliance, {"2026"})
    planted = arm_id(SUBSCRIPTION, "rg", "Microsoft.Compute/snapshots", name)

    seals.note_list(
        "Snapshot", SUBSCRIPTION, "rg", [listed(planted, "northeurope", SNAPSHOT_TAG, "2025")]
    )

    assert seals.places() == frozenset()


@pytest.mark.parametrize("name", ["vmb-w-1", "jumpbox", "vmb-w-00000000000000000001"])
def test_a_tag_on_a_vm_of_another_name_than_ours_stalls_nothing(
    settings: Settings, name: str
) -> None:
    seals = RegionSeals(settings.appliance, {"2026"})
    planted = listed(vm("northeurope", name), "northeurope", OWNER_TAG, "2025")

    seals.note_list("VirtualMachine", SUBSCRIPTION, group_of("northeurope"), [planted])

    assert seals.places() == frozenset()


def test_an_account_counts_by_a_name_that_we_compute_or_where_it_was_proven_ours() -> None:
    group = ArmId(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{group_of('northeurope')}")
    names = environment_names("contoso", SUBSCRIPTION, "northeurope").storage_accounts
    accounts = [
        arm_id(SUBSCRIPTION, group_of("northeurope"), "Microsoft.Storage/storageAccounts", name)
        for name in (names[0], names[1].upper(), "planted01", "adopted01")
    ]
    bodies = [listed(each, "northeurope", OWNER_TAG, "2025") for each in accounts]

    own = accounts_of(bodies, AWAY, group, names, [accounts[3].upper()])

    assert [each["id"] for each in own] == [accounts[0], accounts[1], accounts[3]]


def test_many_lost_keys_are_named_by_the_first_few(settings: Settings) -> None:
    seals = RegionSeals(settings.appliance, {"2026"})
    found = [
        listed(snapshot(f"s{number}"), "northeurope", SNAPSHOT_TAG, f"k{number}")
        for number in range(40)
    ]

    seals.note_list("Snapshot", SUBSCRIPTION, "rg", found)

    assert "and 37 more" in seals.missing(AWAY)
    assert len(seals.missing(AWAY)) < 1024
