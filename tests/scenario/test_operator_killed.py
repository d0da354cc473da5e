"""The operator may be killed at any moment: what it had begun ends well when it is back."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.scenario.small_machines import Machine, small_machine
from tests.scenario.stage import Stage
from tools.demo.journal import arm_type

#: A region that no other scenario needs.
FRESH_REGION = "germanywestcentral"


def killed_and_started(stage: Stage, hold: str) -> None:
    stage.operator.kill()
    stage.azure.let_go(hold)
    stage.operator.start()


def assert_complete(
    stage: Stage, name: str, machine: Machine, restored: Path, before: dict[str, Any]
) -> None:
    status = stage.outcome(name)
    assert "outcome" not in before
    assert status["outcome"] == "Succeeded", status
    assert stage.condition("backupsession", name, "Complete")["status"] == "True"
    assert status["runId"] == before["runId"]
    assert status["attempt"] == 1
    assert stage.points().count(status["runId"]) == 1
    assert stage.restored_wrongly(status["runId"], machine.disks, restored) == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_while_a_pack_is_written_the_session_ends_complete(
    stage: Stage, tmp_path: Path, when: str
) -> None:
    name = f"killed-{when}-a-pack"
    machine, hold = small_machine(stage, name), stage.hold_packs(when)
    stage.back_up(name, machine.id)
    stage.caught(hold, "a pack's write")
    before = stage.status(name)

    killed_and_started(stage, hold)

    assert_complete(stage, name, machine, tmp_path, before)


def test_killed_while_a_region_is_built_the_session_ends_complete_and_nothing_is_there_twice(
    stage: Stage, tmp_path: Path
) -> None:
    machine = small_machine(stage, "killed-while-building", region=FRESH_REGION)
    endpoint = rf"/vmb-{FRESH_REGION}-[^/]+/providers/Microsoft.Network/privateEndpoints/[^/]+$"
    hold = stage.azure.hold("after", service="arm", method="PUT", path=endpoint)
    stage.back_up("killed-while-building", machine.id)
    stage.caught(hold, "a private endpoint's PUT")
    before = stage.status("killed-while-building")

    killed_and_started(stage, hold)

    assert_complete(stage, "killed-while-building", machine, tmp_path, before)
    group = stage.status("killed-while-building")["resolved"]["environment"]["resourceGroup"]
    made = Counter(arm_type(each) for each in stage.azure.resources(group))
    assert made == {
        "microsoft.storage/storageaccounts": 1,
        "microsoft.network/virtualnetworks": 1,
        "microsoft.network/networksecuritygroups": 1,
        # To its own account's blobs and queues, the home queue, the repository, the disk access.
        "microsoft.network/privateendpoints": 5,
        # Those of the endpoints and the worker's.
        "microsoft.network/networkinterfaces": 6,
        "microsoft.network/privatednszones": 2,
        "microsoft.network/privatednszones/virtualnetworklinks": 2,
        "microsoft.compute/diskaccesses": 1,
        "microsoft.compute/virtualmachines": 1,
        "microsoft.compute/disks": 1,
    }
    assert len(stage.azure.accounts(FRESH_REGION)) == 1
