"""A RestoreSession makes a new VM of a VM's recovery point: with all that Azure lets one set again.

The story is told once: a backup, a restore to a VM, one to disks, one that is cancelled once its VM
has been made, and restores that are refused.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.scenario import rich_machine as rich
from tests.scenario.small_machines import Machine
from tests.scenario.stage import OTHERS, RESTORED_GROUP, Stage
from tests.scenario.test_restore_sessions import ended, of_disks, point_of
from tools import azure_roles
from tools.bench.requests import figures
from tools.demo import rights
from tools.demo.journal import Entry
from tools.local_cloud import seed
from tools.local_cloud.administrator import SUBSCRIPTION
from tools.local_cloud.disk_images import GIB, allocated_extents

#: A backup, three restores of three disks, and two that end at once.
pytestmark = pytest.mark.timeout(1500)

GROUP = RESTORED_GROUP.rsplit("/", 1)[1]
TARGET = {"subscriptionId": SUBSCRIPTION, "resourceGroup": GROUP, "region": seed.VM_REGION}
MACHINE_TARGET = TARGET | {"subnetId": rich.TARGET_SUBNET_ID, "vmSize": "Standard_D8s_v5"}
IN_THE_GROUP = {"properties": {"networkSecurityGroup": {"id": rich.TARGET_SECURITY_GROUP_ID}}}
OVERRIDES: dict[str, Any] = {
    "disks": [
        {
            "disk": "3",
            "name": "data-again",
            "sizeGiB": 2,
            "patch": {
                "tags": {"cost": None, "purpose": "drill"},
                "properties": {"optimizedForFrequentAttach": False},
            },
        }
    ],
    "networkInterfaces": [{"index": 0, "patch": IN_THE_GROUP}, {"index": 1, "name": "nic-again"}],
    "virtualMachine": {"properties": {"licenseType": None, "extensionsTimeBudget": "PT2H"}},
}
#: Three disks, of which two get their keys once their content is there.
WRITES_FOR_DISKS = {
    "PUT microsoft.compute/disks": 3,
    "POST microsoft.compute/disks/begingetaccess": 3,
    "POST microsoft.compute/disks/endgetaccess": 3,
    "PATCH microsoft.compute/disks": 2,
}
NO_ENCRYPTION_SET = f"{rich.ENCRYPTION_SET_ID}-that-nobody-made"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """What the story left; of each session its status and what Azure was asked meanwhile."""

    stage: Stage
    machine: Machine
    restored: Json
    asked: list[Entry]
    to_disks: Json
    asked_to_disks: list[Entry]
    cancelled: Json
    left_by_cancelled: set[str]
    refused: dict[str, Json]
    asked_by_refused: list[Entry]
    asked_in_all: list[Entry]

    @property
    def vm(self) -> Json:
        """The new VM as Azure shows it."""
        return self.stage.azure.read(self.restored["restored"]["virtualMachineId"], rich.COMPUTE)

    def disks(self) -> dict[str, Json]:
        """Return the VM's disks as Azure shows them, by their positions."""
        made = self.restored["restored"]["disks"]
        return {each["disk"]: self.stage.azure.read(each["diskId"], rich.DISKS) for each in made}

    def interfaces(self) -> list[Json]:
        """Return its interfaces in its order."""
        named = self.restored["restored"]["networkInterfaceIds"]
        return [self.stage.azure.read(each, rich.NETWORKS) for each in named]


