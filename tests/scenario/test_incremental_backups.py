"""The second backup of a VM reads what has changed, and says why where it reads all."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.scenario.small_machines import DATA_BYTES, Machine, small_machine, write_on
from tests.scenario.stage import Stage, eventually
from tools.demo.journal import Entry
from tools.local_cloud.disk_images import MIB
from vmbackup_core.repository.data.grants import Parameters

#: Several backups of one VM, one after the other.
pytestmark = pytest.mark.timeout(1500)

SNAPSHOTS_API = "2023-10-02"
#: A block of a repository: the least that is read around a change.
BLOCK = Parameters().block_bytes
#: Of each disk so many blocks are read again that have not changed.
SAMPLE_BYTES = 32 * BLOCK
#: What a session does once everybody is told how it ended.
AFTER_THE_OUTCOME = ("SnapshotsPruned", "HoldsReleased")


def backed_up(stage: Stage, name: str, machine: Machine) -> dict[str, Any]:
    """Back the VM up, and wait for what comes after the outcome: the set before it goes then."""
    stage.back_up(name, machine.id)
    status = stage.outcome(name)
    assert status["outcome"] == "Succeeded", status
    return eventually(
        lambda: stage.status(name),
        lambda _status: all(_holds(stage, name, each) for each in AFTER_THE_OUTCOME),
        f"{name} has kept its own snapshot set alone",
    )


def _holds(stage: Stage, session: str, condition: str) -> bool:
    return stage.condition("backupsession", session, condition).get("status") == "True"


def kinds(status: dict[str, Any]) -> dict[str, str]:
    return {each["disk"]: each.get("kind", "full") for each in status["disks"]}


def reasons(status: dict[str, Any]) -> dict[str, str]:
    return {each["disk"]: each["reason"] for each in status.get("fullReads", [])}


def bytes_read(entries: list[Entry]) -> Counter[str]:
    """Return what was read of exports, by the snapshot's or disk's id."""
    read: Counter[str] = Counter()
    for entry in entries:
        if entry.service == "export" and entry.detail.get("operation") == "GetBlob":
            read[entry.detail["disk"].lower()] += entry.detail["length"]
    return read


def test_the_second_backup_reads_what_has_changed_and_both_restore(
    stage: Stage, tmp_path: Path
) -> None:
    machine = small_machine(stage, "increments", disks=3)
    first = backed_up(stage, "increments-1", machine)
    assert stage.restored_wrongly(first["runId"], machine.disks, tmp_path / "1") == []
    write_on(stage, machine, 1, MIB)
    since = stage.azure.last_entry()

    second = backed_up(stage, "increments-2", machine)

    assert set(reasons(first).values()) == {"NoPredecessor"}
    assert reasons(second) == {}
    assert set(kinds(second).values()) == {"incremental"}
    assert {each["runId"] for each in second["resolved"]["predecessors"]} == {first["runId"]}
    assert [each["changedBytes"] for each in second["disks"]] == [MIB] * 3
    entries = stage.entries(since)
    read = bytes_read(entries)
    assert len(read) == 3
    assert all(MIB <= each <= MIB + 2 * BLOCK + SAMPLE_BYTES for each in read.values()), read
    assert max(read.values()) < DATA_BYTES
    granted = [each for each in entries if each.path.lower().endswith("/begingetaccess")]
    ended = [each for each in entries if each.path.lower().endswith("/endgetaccess")]
    assert len({each.path.lower() for each in granted}) == 6
    assert {each.path.rpartition("/")[0].lower() for each in ended} >= {
        each.path.rpartition("/")[0].lower() for each in granted
    }
    assert stage.restored_wrongly(second["runId"], machine.disks, tmp_path / "2") == []

    _spoil_a_tag(stage, second)
    # What it has seen of the tags a moment ago it may go by for some seconds; a new process can't.
    stage.operator.stop()
    stage.operator.start()
    third = backed_up(stage, "increments-3", machine)
    altered = second["snapshotSet"][1]["snapshotId"].rsplit("/", 1)[-1]
    assert set(reasons(third).values()) == {"TagsNotVerified"}
    assert set(kinds(third).values()) == {"full"}
    assert any(altered in said for said in stage.events("increments-3", "TagsNotVerified"))

    write_on(stage, machine, 2, MIB)
    _killed_while_it_grants(stage, "increments-4", machine)
    fourth = stage.outcome("increments-4")
    assert fourth["outcome"] == "Succeeded", fourth
    assert set(kinds(fourth).values()) == {"incremental"}
    assert {each["runId"] for each in fourth["resolved"]["predecessors"]} == {third["runId"]}
    assert stage.restored_wrongly(fourth["runId"], machine.disks, tmp_path / "4") == []


def _spoil_a_tag(stage: Stage, status: dict[str, Any]) -> None:
    """Have somebody alter one tag of one snapshot of the session's set."""
    snapshot = status["snapshotSet"][1]["snapshotId"]
    tags = stage.azure.read(snapshot, SNAPSHOTS_API)["tags"]
    name = next(each for each in tags if each.endswith("sealed-0"))
    stage.azure.retag(snapshot, SNAPSHOTS_API, {**tags, name: "altered"})


def _killed_while_it_grants(stage: Stage, session: str, machine: Machine) -> None:
    """Kill the operator where it asks for access to a predecessor, and start it again."""
    hold = stage.azure.hold("after", service="arm", method="POST", path="/beginGetAccess$")
    stage.back_up(session, machine.id)
    stage.caught(hold, "access to a snapshot")
    before = stage.status(session)["resolved"]["predecessors"]
    stage.operator.kill()
    stage.azure.let_go(hold)
    stage.operator.start()
    stage.outcome(session)

    assert stage.status(session)["resolved"]["predecessors"] == before
