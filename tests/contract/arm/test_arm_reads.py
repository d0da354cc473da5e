"""What ordinary clients read and write beside a backup, held against Microsoft's OpenAPI files."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import pytest_asyncio
import urllib3
from azure.identity.aio import ClientSecretCredential
from azure.mgmt.compute.aio import ComputeManagementClient

from tests.contract.arm.conftest import CLIENT, SECRET, Simulated
from tests.contract.arm.recording import Exchange, findings, unknown
from tests.contract.arm.specs import Specs
from tests.unit.simulator_arm.conftest import OWNER, SUBSCRIPTION, TENANT

pytestmark = pytest.mark.asyncio(loop_scope="module")

BASE = f"/subscriptions/{SUBSCRIPTION}"
GROUP = f"{BASE}/resourceGroups/reads"
COMPUTE = f"{GROUP}/providers/Microsoft.Compute"
SECURITY_GROUP = f"{GROUP}/providers/Microsoft.Network/networkSecurityGroups/nsg"
RULE = f"{SECURITY_GROUP}/securityRules/rule"
FILTER = "$filter=resourceGroup%20eq%20%27reads%27&$expand=createdTime%2CprovisioningState"
HERE = {"location": "westeurope"}
RULE_BODY = {
    "properties": {
        "protocol": "Tcp",
        "access": "Deny",
        "direction": "Outbound",
        "priority": 100,
        "sourceAddressPrefix": "*",
        "sourcePortRange": "*",
        "destinationAddressPrefix": "*",
        "destinationPortRanges": ["443"],
    }
}


def copy_of(source: str, *, incremental: bool) -> dict[str, Any]:
    creation = {"createOption": "Copy", "sourceResourceId": source}
    return HERE | {"properties": {"creationData": creation, "incremental": incremental}}


#: Method, path with its query, body.
ASKED: tuple[tuple[str, str, Any], ...] = (
    ("GET", "/subscriptions?api-version=2022-12-01", None),
    ("GET", f"{BASE}/providers?api-version=2024-03-01", None),
    ("GET", f"{BASE}/providers/Microsoft.Compute?api-version=2024-03-01", None),
    ("PUT", f"{GROUP}?api-version=2024-03-01", HERE),
    ("PUT", f"{SECURITY_GROUP}?api-version=2024-05-01", HERE),
    ("PUT", f"{RULE}?api-version=2024-05-01", RULE_BODY),
    ("GET", f"{RULE}?api-version=2024-05-01", None),
    ("GET", f"{SECURITY_GROUP}/securityRules?api-version=2024-05-01", None),
    ("GET", f"{SECURITY_GROUP}?api-version=2024-05-01", None),
    ("DELETE", f"{RULE}?api-version=2024-05-01", None),
    (
        "PUT",
        f"{COMPUTE}/disks/disk?api-version=2024-03-02",
        HERE | {"properties": {"creationData": {"createOption": "Empty"}, "diskSizeGB": 4}},
    ),
    (
        "PUT",
        f"{COMPUTE}/snapshots/first?api-version=2024-03-02",
        copy_of(f"{COMPUTE}/disks/disk", incremental=True),
    ),
    (
        "PUT",
        f"{COMPUTE}/snapshots/second?api-version=2024-03-02",
        copy_of(f"{COMPUTE}/snapshots/first", incremental=False),
    ),
    ("GET", f"{COMPUTE}/snapshots/second?api-version=2024-03-02", None),
    (
        "GET",
        f"{BASE}/resources?api-version=2024-03-01&{FILTER}",
        None,
    ),
)


def send_all(simulated: Simulated) -> list[int]:
    """Send everything, each once what went before has ended; return the statuses."""
    return list(_statuses(simulated))


def _statuses(simulated: Simulated) -> Iterator[int]:
    token = simulated.identities.issuer.issue(CLIENT, OWNER, "https://management.azure.com")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    way, ca = simulated.options["proxies"]["https"], simulated.options["connection_verify"]
    with urllib3.ProxyManager(way, ca_certs=ca) as http:
        for method, path, body in ASKED:
            url = f"https://management.azure.com{path}"
            sent = json.dumps(body) if body is not None else None
            answer = http.request(method, url, body=sent, headers=headers)
            yield answer.status
            poll = answer.headers.get("Azure-AsyncOperation") or answer.headers.get("Location")
            while poll and json.loads(
                http.request("GET", poll, headers=headers).data or b'{"status": "InProgress"}'
            ).get("status") in ("InProgress", "Running"):
                time.sleep(0.05)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def exchanges(simulated: Simulated) -> list[Exchange]:
    """All of it done once."""
    statuses = await asyncio.to_thread(send_all, simulated)
    assert all(200 <= status < 300 for status in statuses), statuses
    return list(simulated.recorder.exchanges)


async def test_every_body_is_as_microsofts_files_say(
    exchanges: list[Exchange], specs: Specs
) -> None:
    polls = ("perations/", "perationResults/")
    strange = {u for u in unknown(specs, exchanges) if not any(p in u for p in polls)}

    assert strange == set()
    assert not list(findings(specs, exchanges))


async def test_the_sdk_reads_an_image_from_its_publisher_to_its_newest_version(
    simulated: Simulated,
) -> None:
    async with (
        ClientSecretCredential(TENANT, CLIENT, SECRET, **simulated.options) as credential,
        ComputeManagementClient(credential, SUBSCRIPTION, **simulated.options) as compute,
    ):
        images, where = compute.virtual_machine_images, ("westeurope", "Canonical")
        offers = [each.name for each in await images.list_offers(*where)]
        skus = [each.name for each in await images.list_skus(*where, offers[0])]
        (newest,) = await images.list(*where, offers[0], skus[1], top=1, orderby="name desc")
        image = await images.get(*where, offers[0], skus[1], newest.name)

    assert offers == ["0001-com-ubuntu-server-jammy", "ubuntu-24_04-lts"]
    assert skus == ["22_04-lts", "22_04-lts-gen2"]
    assert image.properties is not None
    assert image.properties.hyper_v_generation == "V2"
    assert image.properties.os_disk_image is not None
    assert image.properties.os_disk_image.operating_system == "Linux"
