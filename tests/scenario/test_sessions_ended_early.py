"""A session that is cancelled or deleted while data moves leaves nothing of itself behind."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from tests.scenario.small_machines import small_machine
from tests.scenario.stage import Stage, eventually
from tools.demo.facts import MACHINES, SNAPSHOTS
from tools.local_cloud.installation import USER_NAMESPACE

UNDONE_WITHIN_S = 120


@dataclass(frozen=True, slots=True)
class Moving:
    """A session whose worker's writes are held, and the SAS that the worker reads by."""

    hold: str
    since: int
    status: dict[str, Any]
    sas: list[str]


def moving(stage: Stage, name: str) -> Moving:
    """Begin a backup and return once a worker writes its first pack."""
    machine = small_machine(stage, name, disks=2)
    since, hold = stage.azure.last_entry(), stage.hold_packs()
    stage.back_up(name, machine.id)
    stage.caught(hold, "a pack's write")
    status = stage.status(name)
    granted = [stage.azure.granted_url(each["snapshotId"]) for each in status["snapshotSet"]]
    return Moving(hold, since, status, granted)


def assert_nothing_is_left(stage: Stage, before: Moving) -> None:
    entries = stage.entries(before.since)
    for member in before.status["snapshotSet"]:
        on_it = [e for e in entries if member["snapshotId"].lower() in e.path.lower()]
        granted = [e.sequence for e in on_it if e.is_action(SNAPSHOTS, "beginGetAccess")]
        ended = [e.sequence for e in on_it if e.is_action(SNAPSHOTS, "endGetAccess")]
        assert granted
        assert ended
        assert max(ended) > max(granted)
    assert {stage.azure.try_export(url) for url in before.sas} <= {
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
    }
    vm_id = before.status["worker"]["vmId"]
    assert [e for e in entries if e.is_action(MACHINES, "deallocate") and vm_id in e.path]
    (machine,) = [m for m in stage.azure.call("GET", "/machines") if same(m["id"], vm_id)]
    assert not machine["running"]
    assert before.status["runId"] not in stage.points()
    mirrored = stage.get("recoverypoints")["items"]
    assert before.status["runId"] not in [point["spec"]["runId"] for point in mirrored]
    left = " ".join(stage.azure.resources("rg-backup")).lower()
    assert not [m for m in before.status["snapshotSet"] if m["snapshotId"].lower() in left]


def same(one: str, other: str) -> bool:
    return one.lower() == other.lower()


def test_cancelled_while_data_moves_a_session_cleans_up_behind_itself(stage: Stage) -> None:
    before = moving(stage, "cancelled")

    stage.patch("backupsession", "cancelled", {"spec": {"cancel": True}})
    status = stage.outcome("cancelled")
    eventually(
        lambda: stage.get("backupsession", "cancelled")["metadata"].get("finalizers"),
        lambda finalizers: not finalizers,
        "the finalizer is gone",
        UNDONE_WITHIN_S,
    )
    stage.azure.let_go(before.hold)

    assert status["outcome"] == "Cancelled", status
    assert stage.condition("backupsession", "cancelled", "Complete") == {}
    assert stage.condition("backupsession", "cancelled", "Failed")["reason"] == "Cancelled"
    assert_nothing_is_left(stage, before)


def test_deleted_while_data_moves_a_session_is_undone_and_goes(stage: Stage) -> None:
    before = moving(stage, "deleted")

    stage.plane.administrator.kubectl(
        "delete", "backupsession", "deleted", "--namespace", USER_NAMESPACE, "--wait=false"
    )
    eventually(
        lambda: [each["metadata"]["name"] for each in stage.get("backupsessions")["items"]],
        lambda names: "deleted" not in names,
        "the object is gone",
        UNDONE_WITHIN_S,
    )
    stage.azure.let_go(before.hold)

    assert_nothing_is_left(stage, before)
