"""A worker whose machine is taken away in the middle is missed, and replaced."""

from __future__ import annotations

from pathlib import Path

from tests.scenario.small_machines import small_machine
from tests.scenario.stage import Stage
from tools.demo.evidence import REPOSITORY_HOST
from tools.demo.journal import Entry


def storing(entries: list[Entry]) -> set[str]:
    """Return the VMs that have stored packs."""
    return {
        e.caller.lower()
        for e in entries
        if e.service == "blob"
        and e.host == REPOSITORY_HOST
        and e.method == "PUT"
        and e.succeeded
        and "/p/" in e.path
    }


def test_a_worker_taken_away_in_the_middle_is_replaced_and_the_backup_ends_well(
    stage: Stage, tmp_path: Path
) -> None:
    machine = small_machine(stage, "losing-its-worker")
    since, hold = stage.azure.last_entry(), stage.hold_packs()
    stage.back_up("losing-its-worker", machine.id)
    stage.caught(hold, "a pack's write")
    lost = stage.status("losing-its-worker")["worker"]

    stage.azure.deallocate(lost["vmId"])
    stage.azure.let_go(hold)
    status = stage.outcome("losing-its-worker")

    assert status["outcome"] == "Succeeded", status
    (error,) = status["errors"]
    assert (error["step"], error["reason"]) == ("DataTransferred", "WorkerLost")
    assert lost["id"] in error["message"]
    assert "deallocated" in error["message"]
    assert status["attempt"] == 2
    assert status["worker"]["id"] != lost["id"]
    entries = stage.entries(since)
    gone = [
        e
        for e in entries
        if e.service == "arm" and e.method == "DELETE" and e.path.lower() == lost["vmId"].lower()
    ]
    assert gone
    assert storing(entries) == {status["worker"]["vmId"].lower()}
    assert stage.restored_wrongly(status["runId"], machine.disks, tmp_path) == []
