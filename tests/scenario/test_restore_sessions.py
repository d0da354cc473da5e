"""A RestoreSession brings a recovery point back as new disks, whoever is killed on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.scenario.small_machines import Machine, small_machine
from tests.scenario.stage import Stage, eventually
from tools import azure_roles
from tools.demo.journal import Entry
from tools.local_cloud import seed
from tools.local_cloud.administrator import SUBSCRIPTION
from tools.local_cloud.disk_images import GIB, first_difference

#: A backup, a snapshot set and four restores of one VM, one after the other.
pytestmark = pytest.mark.timeout(1500)

DISKS_API = "2023-10-02"
GROUP = seed.disk_id("any").split("/")[4]


def point_of(stage: Stage, run_id: str) -> str:
    """Return the name of the RecoveryPoint object of that run."""
    (point,) = [
        each for each in stage.get("recoverypoints")["items"] if each["spec"]["runId"] == run_id
    ]
    return str(point["metadata"]["name"])


def bring_back(stage: Stage, name: str, point: str, **spec: str) -> None:
    """Ask for the point's disks in the group and region of the VM, which is retried quickly."""
    target = {
        "subscriptionId": SUBSCRIPTION,
        "resourceGroup": GROUP,
        "region": seed.VM_REGION,
        "diskSku": "Premium_LRS",
    }
    wanted = {"recoveryPointRef": {"name": point}, "mode": "Disks", "target": target}
    stage.create("RestoreSession", name, {**wanted, "retryBackoffSeconds": 1, **spec})


def restore_status(stage: Stage, name: str) -> dict[str, Any]:
    found: dict[str, Any] = stage.get("restoresession", name).get("status") or {}
    return found


def ended(stage: Stage, name: str) -> dict[str, Any]:
    """Return the restore's status once nothing is left to do for it."""

    def finalizers() -> list[str]:
        metadata = stage.get("restoresession", name)["metadata"]
        return list(metadata.get("finalizers", []))

    eventually(
        lambda: restore_status(stage, name),
        lambda status: "outcome" in status,
        f"{name} has an outcome",
        limit_s=300,
    )
    eventually(finalizers, lambda found: not found, f"{name} is undone", limit_s=120)
    return restore_status(stage, name)


def differing(stage: Stage, status: dict[str, Any], machine: Machine) -> list[str]:
    """Return the restored disks whose bytes are not those of the machine's."""
    disks = {("os" if each.lun is None else str(each.lun)): each.path for each in machine.disks}
    wrong = []
    for each in status["restored"]["disks"]:
        made = stage.azure.call("GET", f"/disks/content?id={each['diskId']}")
        offset = first_difference(disks[each["disk"]], Path(made["path"]))
        if made["sizeBytes"] != GIB or offset is not None:
            wrong.append(each["diskId"])
    return wrong


def of_disks(entries: list[Entry], status: dict[str, Any], method: str, what: str) -> list[str]:
    """Return which of the session's disks were asked for that, once for each request."""
    ids = {each["diskId"].lower() for each in status["restored"]["disks"]}
    found = [
        each.path.lower().removesuffix(what)
        for each in entries
        if each.service == "arm" and each.method == method and each.path.lower().endswith(what)
    ]
    return sorted(each for each in found if each in ids)


def test_disks_come_back_byte_for_byte_though_operator_and_worker_are_lost_once(
    stage: Stage,
) -> None:
    machine = small_machine(stage, "brought-back", disks=3)
    stage.back_up("brought-back", machine.id)
    backup = stage.outcome("brought-back")
    assert backup["outcome"] == "Succeeded", backup
    point, since = point_of(stage, backup["runId"]), stage.azure.last_entry()

    making = stage.azure.hold("after", service="arm", method="PUT", path="/disks/")
    bring_back(stage, "bring-back", point)
    stage.caught(making, "a disk that was asked for")
    stage.operator.kill()
    writing = stage.azure.hold_all("before", service="export", method="PUT")
    stage.azure.let_go(making)
    stage.operator.start()
    stage.caught(writing, "a write into a disk")
    lost = restore_status(stage, "bring-back")["worker"]
    stage.azure.deallocate(lost["vmId"])
    stage.azure.let_go(writing)
    status = ended(stage, "bring-back")

    assert status["outcome"] == "Succeeded", status
    assert [each["reason"] for each in status["errors"]] == ["WorkerLost"]
    assert status["worker"]["id"] != lost["id"]
    assert len(status["restored"]["disks"]) == 3
    assert differing(stage, status, machine) == []
    entries = stage.entries(since)
    ids = sorted(each["diskId"].lower() for each in status["restored"]["disks"])
    assert of_disks(entries, status, "PUT", "") == ids
    assert of_disks(entries, status, "DELETE", "") == []
    assert set(of_disks(entries, status, "POST", "/endgetaccess")) == set(ids)
    states = [stage.azure.read(each, DISKS_API)["properties"]["diskState"] for each in ids]
    assert states == ["Unattached"] * 3

    _cancelled_while_it_writes(stage, point)
    _copied_of_its_snapshots(stage, machine, point)
    _copied_of_a_set_alone(stage, machine)
    _has_used_its_role(stage)