@pytest.fixture(scope="module")
def told(stage: Stage) -> Told:
    """The whole story."""
    machine = rich.rich_machine(stage)
    rich.make_place(stage)
    _give_role_where_it_is_restored(stage)
    stage.back_up("rich", machine.id)
    backup = stage.outcome("rich")
    assert backup["outcome"] == "Succeeded", backup
    point = point_of(stage, backup["runId"])

    began = since = stage.azure.last_entry()
    wanted = MACHINE_TARGET | {"vmName": "rich-again", "tags": [{"name": "team", "value": "drill"}]}
    _restore(stage, "again", point, wanted, mode="VirtualMachine", overrides=OVERRIDES)
    restored = ended(stage, "again")
    asked, since = stage.entries(since), stage.azure.last_entry()
    _restore(stage, "disks-alone", point, TARGET)
    to_disks = ended(stage, "disks-alone")
    asked_to_disks = stage.entries(since)
    cancelled, left = _cancel_once_the_vm_is_made(stage, point)
    since = stage.azure.last_entry()
    refused = _be_refused(stage, point)
    return Told(
        stage,
        machine,
        restored,
        asked,
        to_disks,
        asked_to_disks,
        cancelled,
        left,
        refused,
        stage.entries(since),
        stage.entries(began),
    )


def _restore(stage: Stage, name: str, point: str, target: Json, **spec: Any) -> None:
    wanted = {"recoveryPointRef": {"name": point}, "mode": "Disks", "target": target}
    stage.create("RestoreSession", name, {**wanted, "retryBackoffSeconds": 1, **spec})


def _give_role_where_it_is_restored(stage: Stage) -> None:
    """Do what `tools.azure_roles` says for restore scopes beside those of the example."""
    settings, others = seed.example_settings(), f"/subscriptions/{OTHERS}"
    stage.azure.call("PUT", others)
    stage.azure.arm(f"{others}/resourceGroups/{GROUP}", "2022-09-01", {"location": seed.VM_REGION})
    scopes = {"restore": [RESTORED_GROUP, others], "quotas": [others]}
    for role, added in scopes.items():
        every = [*azure_roles.scopes_of_roles(settings, ())[role], *added]
        puts = [azure_roles.define(settings, role, every)]
        puts += [
            azure_roles.assign(settings, role, scope, seed.OPERATOR_OBJECT_ID) for scope in added
        ]
        for put in puts:
            stage.azure.arm(put.id, put.api_version, put.body)


def _cancel_once_the_vm_is_made(stage: Stage, point: str) -> tuple[Json, set[str]]:
    """Cancel a restore whose VM Azure has just been asked for; return what is there more then."""
    before = {each.lower() for each in stage.azure.resources(GROUP)}
    making = stage.azure.hold("after", service="arm", method="PUT", path="/virtualMachines/gone")
    overrides = {"networkInterfaces": [{"index": 0, "patch": IN_THE_GROUP}]}
    target = MACHINE_TARGET | {"vmName": "gone"}
    _restore(stage, "not-this-one", point, target, mode="VirtualMachine", overrides=overrides)
    stage.caught(making, "the VM that was asked for")
    stage.patch("restoresession", "not-this-one", {"spec": {"cancel": True}})
    stage.azure.let_go(making)
    status = ended(stage, "not-this-one")
    return status, {each.lower() for each in stage.azure.resources(GROUP)} - before


def _be_refused(stage: Stage, point: str) -> dict[str, Json]:
    """Ask for a key that is not there, and for a disk in a subscription without room for any."""
    quota = {"subscriptionId": OTHERS, "region": seed.VM_REGION, "name": "PremiumDiskCount"}
    stage.azure.call("PUT", "/quotas", quota | {"limit": 0})
    _restore(stage, "keyless", point, TARGET | {"diskEncryptionSetId": NO_ENCRYPTION_SET})
    _restore(stage, "no-room", point, TARGET | {"subscriptionId": OTHERS}, disks=["7"])
    return {name: ended(stage, name) for name in ("keyless", "no-room")}


def missing(wanted: Any, found: Any, path: str = "") -> Iterator[str]:
    """Yield each value of *wanted* that *found* has not at its place."""
    if isinstance(wanted, dict):
        for name, value in wanted.items():
            inner = found.get(name) if isinstance(found, dict) else None
            yield from missing(value, inner, f"{path}.{name}" if path else name)
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for index, (one, other) in enumerate(zip(wanted, found, strict=True)):
            yield from missing(one, other, f"{path}[{index}]")
    elif wanted != found:
        yield f"{path}: {wanted!r} became {found!r}"


