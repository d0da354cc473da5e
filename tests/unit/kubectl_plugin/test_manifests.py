"""The objects that ``run --vm`` and ``restore`` make, and which VM or point is meant."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.worlds.backed_up_team import NAMESPACE, SLOT, SUBSCRIPTION, nightly, team, vm
from vmbackup_core.errors import PermanentError
from vmbackup_operator.kubectl_plugin.machines import find_machine, machine_ids
from vmbackup_operator.kubectl_plugin.manifests import (
    RestoreAsked,
    backup_manifest,
    latest_point,
    restore_manifest,
)
from vmbackup_operator.model.backup_policy import Selector, VirtualMachines
from vmbackup_operator.naming import ArmId

TEAM = team()
OTHER = "22222222-2222-4222-8222-222222222222"


def known() -> dict[str, ArmId]:
    return machine_ids(nightly(), TEAM.sessions)


def test_ids_come_from_sessions_and_from_the_scopes_of_one_subscription() -> None:
    assert known()["rg-production/web-01"].lower() == vm("web-01").lower()
    assert machine_ids(nightly(), ()).keys() == known().keys()


def test_of_several_subscriptions_only_sessions_tell() -> None:
    policy = nightly()
    scopes = (f"/subscriptions/{SUBSCRIPTION}", f"/subscriptions/{OTHER}")
    machines = VirtualMachines(selector=Selector(scopes=scopes))
    several = replace(policy, spec=replace(policy.spec, virtual_machines=machines))

    assert machine_ids(several, ()) == {}
    assert set(machine_ids(several, TEAM.sessions)) == {
        f"rg-production/{each}" for each in ("db-01", "legacy-07", "web-01", "web-02")
    }


@pytest.mark.parametrize(
    "said", ["web-01", "WEB-01", "rg-production/web-01", "RG-Production/Web-01", vm("web-01")]
)
def test_a_vm_is_meant_by_its_name_its_group_or_its_id(said: str) -> None:
    assert find_machine(said, known(), nightly()).lower() == vm("web-01").lower()


@pytest.mark.parametrize("said", ["web-03", "legacy-09", "other/web-01", vm("web-09"), ""])
def test_a_vm_that_the_policy_does_not_back_up_is_refused(said: str) -> None:
    with pytest.raises(PermanentError, match="backs up no VM") as refused:
        find_machine(said, known(), nightly())
    assert refused.value.reason == "UnknownVirtualMachine"


def test_a_name_that_two_vms_have_is_refused_by_both() -> None:
    twins = {**known(), "rg-other/web-01": ArmId(vm("web-01").replace("production", "other"))}

    with pytest.raises(PermanentError, match="rg-other/web-01, rg-production/web-01"):
        find_machine("web-01", twins, nightly())


def test_a_backup_of_one_vm_is_as_the_policy_says() -> None:
    policy = nightly()
    excluded = replace(policy, spec=replace(policy.spec, exclude_data_disk_luns=(3,)))

    manifest = backup_manifest(excluded, ArmId(vm("web-01")))

    assert manifest["metadata"] == {"generateName": "nightly-web-01-", "namespace": NAMESPACE}
    spec = manifest["spec"]
    assert spec["virtualMachineId"] == vm("web-01")
    assert spec["policyRef"] == {"name": "nightly"}
    assert list(spec["excludeDataDiskLuns"]) == [3]
    assert spec["retention"]["daily"] == 14
    assert spec["retention"]["timeZone"] == "Europe/Amsterdam"
    assert "slot" not in spec
    assert "trigger" not in spec


def test_names_that_kubernetes_would_refuse_are_made_ones_that_it_takes() -> None:
    manifest = backup_manifest(nightly(), ArmId(vm("Web_01.contoso." + "x" * 70)))

    stem = manifest["metadata"]["generateName"]
    assert stem.startswith("nightly-web-01-contoso-x")
    assert len(stem) + 5 <= 63


def test_a_restore_goes_beside_the_vm_unless_something_else_is_said() -> None:
    point = TEAM.points[1]

    plain = restore_manifest(point, RestoreAsked(), "northeurope")
    said = RestoreAsked("VirtualMachine", "back", OTHER, "rg-x", "westeurope", vm_name="w")
    asked = restore_manifest(point, said, "northeurope")

    assert plain["spec"]["target"] == {
        "subscriptionId": SUBSCRIPTION, "resourceGroup": "rg-production", "region": "northeurope",
    }  # fmt: skip
    assert plain["metadata"] == {"generateName": "web-01-disks-", "namespace": NAMESPACE}
    assert asked["spec"]["target"] == {
        "subscriptionId": OTHER, "resourceGroup": "rg-x", "region": "westeurope", "vmName": "w",
    }  # fmt: skip
    assert asked["metadata"] == {"name": "back", "namespace": NAMESPACE}


def test_a_restore_whose_region_nobody_knows_asks_for_it() -> None:
    with pytest.raises(PermanentError) as refused:
        restore_manifest(TEAM.points[0], RestoreAsked(), None)
    assert refused.value.reason == "RegionUnknown"


def test_the_newest_point_of_a_vm_is_taken_up_to_a_moment() -> None:
    older, newer = TEAM.points

    assert latest_point(TEAM.points, "WEB-01", None) == newer
    assert latest_point(TEAM.points, vm("web-01"), SLOT) == older
    for name, moment in (("web-02", None), ("web-01", SLOT - timedelta(days=3))):
        with pytest.raises(PermanentError) as refused:
            latest_point(TEAM.points, name, moment)
        assert refused.value.reason == "NoRecoveryPoint"