def _copied_of_its_snapshots(stage: Stage, machine: Machine, point: str) -> None:
    """Have Azure make the same disks of the snapshots; the operator is killed once in between."""
    since = stage.azure.last_entry()
    making = stage.azure.hold("after", service="arm", method="PUT", path="/disks/")
    bring_back(stage, "copied", point, source="Snapshots")
    stage.caught(making, "a copy that was asked for")
    stage.operator.kill()
    stage.azure.let_go(making)
    stage.operator.start()
    status = ended(stage, "copied")

    assert status["outcome"] == "Succeeded", status
    assert len(status["restored"]["disks"]) == 3
    assert differing(stage, status, machine) == []
    entries = stage.entries(since)
    ids = sorted(each["diskId"].lower() for each in status["restored"]["disks"])
    assert of_disks(entries, status, "PUT", "") == ids
    assert of_disks(entries, status, "POST", "/begingetaccess") == []
    assert "worker" not in status
    assert [each for each in entries if each.service == "export"] == []
    made = [stage.azure.read(each, DISKS_API)["properties"] for each in ids]
    assert {each["creationData"]["createOption"] for each in made} == {"Copy"}
    assert {each["networkAccessPolicy"] for each in made} == {"DenyAll"}


def _copied_of_a_set_alone(stage: Stage, machine: Machine) -> None:
    """Take a set that no repository knows, with an operator killed once, and restore of it."""
    since = stage.azure.last_entry()
    taking = stage.azure.hold("after", service="arm", method="PUT", path="/snapshots/")
    wanted = {"type": "Snapshot", "virtualMachineId": machine.id, "retention": {"last": 2}}
    stage.create("BackupSession", "alone", {**wanted, "retryBackoffSeconds": 1})
    stage.caught(taking, "a snapshot that was asked for")
    stage.operator.kill()
    stage.azure.let_go(taking)
    stage.operator.start()
    taken = stage.outcome("alone")

    assert taken["outcome"] == "Succeeded", taken
    assert len(taken["snapshotSet"]) == 3
    point = point_of(stage, taken["runId"])
    assert "repositoryRef" not in stage.get("recoverypoint", point)["spec"]
    bring_back(stage, "copied-alone", point, source="Snapshots")
    status = ended(stage, "copied-alone")

    assert status["outcome"] == "Succeeded", status
    assert differing(stage, status, machine) == []
    entries = stage.entries(since)
    assert [
        each for each in entries if each.service in {"export", "blob"} and each.method == "PUT"
    ] == []
    made = [each.path for each in entries if each.service == "arm" and each.method == "PUT"]
    assert [each for each in made if "/snapshots/" not in each and "/disks/" not in each] == []


def _cancelled_while_it_writes(stage: Stage, point: str) -> None:
    """Cancel a second restore in the middle: nothing of it is left."""
    writing = stage.azure.hold_all("before", service="export", method="PUT")
    bring_back(stage, "not-after-all", point)
    stage.caught(writing, "a write into a disk")
    stage.patch("restoresession", "not-after-all", {"spec": {"cancel": True}})
    stage.azure.let_go(writing)
    status = ended(stage, "not-after-all")

    assert status["outcome"] == "Cancelled", status
    left = {each.lower() for each in stage.azure.resources(GROUP)}
    assert not left & {each["diskId"].lower() for each in status["restored"]["disks"]}


def _has_used_its_role(stage: Stage) -> None:
    """See that of the role to restore each action on disks was needed, and none refused."""
    (permission,) = azure_roles.definition("restore")["permissions"]
    wanted = {each.lower() for each in permission["actions"] if "/disks/" in each.lower()}
    asked = [
        (each["action"].lower(), each["allowed"])
        for each in stage.azure.rights_asked(seed.OPERATOR_CLIENT_ID)
        if f"/resourcegroups/{GROUP}/".lower() in each["scope"].lower()
    ]

    assert {action for action, allowed in asked if allowed} >= wanted
    assert [action for action, allowed in asked if not allowed] == []
