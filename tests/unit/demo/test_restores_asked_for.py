"""The RestoreSessions of the demo are what the CRD takes, and a VM that is another is told."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tools.demo import restores, sessions
from tools.demo.figures import restores_table
from tools.local_cloud import seed
from tools.local_cloud.installation import example_settings
from vmbackup_operator.model.restore_session import RestoreSession

NIC = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/networkInterfaces"


def wanted() -> list[restores.Restore]:
    disks = seed.plan_disks(Path("disks"))
    return restores.wanted({"1e5089f8": disks, "381011f6": disks})


def body(name: str, disks: dict[str, str], nic: str) -> dict[str, Any]:
    return {
        "name": name,
        "tags": {"team": "web", "vmbackup-run-id": name},
        "properties": {
            "hardwareProfile": {"vmSize": "Standard_D2s_v5"},
            "storageProfile": {
                "osDisk": {"caching": "ReadWrite", "managedDisk": {"id": disks["os"]}},
                "dataDisks": [
                    {"lun": 0, "caching": "None", "managedDisk": {"id": disks["0"]}},
                ],
            },
            "networkProfile": {"networkInterfaces": [{"id": f"{NIC}/{nic}"}]},
        },
    }


MADE = {"os": "/disks/OS-1e5089f8", "0": "/disks/data-1e5089f8"}
THEN = body(seed.VM_NAME, {"os": "/disks/os", "0": "/disks/data"}, "nic")
AGAIN = body(restores.VM_AGAIN, {place: each.upper() for place, each in MADE.items()}, "nic-1e")


def test_the_first_point_comes_back_as_disks_and_the_last_as_a_vm() -> None:
    first, last = (msgspec.convert(each.manifest("p"), RestoreSession) for each in wanted())

    assert (first.spec.mode, first.spec.target.vm_name) == ("Disks", None)
    assert (last.spec.mode, last.spec.target.vm_name) == ("VirtualMachine", restores.VM_AGAIN)
    scopes = example_settings()["tenancy"][0]["restoreScopes"]
    group = f"/subscriptions/{first.spec.target.subscription_id}/resourceGroups"
    assert f"{group}/{first.spec.target.resource_group}" in scopes


def test_a_vm_that_is_as_the_other_was_has_no_complaints() -> None:
    assert list(restores.machine_complaints(THEN, AGAIN, MADE)) == []


def changed(*path: str | int, to: object) -> dict[str, Any]:
    again: Any = deepcopy(AGAIN)
    at = again
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = to
    return dict(again)


STORAGE = ("properties", "storageProfile")


@pytest.mark.parametrize(
    "again",
    [
        pytest.param(changed("name", to="web-02"), id="another name"),
        pytest.param(changed("tags", "team", to="db"), id="another tag"),
        pytest.param(
            changed("properties", "hardwareProfile", "vmSize", to="Standard_D4s_v5"), id="larger"
        ),
        pytest.param(changed(*STORAGE, "osDisk", "caching", to="None"), id="cached otherwise"),
        pytest.param(changed(*STORAGE, "dataDisks", to=[]), id="a disk missing"),
        pytest.param(
            changed(*STORAGE, "osDisk", "managedDisk", "id", to="/disks/os"), id="the old disk"
        ),
        pytest.param(
            changed("properties", "networkProfile", "networkInterfaces", 0, "id", to=f"{NIC}/NIC"),
            id="the old interface",
        ),
    ],
)
def test_a_vm_that_is_another_is_told(again: dict[str, Any]) -> None:
    assert list(restores.machine_complaints(THEN, again, MADE))


def test_what_restores_have_written_is_added_up() -> None:
    disks = [{"writtenBytes": 3 << 20}, {"writtenBytes": 1 << 20}, {}]
    session = {
        "metadata": {"name": "back-as-disks"},
        "status": {"restored": {"disks": disks}, "display": {"duration": "41s"}},
    }

    assert restores_table([session]).splitlines()[1].split() == [
        *("back-as-disks", "3", "4.0", "MiB", "41s")
    ]


def test_a_session_is_over_when_all_behind_its_outcome_is_done() -> None:
    def session(outcome: str, **conditions: str) -> dict[str, Any]:
        said = [{"type": name, "status": status} for name, status in conditions.items()]
        return {"status": {"conditions": said} | ({"outcome": outcome} if outcome else {})}

    assert not sessions.is_over({})
    assert not sessions.is_over(session("", WorkerReleased="True"))
    assert not sessions.is_over(session("Succeeded", WorkerReleased="False"))
    assert sessions.is_over(session("Succeeded", WorkerReleased="True"))
    waits = {"SnapshotsReady": "True", "WorkerReleased": "True"}
    assert not sessions.is_over(session("Failed", **waits, SnapshotsPruned="False"))
    assert sessions.is_over(session("Failed", **waits, SnapshotsPruned="True"))
