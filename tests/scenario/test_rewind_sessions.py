"""A VM is rewound in place to a backup, by Azure's copies alone, though the operator is killed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.scenario.small_machines import Machine, small_machine, write_on
from tests.scenario.stage import Stage, eventually
from tools import azure_roles
from tools.demo.journal import Entry
from tools.local_cloud import seed
from tools.local_cloud.administrator import SUBSCRIPTION
from tools.local_cloud.disk_images import GIB, MIB

#: A backup of one VM and two rewinds of it, one of which is given up.
pytestmark = pytest.mark.timeout(900)

COMPUTE, DISKS = "2024-03-01", "2023-10-02"
GROUP = seed.disk_id("any").split("/")[4]


def rewind(stage: Stage, name: str, run_id: str) -> None:
    """Ask for the VM of that backup to be rewound to it."""
    (point,) = [
        each["metadata"]["name"]
        for each in stage.get("recoverypoints")["items"]
        if each["spec"]["runId"] == run_id
    ]
    target = {
        "subscriptionId": SUBSCRIPTION,
        "resourceGroup": GROUP,
        "region": seed.VM_REGION,
    }
    wanted = {"recoveryPointRef": {"name": point}, "mode": "Rewind", "target": target}
    stage.create("RestoreSession", name, {**wanted, "retryBackoffSeconds": 1})


def status_of(stage: Stage, name: str) -> dict[str, Any]:
    found: dict[str, Any] = stage.get("restoresession", name).get("status") or {}
    return found


def token_of(stage: Stage, name: str) -> str:
    """Return the token that the session waits for."""
    eventually(
        lambda: stage.condition("restoresession", name, "SwapConfirmed"),
        lambda said: said.get("reason") == "SwapNotConfirmed",
        f"{name} asks for its word",
        limit_s=180,
    )
    found: str = status_of(stage, name)["rewound"]["swapToken"]
    return found


def ended(stage: Stage, name: str) -> dict[str, Any]:
    """Return the session's status once nothing is left to do for it."""
    eventually(
        lambda: stage.get("restoresession", name),
        lambda found: (
            "outcome" in found.get("status", {}) and not found["metadata"].get("finalizers")
        ),
        f"{name} has ended",
        limit_s=180,
    )
    return status_of(stage, name)


def attached(stage: Stage, machine: Machine) -> dict[str, str]:
    """Return the id of each disk that the VM has, in small letters, by its position."""
    profile = stage.azure.read(machine.id, COMPUTE)["properties"]["storageProfile"]
    data = {str(each["lun"]): each["managedDisk"]["id"].lower() for each in profile["dataDisks"]}
    return {"os": profile["osDisk"]["managedDisk"]["id"].lower(), **data}


def power(stage: Stage, machine: Machine) -> str:
    view = stage.azure.read(f"{machine.id}/instanceView", COMPUTE)
    codes = [str(each["code"]) for each in view["statuses"]]
    return next(each for each in codes if each.startswith("PowerState"))


def content(stage: Stage, disk_id: str) -> bytes:
    """Return what the disk holds where the VMs of scenarios write, and around it."""
    made = stage.azure.call("GET", f"/disks/content?id={disk_id}")
    with Path(made["path"]).open("rb") as image:
        first = image.read(32 * MIB)
        image.seek(GIB - MIB)
        return first + image.read(MIB)


def writes(entries: list[Entry], machine: Machine) -> list[str]:
    """Return what was asked of Azure for the VM but to look at it."""
    name = machine.id.rsplit("/", 1)[-1].lower()
    return [
        f"{each.method} {each.path.lower().partition(f'/virtualmachines/{name}')[2]}".rstrip()
        for each in entries
        if each.service == "arm"
        and each.method != "GET"
        and f"/virtualmachines/{name}" in each.path.lower()
    ]


def test_a_vm_is_rewound_on_its_users_word_though_the_operator_is_killed(stage: Stage) -> None:
    machine = small_machine(stage, "rewound", disks=2)
    stage.back_up("before-the-harm", machine.id)
    backup = stage.outcome("before-the-harm")
    assert backup["outcome"] == "Succeeded", backup
    own = attached(stage, machine)
    good = {position: content(stage, disk) for position, disk in own.items()}
    write_on(stage, machine, 1, MIB)
    harmed = {position: content(stage, disk) for position, disk in own.items()}
    assert all(good[each] != harmed[each] for each in own)

    _given_up(stage, machine, backup["runId"], own)
    since = stage.azure.last_entry()
    rewind(stage, "put-back", backup["runId"])
    token = token_of(stage, "put-back")
    assert (attached(stage, machine), power(stage, machine)) == (own, "PowerState/deallocated")
    swapping = stage.azure.hold("after", service="arm", method="PATCH", path="/virtualMachines/")
    annotate(stage, "put-back", token)
    stage.caught(swapping, "a change of the VM's disks")
    stage.operator.kill()
    stage.azure.let_go(swapping)
    stage.operator.start()
    status = ended(stage, "put-back")

    assert status["outcome"] == "Succeeded", status
    disks = {each["disk"]: each for each in status["rewound"]["disks"]}
    assert attached(stage, machine) == {k: each["diskId"].lower() for k, each in disks.items()}
    assert {k: content(stage, each["diskId"]) for k, each in disks.items()} == good
    assert {k: content(stage, each["snapshotId"]) for k, each in disks.items()} == harmed
    assert {k: content(stage, disk) for k, disk in own.items()} == harmed
    assert power(stage, machine) == "PowerState/running"
    entries = stage.entries(since)
    assert writes(entries, machine) == ["POST /deallocate", "PATCH", "PATCH", "POST /start"]
    assert [each for each in entries if each.service == "export"] == []

    _has_used_its_role(stage)


def annotate(stage: Stage, name: str, token: str) -> None:
    words = ("annotate", "--overwrite", f"rses/{name}", "-n", stage.namespace)
    stage.plane.administrator.kubectl(*words, f"vmbackup.dev/swap={token}")


def _given_up(stage: Stage, machine: Machine, run_id: str, own: dict[str, str]) -> None:
    """Cancel a rewind that asks for its word: the VM is as it was, and nothing of it is left."""
    rewind(stage, "thought-better", run_id)
    token_of(stage, "thought-better")
    stage.patch("restoresession", "thought-better", {"spec": {"cancel": True}})
    status = ended(stage, "thought-better")

    assert status["outcome"] == "Cancelled", status
    assert (attached(stage, machine), power(stage, machine)) == (own, "PowerState/running")
    made = {
        each[kind].lower()
        for each in status["rewound"]["disks"]
        for kind in ("diskId", "snapshotId")
    }
    assert not made & {each.lower() for each in stage.azure.resources(GROUP)}


def _has_used_its_role(stage: Stage) -> None:
    """See that each action of the role to rewind was needed, and none refused.

    That disks are made of the snapshots of today is needed where a worker writes them.
    """
    (permission,) = azure_roles.definition("rewind")["permissions"]
    asked = [
        (each["action"].lower(), each["allowed"])
        for each in stage.azure.rights_asked(seed.OPERATOR_CLIENT_ID)
        if f"/resourcegroups/{GROUP}/".lower() in each["scope"].lower()
    ]

    used = {action for action, allowed in asked if allowed}
    of_today = "Microsoft.Compute/snapshots/beginGetAccess/action"
    assert used >= {each.lower() for each in permission["actions"] if each != of_today}
    assert [action for action, allowed in asked if not allowed] == []
