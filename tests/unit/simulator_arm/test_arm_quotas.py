"""What a subscription may use in a region, how much it uses, and who is refused for it."""

from __future__ import annotations

import pytest

from azure_simulator.arm.quotas import set_limit
from tests.unit.simulator_arm.conftest import SUBSCRIPTION, Azure
from tests.unit.simulator_arm.test_arm_disks import make_disk
from tests.unit.simulator_arm.test_arm_machines import machine_body, make_machine

COMPUTE = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute"
FAMILY = "standardFSv2Family"


async def usage(azure: Azure, name: str, region: str = "westeurope") -> tuple[int, int]:
    """Return how much is used, and the limit."""
    listed = await azure.get(f"{COMPUTE}/locations/{region}/usages")
    (found,) = (each for each in listed["value"] if each["name"]["value"] == name)
    return found["currentValue"], found["limit"]


async def test_a_running_machine_uses_cores_of_its_family_and_of_its_region(azure: Azure) -> None:
    await make_machine(azure)

    assert await usage(azure, "cores") == (2, 350)
    assert await usage(azure, FAMILY) == (2, 350)
    assert await usage(azure, "virtualMachines") == (1, 25_000)
    assert await usage(azure, "cores", "uksouth") == (0, 350)


async def test_a_deallocated_machine_uses_no_cores(azure: Azure) -> None:
    machine = await make_machine(azure)
    await azure.done(await azure.send("POST", f"{machine}/deallocate"))

    assert (await usage(azure, "cores"))[0] == 0
    assert (await usage(azure, "virtualMachines"))[0] == 1


async def test_a_disk_counts_by_its_sku(azure: Azure) -> None:
    before = (await usage(azure, "PremiumDiskCount"))[0]
    await make_disk(azure, "more")

    assert (await usage(azure, "PremiumDiskCount"))[0] == before + 1


@pytest.mark.parametrize("name", ["cores", FAMILY, "virtualMachines"])
async def test_a_machine_for_which_there_is_no_room_is_refused(azure: Azure, name: str) -> None:
    body = await machine_body(azure)
    set_limit(azure.resources, SUBSCRIPTION, "westeurope", name, 0)
    refused = await azure.send("PUT", azure.id("Microsoft.Compute/virtualMachines", "vm"), body)

    assert (refused.status, refused.code) == (409, "OperationNotAllowed")
    assert f"exceeding approved {name} quota" in refused.body["error"]["message"]


async def test_a_spot_machine_has_a_quota_of_its_own(azure: Azure) -> None:
    body = await machine_body(azure)
    body["properties"]["priority"] = "Spot"
    set_limit(azure.resources, SUBSCRIPTION, "westeurope", "cores", 0)
    await azure.put(azure.id("Microsoft.Compute/virtualMachines", "vm"), body)

    assert (await usage(azure, "lowPriorityCores"))[0] == 2


async def test_a_region_that_is_none_has_no_quotas(azure: Azure) -> None:
    refused = await azure.send("GET", f"{COMPUTE}/locations/atlantis/usages")

    assert (refused.status, refused.code) == (400, "InvalidParameter")
    with pytest.raises(LookupError):
        set_limit(azure.resources, SUBSCRIPTION, "atlantis", "cores", 0)
    with pytest.raises(LookupError):
        set_limit(azure.resources, SUBSCRIPTION, "uksouth", "luck", 0)


async def test_a_taken_name_makes_no_other_machine(azure: Azure) -> None:
    machine = await make_machine(azure)
    body = await machine_body(azure)
    other = await make_disk(azure, "other")
    body["properties"]["storageProfile"] = {
        "osDisk": {"createOption": "Attach", "osType": "Linux", "managedDisk": {"id": other}}
    }
    del body["properties"]["osProfile"]
    refused = await azure.send("PUT", machine, body)

    assert (refused.status, refused.code) == (409, "PropertyChangeNotAllowed")
