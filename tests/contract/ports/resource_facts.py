"""What Resource Manager promises to environments."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import pytest

from tests.contract.ports.suites import Suite, Until
from vmbackup_core.errors import RefusedForNow
from vmbackup_operator.environments.bodies import Body, text_at
from vmbackup_operator.environments.ports import Kind, ResourceManager
from vmbackup_operator.naming import ArmId, arm_id


@dataclass(frozen=True)
class ResourcePlace:
    """A subscription with nothing of the test's in it."""

    manager: ResourceManager
    subscription: str
    region: str
    until: Until

    async def put(self, kind: Kind, resource_id: ArmId, body: Body) -> Body:
        wanted = {"location": self.region, **body}
        there: Body = await self.until(lambda: self.manager.put(kind, resource_id, wanted))
        return there

    async def new_group(self) -> str:
        """Return the name of a resource group that was just made."""
        name = f"rg-{uuid.uuid4().hex[:12]}"
        at = ArmId(f"/subscriptions/{self.subscription}/resourceGroups/{name}")
        await self.put("ResourceGroup", at, {"tags": {}})
        return name

    def network(self, group: str) -> ArmId:
        return arm_id(self.subscription, group, "Microsoft.Network/virtualNetworks", "net")


SPACE: Body = {"addressSpace": {"addressPrefixes": ["10.77.0.0/24"]}}


class ResourceFacts(Suite):
    """Gets *place*."""

    ports = (ResourceManager,)

    async def test_what_was_put_is_found_however_its_id_is_written(
        self, place: ResourcePlace
    ) -> None:
        network = place.network(await place.new_group())
        before = await place.manager.find("VirtualNetwork", network)
        made = await place.put("VirtualNetwork", network, {"properties": SPACE, "tags": {"a": "b"}})
        found = await place.manager.find("VirtualNetwork", ArmId(network.upper()))

        assert before is None
        assert found is not None
        assert place.manager.under_way(network) is False
        for body in (made, found):
            properties: Any = body["properties"]
            assert text_at(body, "id").lower() == network.lower()
            assert body["tags"] == {"a": "b"}
            assert properties["provisioningState"] == "Succeeded"
            assert properties["addressSpace"] == SPACE["addressSpace"]

    async def test_what_is_put_again_is_as_it_is_said_then(self, place: ResourcePlace) -> None:
        network = place.network(await place.new_group())
        await place.put("VirtualNetwork", network, {"properties": SPACE, "tags": {"a": "b"}})
        await place.put("VirtualNetwork", network, {"properties": SPACE, "tags": {"c": "d"}})
        found = await place.manager.find("VirtualNetwork", network)

        assert found is not None
        assert found["tags"] == {"c": "d"}

    async def test_nothing_is_made_in_a_group_that_is_not_there(self, place: ResourcePlace) -> None:
        with pytest.raises(RefusedForNow) as refused:
            await place.put("VirtualNetwork", place.network("rg-nobodys"), {"properties": SPACE})

        assert refused.value.reason == "NotFound"
        assert await place.manager.find("VirtualNetwork", place.network("rg-nobodys")) is None

    async def test_nothing_is_made_within_what_is_not_there(self, place: ResourcePlace) -> None:
        group = await place.new_group()
        zone = arm_id(place.subscription, group, "Microsoft.Network/privateDnsZones", "a.zone")
        link = ArmId(f"{zone}/virtualNetworkLinks/net")
        properties: Body = {
            "registrationEnabled": False,
            "virtualNetwork": {"id": place.network(group)},
        }
        body: Body = {"location": "global", "properties": properties}

        with pytest.raises(RefusedForNow) as refused:
            await place.put("VirtualNetworkLink", link, body)

        assert refused.value.reason == "NotFound"

    async def test_accounts_are_listed_by_subscription(self, place: ResourcePlace) -> None:
        group, name = await place.new_group(), f"vmb{uuid.uuid4().hex[:20]}"
        resource_type = "Microsoft.Storage/storageAccounts"
        account = arm_id(place.subscription, group, resource_type, name)
        body: Body = {"kind": "StorageV2", "sku": {"name": "Standard_LRS"}, "properties": {}}
        await place.put("StorageAccount", account, body)
        listed = await place.manager.storage_accounts(place.subscription)

        assert account.lower() in {str(each["id"]).lower() for each in listed}

    async def test_nothing_sealed_lies_in_a_group_that_is_empty_or_not_there(
        self, place: ResourcePlace
    ) -> None:
        for group in (await place.new_group(), "rg-nobodys"):
            assert await place.manager.sealed("VirtualMachine", place.subscription, group) == []
            assert await place.manager.sealed("Snapshot", place.subscription, group) == []
