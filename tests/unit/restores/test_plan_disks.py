"""What disks a plan makes of those of a point."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.worlds.recorded_vm import (
    ENCRYPTION_ID,
    GIB,
    POINT_DISKS,
    REGION,
    RUN,
    SIZES,
    TARGET,
    described,
    disk_body,
    disk_id,
    restore_spec,
)
from vmbackup_core.errors import PermanentError
from vmbackup_operator.environments.bodies import body_at
from vmbackup_operator.model.exclusions import ExcludedDisk
from vmbackup_operator.model.restore_session import DiskOverride, RestoreOverrides, TargetTag
from vmbackup_operator.model.vm_description import VmDescription
from vmbackup_operator.restores.planning.plan import plan_restore, read_description
from vmbackup_operator.restores.planning.planned import DiskWanted, Planned

RECORDED = described()
ULTRA = {"name": "UltraSSD_LRS", "tier": "Ultra"}


def planned(description: VmDescription | None = RECORDED, **asked: Any) -> Planned:
    return plan_restore(description, POINT_DISKS, restore_spec("Disks", **asked), RUN)


def data_disk(**asked: Any) -> DiskWanted:
    return planned(**asked).disks[1]


def overridden(*disks: DiskOverride) -> RestoreOverrides:
    return RestoreOverrides(disks=disks)


def described_with(**properties: object) -> VmDescription:
    return described(disks=[disk_body("os"), disk_body("0", **properties)])


def test_every_disk_is_made_under_its_own_name_and_eight_digits_of_the_run() -> None:
    disks = planned().disks

    assert [(each.position, each.name) for each in disks] == [
        ("os", "web-01-os-01234567"),
        ("0", "web-01-0-01234567"),
    ]
    assert disks[0].id == f"{TARGET}/providers/Microsoft.Compute/disks/web-01-os-01234567"
    assert [(each.size_bytes, each.region, each.zone) for each in disks] == [
        (SIZES["os"], REGION, "2"),
        (SIZES["0"], REGION, "2"),
    ]


def test_what_azure_lets_one_set_is_set_again_and_nothing_else() -> None:
    assert data_disk().body == {
        "location": REGION,
        "zones": ["2"],
        "tags": {"team": "web"},
        "sku": {"name": "Premium_LRS"},
        "properties": {
            "osType": None,
            "hyperVGeneration": "V2",
            "tier": "P20",
            "encryption": {"type": "EncryptionAtRestWithPlatformKey"},
            "availabilityPolicy": {"actionOnDiskDelay": "AutomaticReattach"},
        },
    }


def test_only_the_disks_that_are_asked_for_are_made() -> None:
    assert [each.position for each in planned(disks=("0",)).disks] == ["0"]


@pytest.mark.parametrize("asked", [{"disks": ("1",)}, {"overrides": overridden(DiskOverride("1"))}])
def test_a_disk_that_the_point_does_not_have_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(PermanentError, match="disk 1, which is not among") as refused:
        planned(**asked)

    assert refused.value.reason == "DiskNotInPoint"


def test_a_disk_can_grow_and_never_shrink() -> None:
    grown = data_disk(overrides=overridden(DiskOverride("0", size_gib=256)))
    assert grown.size_bytes == 256 * GIB

    with pytest.raises(PermanentError, match="ask for 128 GiB or more") as refused:
        planned(overrides=overridden(DiskOverride("0", size_gib=127)))

    assert refused.value.reason == "TargetTooSmall"


def test_a_grown_disk_loses_its_tier_and_that_is_told() -> None:
    plan = planned(overrides=overridden(DiskOverride("0", size_gib=256)))

    assert "tier" not in body_at(plan.disks[1].body, "properties")
    assert any("properties.tier (P20)" in note for note in plan.not_restored)


def test_performance_is_set_again_where_it_is_bought_apart_from_the_size() -> None:
    ultra = disk_body("0") | {"sku": ULTRA}
    plan = planned(described(disks=[disk_body("os"), ultra]))

    properties = body_at(plan.disks[1].body, "properties")
    assert (properties["diskIOPSReadWrite"], properties["diskMBpsReadWrite"]) == (500, 100)
    assert plan.disks[1].creation_data == {"logicalSectorSize": 4096}
    assert "diskIOPSReadWrite" not in str(plan.disks[0].body)
    assert not any("diskIOPS" in note for note in plan.not_restored)


def test_performance_that_another_sku_does_not_sell_is_told() -> None:
    ultra = disk_body("0") | {"sku": ULTRA}
    plan = planned(described(disks=[disk_body("os"), ultra]), disk_sku="StandardSSD_LRS")

    assert plan.disks[1].body["sku"] == {"name": "StandardSSD_LRS"}
    assert plan.disks[1].creation_data == {}
    assert sum("diskIOPSReadWrite" in note for note in plan.not_restored) == 1


def test_a_customers_key_is_set_once_the_upload_has_ended() -> None:
    own = {"type": "EncryptionAtRestWithCustomerKey", "diskEncryptionSetId": ENCRYPTION_ID}
    plan = planned(described_with(encryption=own))

    assert "encryption" not in body_at(plan.disks[1].body, "properties")
    assert plan.disks[1].after_upload == {"properties": {"encryption": own}}
    assert ENCRYPTION_ID in plan.ids_used


def test_another_encryption_set_keeps_the_kind_of_encryption() -> None:
    double = "EncryptionAtRestWithPlatformAndCustomerKeys"
    recorded = described_with(encryption={"type": double, "diskEncryptionSetId": ENCRYPTION_ID})
    other = f"{ENCRYPTION_ID}2"
    os_disk, disk = planned(recorded, disk_encryption_set_id=other).disks

    assert disk.after_upload == {
        "properties": {"encryption": {"type": double, "diskEncryptionSetId": other}}
    }
    assert "'EncryptionAtRestWithCustomerKey'" in str(os_disk.after_upload)


def test_an_encryption_set_of_another_region_is_refused_until_one_is_named() -> None:
    own = {"type": "EncryptionAtRestWithCustomerKey", "diskEncryptionSetId": ENCRYPTION_ID}
    with pytest.raises(PermanentError, match="diskEncryptionSetId") as refused:
        planned(described_with(encryption=own), region="uksouth")

    assert refused.value.reason == "EncryptionSetOfAnotherRegion"
    named = planned(described_with(encryption=own), region="uksouth", disk_encryption_set_id="/x")
    assert [each.region for each in named.disks] == ["uksouth", "uksouth"]


def test_a_zone_holds_in_its_region_only_and_for_disks_of_one_zone_only() -> None:
    elsewhere = planned(region="uksouth")
    assert elsewhere.disks[1].zone is None
    assert any("zones (2)" in note for note in elsewhere.not_restored)
    assert data_disk(zone="3").body["zones"] == ["3"]

    redundant = data_disk(disk_sku="Premium_ZRS", zone="3")

    assert (redundant.zone, "zones" in redundant.body) == (None, False)


def test_tags_of_the_target_go_over_the_recorded_ones_in_any_case() -> None:
    tags = (TargetTag("TEAM", "restore"), TargetTag("ticket", "7"))

    assert data_disk(tags=tags).body["tags"] == {"TEAM": "restore", "ticket": "7"}


def test_more_tags_than_azure_takes_are_refused() -> None:
    many = disk_body("0") | {"tags": {f"t{number}": "x" for number in range(48)}}
    with pytest.raises(PermanentError, match="48 tags") as refused:
        planned(described(disks=[disk_body("os"), many]))

    assert refused.value.reason == "TooManyTags"


def test_disks_of_one_name_are_told_apart_by_their_positions() -> None:
    named = [replace(each, name="disk") for each in POINT_DISKS]
    plan = plan_restore(RECORDED, named, restore_spec("Disks"), RUN)

    assert [each.name for each in plan.disks] == ["disk-os-01234567", "disk-0-01234567"]


def test_one_name_for_two_disks_is_refused() -> None:
    same = overridden(DiskOverride("os", name="One"), DiskOverride("0", name="one"))
    with pytest.raises(PermanentError, match="two disks would be called one") as refused:
        planned(overrides=same)

    assert refused.value.reason == "NameTaken"


def test_a_long_name_is_cut_to_what_azure_takes() -> None:
    long = [replace(each, name=f"{each.lun}" * 80) for each in POINT_DISKS]
    plan = plan_restore(RECORDED, long, restore_spec("Disks"), RUN)

    assert {len(each.name) for each in plan.disks} == {80}
    assert plan.disks[1].name.endswith("0-01234567")


@pytest.mark.parametrize("kind", ["ConfidentialVM_DiskEncryptedWithCustomerKey", "TrustedLaunch"])
def test_a_confidential_disk_becomes_an_ordinary_one_and_that_is_told(kind: str) -> None:
    plan = planned(described_with(securityProfile={"securityType": kind}))

    confidential = kind != "TrustedLaunch"
    assert ("securityProfile" in str(plan.disks[1].body)) is not confidential
    assert any("confidential VM" in note for note in plan.not_restored) is confidential


def test_a_point_without_azures_bodies_is_restored_from_what_was_resolved() -> None:
    resolved = {"disks": [{"id": disk_id(each).upper(), "sku": "Premium_ZRS"} for each in SIZES]}
    plan = planned(VmDescription("session", resolved=resolved))

    assert plan.disks[0].body == {
        "location": REGION,
        "sku": {"name": "Premium_ZRS"},
        "tags": {},
        "properties": {},
    }


def test_a_point_that_says_nothing_of_a_disk_needs_its_sku() -> None:
    with pytest.raises(PermanentError, match=r"spec\.target\.diskSku") as refused:
        planned(None)

    assert refused.value.reason == "DiskNotDescribed"
    assert data_disk(description=None, disk_sku="Premium_LRS").body["sku"] == {
        "name": "Premium_LRS"
    }


def test_a_description_in_a_newer_form_is_not_guessed_at() -> None:
    newer = read_description('{"source": "resource-manager", "schema": 2, "disks": []}')

    with pytest.raises(PermanentError, match="does not hold what Azure said of the VM"):
        plan_restore(newer, POINT_DISKS, restore_spec(disk_sku="Premium_LRS"), RUN)
    assert read_description("[]") is None


@pytest.mark.parametrize(("chosen", "is_told"), [((), True), (("os",), False)])
def test_disks_that_were_left_out_of_the_backup_are_told_where_all_are_asked_for(
    chosen: tuple[str, ...], *, is_told: bool
) -> None:
    left_out = ExcludedDisk("1", "web-01-scratch", "LUN 1 is excluded")

    plan = planned(replace(RECORDED, excluded_disks=(left_out,)), disks=chosen)

    said = "disk web-01-scratch: position 1: left out of the backup: LUN 1 is excluded"
    assert (said in plan.not_restored) == is_told