def test_the_disks_have_every_property_and_what_overrides_say(told: Told) -> None:
    wanted: dict[str, Json] = copy.deepcopy(rich.DISK_BODIES)
    for body in wanted.values():
        body["tags"] = body.get("tags", {}) | {"team": "drill"}
    del wanted["3"]["tags"]["cost"]
    wanted["3"]["tags"]["purpose"] = "drill"
    wanted["3"]["properties"] |= {"optimizedForFrequentAttach": False, "diskSizeGB": 2}
    wanted["3"]["name"] = "data-again"

    assert list(missing(wanted, told.disks())) == []
    assert "cost" not in told.disks()["3"]["tags"]


def test_the_interfaces_have_every_property_and_addresses_of_their_own(told: Told) -> None:
    wanted = copy.deepcopy(rich.INTERFACE_BODIES)
    for body in wanted:
        body["tags"] = body.get("tags", {}) | {"team": "drill"}
        for configuration in body["properties"]["ipConfigurations"]:
            configuration["properties"] |= {
                "subnet": {"id": rich.TARGET_SUBNET_ID},
                "privateIPAllocationMethod": "Dynamic",
            }
            configuration["properties"].pop("privateIPAddress", None)
    wanted[0]["properties"] |= IN_THE_GROUP["properties"]
    wanted[1]["name"] = "nic-again"

    assert list(missing(wanted, told.interfaces())) == []


def test_the_vm_has_every_property_and_what_overrides_say(told: Told) -> None:
    assert told.restored["outcome"] == "Succeeded", told.restored
    wanted = copy.deepcopy(rich.VM_BODY)
    wanted |= {"name": "rich-again", "tags": wanted["tags"] | {"team": "drill"}}
    properties, vm = wanted["properties"], told.vm
    del properties["licenseType"]
    properties |= {"extensionsTimeBudget": "PT2H", "hardwareProfile": {"vmSize": "Standard_D8s_v5"}}
    ids = {position: body["id"] for position, body in told.disks().items()}
    storage = properties["storageProfile"]
    storage["osDisk"]["managedDisk"] = {"id": ids["os"]}
    for disk in storage["dataDisks"]:
        disk["managedDisk"] = {"id": ids[str(disk["lun"])]}
    for nic, made in zip(
        properties["networkProfile"]["networkInterfaces"], told.interfaces(), strict=True
    ):
        nic["id"] = made["id"]

    assert list(missing(wanted, vm)) == []
    assert "licenseType" not in vm["properties"]
    source = told.stage.azure.read(rich.VM_ID, rich.COMPUTE)
    assert vm["identity"]["principalId"] != source["identity"]["principalId"]


def test_what_could_not_be_set_again_is_told(told: Told) -> None:
    said = [each.split(": ")[:2] for each in told.restored["restored"]["notRestored"]]

    assert sorted((subject, path.split(" (")[0]) for subject, path in said) == [
        ("network interface 0", "properties.ipConfigurations[0].properties.privateIPAddress"),
        ("network interface 0", "properties.macAddress"),
        ("network interface 1", "properties.macAddress"),
        ("virtual machine", "identity.principalId"),
    ]


def test_every_disk_holds_what_the_vms_held(told: Told) -> None:
    held = {("os" if each.lun is None else str(each.lun)): each.path for each in told.machine.disks}
    wrong = []
    for status, sizes in ((told.restored, {"3": 2 * GIB}), (told.to_disks, {})):
        for each in status["restored"]["disks"]:
            content = told.stage.azure.call("GET", f"/disks/content?id={each['diskId']}")
            size = sizes.get(each["disk"], GIB)
            if content["sizeBytes"] != size or not _holds(
                Path(content["path"]), held[each["disk"]], size
            ):
                wrong.append(each["diskId"])

    assert len(told.to_disks["restored"]["disks"]) == 3
    assert wrong == []


