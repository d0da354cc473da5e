"""What a plan refers to serves it: of its region and subscription, where Azure wants that."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from vmbackup_operator.environments.bodies import Body
from vmbackup_operator.model.restore_session import RestoreTarget
from vmbackup_operator.naming import ArmId, arm_id
from vmbackup_operator.restores.planning.planned import DiskWanted, InterfaceWanted, Planned
from vmbackup_operator.restores.referring import looked_at, unusable
from vmbackup_operator.sessions.target_ports import ResourceSeen

HERE, ELSEWHERE = "11111111-2222-4333-8444-555555555555", "99999999-2222-4333-8444-555555555555"
TARGET = RestoreTarget(HERE, "restored", "North Europe")
NETWORK = arm_id(HERE, "net", "Microsoft.Network/virtualNetworks", "web")
GROUP = arm_id(HERE, "net", "Microsoft.Network/networkSecurityGroups", "web")
KEYS = arm_id(HERE, "keys", "Microsoft.Compute/diskEncryptionSets", "web")


def plan() -> Planned:
    """Return a disk under a key of one's own, and an interface in a subnet with a group."""
    encryption: Body = {"encryption": {"diskEncryptionSetId": KEYS}}
    disk = DiskWanted(
        "os", ArmId("/d"), "d", 1, "northeurope", None, {}, after_upload={"properties": encryption}
    )
    subnet: Body = {"properties": {"subnet": {"id": f"{NETWORK}/subnets/Machines"}}}
    properties: Body = {"ipConfigurations": [subnet], "networkSecurityGroup": {"id": GROUP}}
    return Planned((disk,), (InterfaceWanted(ArmId("/n"), {"properties": properties}),))


def seen(**regions: str) -> dict[str, ResourceSeen]:
    named = {"network": NETWORK, "group": GROUP, "keys": KEYS}
    return {
        each: ResourceSeen(each, regions.get(name, "northeurope"), subnets=frozenset({"machines"}))
        for name, each in named.items()
    }


def test_what_lies_where_it_is_used_serves() -> None:
    assert unusable(plan(), TARGET, lambda each: seen().get(ArmId(each))) is None
    assert list(looked_at(plan())) == [NETWORK, GROUP, KEYS]


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("network", "NetworkOfAnotherRegion"),
        ("group", "NetworkOfAnotherRegion"),
        ("keys", "EncryptionSetOfAnotherRegion"),
    ],
)
def test_what_lies_in_another_region_does_not(what: str, reason: str) -> None:
    there = seen(**{what: "westeurope"})
    refused = unusable(plan(), TARGET, lambda each: there.get(ArmId(each)))

    assert refused is not None
    assert (refused.reason, "lies in westeurope" in refused.message) == (reason, True)


def test_nothing_of_another_subscription_serves() -> None:
    elsewhere = replace(TARGET, subscription_id=ELSEWHERE)
    refused = unusable(plan(), elsewhere, lambda each: seen().get(ArmId(each)))

    assert refused is not None
    assert refused.reason == "NetworkOfAnotherRegion"
    assert f"subscription {HERE}" in refused.message
    assert f"of subscription {ELSEWHERE} can't use it" in refused.message
