"""A company's policies: tags that are demanded, and names of tags that come back otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from azure_simulator.arm.policies import WITH_TAGS, Policy
from tests.unit.simulator_arm.conftest import Azure

DISK: dict[str, Any] = {
    "location": "westeurope",
    "properties": {"creationData": {"createOption": "Empty"}, "diskSizeGB": 4},
}
TAGGED = {**DISK, "tags": {"Cost-Center": "7", "vmbackup-run": "r"}}


def assign(azure: Azure, *, remediate: bool = False, **policy: Any) -> str:
    return azure.arm.service.policies.assign(Policy.parse(policy), remediate=remediate)


async def test_a_resource_without_a_demanded_tag_is_refused_by_policy(azure: Azure) -> None:
    disk = azure.id("Microsoft.Compute/disks", "d")
    policy = assign(azure, demandTags=["cost-center", "owner"])

    refused = await azure.send("PUT", disk, TAGGED)
    azure.arm.service.policies.forget(policy)
    made = await azure.send("PUT", disk, TAGGED)

    assert (refused.status, refused.code) == (403, "RequestDisallowedByPolicy")
    error = refused.body["error"]
    assert error["target"] == "d"
    assert "owner" in error["message"]
    assert "cost-center" not in error["message"]
    assert error["additionalInfo"][0]["type"] == "PolicyViolation"
    assert made.status == 202


async def test_a_change_is_judged_by_the_tags_that_it_leaves(azure: Azure) -> None:
    disk = azure.id("Microsoft.Compute/disks", "d")
    await azure.put(disk, TAGGED)
    assign(azure, demandTags=["cost-center"])

    policy_only = {"properties": {"networkAccessPolicy": "DenyAll"}}
    await azure.done(await azure.send("PATCH", disk, policy_only))
    stripped = await azure.send("PATCH", disk, {"tags": {"other": "x"}})
    read = await azure.send("GET", disk)

    assert stripped.code == "RequestDisallowedByPolicy"
    assert read.body["tags"] == TAGGED["tags"]


async def test_children_and_groups_are_not_looked_at_unless_named(azure: Azure) -> None:
    group = f"{azure.group}2"
    assign(azure, demandTags=["cost-center"])

    made = await azure.send("PUT", group, {"location": "westeurope"})
    assign(azure, demandTags=["cost-center"], types="resourceGroups$")
    refused = await azure.send("PUT", f"{azure.group}3", {"location": "westeurope"})

    assert (made.status, refused.code) == (201, "RequestDisallowedByPolicy")


async def test_rights_are_asked_before_policies(azure: Azure) -> None:
    assign(azure, demandTags=["cost-center"])

    reply = await azure.send("PUT", azure.id("Microsoft.Compute/disks", "d"), DISK, as_="nobody")

    assert reply.code == "AuthorizationFailed"


async def test_names_of_tags_come_back_as_the_policy_spells_them(azure: Azure) -> None:
    before = azure.id("Microsoft.Compute/disks", "before")
    after = azure.id("Microsoft.Compute/disks", "after")
    await azure.put(before, TAGGED)

    assign(azure, spellTags="upper", remediate=True)
    await azure.put(after, TAGGED)

    for disk in (before, after):
        tags = (await azure.get(disk))["tags"]
        assert tags == {"COST-CENTER": "7", "VMBACKUP-RUN": "r"}


async def test_what_exists_keeps_its_spelling_until_it_is_written(azure: Azure) -> None:
    disk = azure.id("Microsoft.Compute/disks", "d")
    await azure.put(disk, TAGGED)
    assign(azure, spellTags="title")

    untouched = (await azure.get(disk))["tags"]
    await azure.done(await azure.send("PATCH", disk, {"tags": TAGGED["tags"]}))

    assert untouched == TAGGED["tags"]
    assert (await azure.get(disk))["tags"] == {"Cost-Center": "7", "Vmbackup-Run": "r"}


@pytest.mark.parametrize(
    "policy", [{}, {"spellTags": "kebab"}, {"demandTags": ["x"], "effect": "deny"}]
)
def test_a_policy_that_means_nothing_is_refused(policy: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"policy has|spellTags"):
        Policy.parse(policy)


@pytest.mark.parametrize("kind", WITH_TAGS)
async def test_every_type_that_carries_tags_is_looked_at(azure: Azure, kind: str) -> None:
    assign(azure, demandTags=["cost-center"])
    namespace, *types = kind.split("/")
    path = f"{azure.group}/providers/{namespace}" + "".join(f"/{each}/x" for each in types)

    reply = await azure.send("PUT", path, {"location": "westeurope"})

    assert reply.code == "RequestDisallowedByPolicy"