def _holds(disk: Path, source: Path, size_bytes: int) -> bool:
    """Tell whether *disk* begins as *source* and holds nothing behind it, but for its footer."""
    with disk.open("rb") as made, source.open("rb") as image:
        for offset, length in (*allocated_extents(disk), *allocated_extents(source)):
            count = max(0, min(length, size_bytes - offset))
            wanted = os.pread(image.fileno(), count, offset).ljust(count, b"\0")
            if os.pread(made.fileno(), count, offset) != wanted:
                return False
    return True


def test_access_has_ended_and_the_vm_runs(told: Told) -> None:
    view = told.stage.azure.read(f"{told.vm['id']}/instanceView", rich.COMPUTE)

    ids = sorted(each["diskId"].lower() for each in told.restored["restored"]["disks"])
    assert of_disks(told.asked, told.restored, "POST", "/endgetaccess") == ids
    assert {body["properties"]["diskState"] for body in told.disks().values()} == {"Attached"}
    assert "PowerState/running" in {each["code"] for each in view["statuses"]}
    assert not any("expiresAt" in each for each in told.restored["restored"]["disks"])


def test_of_a_cancelled_restore_whose_vm_was_made_nothing_is_left(told: Told) -> None:
    assert told.cancelled["outcome"] == "Cancelled", told.cancelled
    assert told.left_by_cancelled == set()


@pytest.mark.parametrize(
    ("name", "reason", "said"),
    [
        ("keyless", "ReferenceNotFound", NO_ENCRYPTION_SET),
        ("no-room", "QuotaExceeded", "PremiumDiskCount"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_changed(
    told: Told, name: str, reason: str, said: str
) -> None:
    failed = next(each for each in told.refused[name]["conditions"] if each["type"] == "Failed")
    written = [
        each.path
        for each in told.asked_by_refused
        if each.service == "arm" and each.method != "GET" and each.caller == "appliance"
    ]

    assert (failed["reason"], said in failed["message"]) == (reason, True)
    assert written == []


def test_the_roles_to_restore_give_what_is_needed_and_no_more(told: Told) -> None:
    scopes: dict[str, list[str]] = {
        role: list(at)
        for role, at in azure_roles.scopes_of_roles(seed.example_settings(), seed.REGIONS).items()
    }
    scopes["restore"].append(RESTORED_GROUP)
    scopes["quotas"].append(f"/subscriptions/{OTHERS}")
    roles = [rights.AzureRole(azure_roles.definition(role), at) for role, at in scopes.items()]
    asked = told.stage.azure.rights_asked(seed.OPERATOR_CLIENT_ID)
    held = {"vmbackup restore", "vmbackup quotas"}
    unneeded = [
        each for each in rights.unneeded_actions(roles, asked) if each.partition(":")[0] in held
    ]

    assert unneeded == []
    assert list(rights.refused_in_azure(told.asked_in_all)) == []


def test_an_undisturbed_restore_writes_each_thing_to_azure_once(told: Told) -> None:
    """Beside its worker's; what is read hangs on how long Azure takes, and is not held."""
    both = (told.asked, told.asked_to_disks)
    to_machine, to_disks = (figures(_of_the_group(each), ())["by_kind"] for each in both)

    assert to_disks == WRITES_FOR_DISKS
    assert to_machine == WRITES_FOR_DISKS | {
        "PUT microsoft.network/networkinterfaces": 2,
        "PUT microsoft.compute/virtualmachines": 1,
    }


def _of_the_group(entries: list[Entry]) -> list[Entry]:
    """Return what was written where things are restored, by this session alone."""
    return [
        each
        for each in entries
        if each.service == "arm" and each.method != "GET" and f"/{GROUP}/" in each.path.lower()
    ]
