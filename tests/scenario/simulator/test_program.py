"""The simulator as the program that the demo starts: its files, its interface, its end."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError

from tools.local_cloud.administrator import SUBSCRIPTION, Administrator
from tools.local_cloud.azure import simulated_azure

pytestmark = [pytest.mark.azurite, pytest.mark.machines]

GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg"
NETWORK = f"{GROUP}/providers/Microsoft.Network"
COMPUTE = f"{GROUP}/providers/Microsoft.Compute"
REGION = {"location": "westeurope"}


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    with simulated_azure(tmp_path_factory.mktemp("azure"), speed=100) as ready:
        yield ready


@pytest.fixture(scope="module")
def azure(ready: dict[str, Any]) -> Administrator:
    azure = Administrator(ready)
    azure.call("PUT", f"/subscriptions/{SUBSCRIPTION}")
    azure.arm(GROUP, "2022-09-01", REGION)
    return azure


def disk_body(size_gb: int) -> dict[str, Any]:
    properties = {"creationData": {"createOption": "Empty"}, "diskSizeGB": size_gb}
    return {**REGION, "properties": properties}


def launch(azure: Administrator) -> str:
    """Make a VM of the Ubuntu image and return its id."""
    subnets = [{"name": "s", "properties": {"addressPrefix": "10.3.0.0/24"}}]
    space = {"addressSpace": {"addressPrefixes": ["10.3.0.0/16"]}, "subnets": subnets}
    network = f"{NETWORK}/virtualNetworks/v"
    azure.arm(network, "2024-01-01", {**REGION, "properties": space})
    configuration = {"name": "ip", "properties": {"subnet": {"id": f"{network}/subnets/s"}}}
    interface = f"{NETWORK}/networkInterfaces/nic"
    body = {**REGION, "properties": {"ipConfigurations": [configuration]}}
    azure.arm(interface, "2024-01-01", body)
    image = {
        "publisher": "Canonical",
        "offer": "0001-com-ubuntu-server-jammy",
        "sku": "22_04-lts-gen2",
        "version": "latest",
    }
    properties = {
        "hardwareProfile": {"vmSize": "Standard_F2s_v2"},
        "storageProfile": {"imageReference": image, "osDisk": {"createOption": "FromImage"}},
        "osProfile": {
            "computerName": "worker",
            "adminUsername": "worker",
            "adminPassword": "not-in-the-journal",
        },
        "networkProfile": {"networkInterfaces": [{"id": interface}]},
    }
    machine = f"{COMPUTE}/virtualMachines/worker"
    azure.arm(machine, "2024-03-01", {**REGION, "properties": properties})
    return machine


def test_the_files_that_it_writes(ready: dict[str, Any]) -> None:
    assert Path(ready["ca"]).read_text().startswith("-----BEGIN CERTIFICATE")
    written = Path(ready["ca"]).parent / "ready.json"
    assert json.loads(written.read_text()) == ready
    assert written.stat().st_mode & 0o077 == 0


def test_a_script_runs_in_a_vm_that_arm_made(azure: Administrator) -> None:
    machine = launch(azure)
    command = f"{machine}/runCommands/hello"
    properties = {
        "source": {"script": 'echo "$SECRET" > /opt/kept; id -u; hostname'},
        "protectedParameters": [{"name": "SECRET", "value": "for-this-vm-only"}],
    }
    azure.arm(command, "2024-03-01", {**REGION, "properties": properties})

    [listed] = azure.call("GET", "/machines")
    ran = [entry for entry in azure.journal() if entry["service"] == "machine"]
    assert (listed["id"], listed["running"]) == (machine, True)
    assert ran[-1]["detail"]["exitCode"] == 0
    journal = str(azure.journal())
    assert "for-this-vm-only" not in journal
    assert "not-in-the-journal" not in journal


def test_disks_are_filled_written_and_read(azure: Administrator, tmp_path: Path) -> None:
    disk = f"{COMPUTE}/disks/filled"
    azure.arm(disk, "2023-10-02", disk_body(1))
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(1024**3)
        file.seek(1024**2)
        file.write(b"a" * 4096)
    azure.fill_disk(disk, image)
    patch = tmp_path / "patch"
    patch.write_bytes(b"b" * 512)
    azure.call("POST", "/disks/write", {"diskId": disk, "offset": 4096, "path": str(patch)})

    content = azure.call("GET", f"/disks/content?id={disk}")
    with Path(content["path"]).open("rb") as file:
        file.seek(4096)
        assert file.read(512) == b"b" * 512
        file.seek(1024**2)
        assert file.read(4096) == b"a" * 4096
    assert content["sizeBytes"] == 1024**3
    assert sum(length for _, length in content["allocated"]) < 1024**2


def test_a_hold_keeps_an_applied_write_from_being_answered(azure: Administrator) -> None:
    match = {"service": "arm", "method": "PUT", "path": "disks/held$"}
    hold = azure.call("POST", "/holds", {"match": match, "when": "after", "times": 1})["id"]
    disk = f"{COMPUTE}/disks/held"
    writing = threading.Thread(target=azure.arm, args=(disk, "2023-10-02", disk_body(1)))
    writing.start()
    deadline = time.monotonic() + 60
    while azure.call("GET", f"/holds/{hold}")["caught"] == 0:
        assert time.monotonic() < deadline
        time.sleep(0.02)

    assert writing.is_alive()
    azure.call("DELETE", f"/holds/{hold}")
    writing.join(30)
    assert not writing.is_alive()


def test_a_fault_is_answered_in_arms_place(azure: Administrator) -> None:
    fault = {
        "match": {"service": "arm", "method": "PUT", "path": "disks/faulty"},
        "status": 409,
        "body": {"error": {"code": "Invented", "message": "by the test"}},
    }
    azure.call("POST", "/faults", fault)

    with pytest.raises(HttpResponseError, match="Invented"):
        azure.arm(f"{COMPUTE}/disks/faulty", "2023-10-02", disk_body(1))


def test_a_wrong_call_is_told_what_was_wrong(azure: Administrator) -> None:
    for method, path, body in (
        ("GET", "/holds/nothing", None),
        ("POST", "/holds", {"match": {"pfad": "x"}, "when": "before"}),
        ("GET", "/disks/content?id=nothing", None),
        ("PUT", "/disks/content", {"diskId": f"{COMPUTE}/disks/filled", "path": "/nowhere"}),
    ):
        with pytest.raises(RuntimeError, match=r"40[04]"):
            azure.call(method, path, body)


def test_it_ends_with_its_standard_input_and_takes_its_vms_along(tmp_path: Path) -> None:
    with simulated_azure(tmp_path, speed=200) as ready:
        azure = Administrator(ready)
        azure.call("PUT", f"/subscriptions/{SUBSCRIPTION}")
        azure.arm(GROUP, "2022-09-01", REGION)
        launch(azure)
        [machine] = azure.call("GET", "/machines")
        assert Path(f"/proc/{machine['pid']}").exists()

    deadline = time.monotonic() + 60
    while Path(f"/proc/{machine['pid']}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{machine['pid']}").exists()
