"""A policy of two VMs: both are backed up at once, each by a worker of its own."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from tests.scenario.small_machines import small_machine
from tests.scenario.stage import Stage, eventually
from tools.demo.facts import DISK_ACCESSES
from tools.demo.journal import Entry
from tools.local_cloud import seed
from tools.local_cloud.installation import OPERATOR_NAMESPACE

#: So many exports may go through one disk access at once; Azure refuses the next one.
EXPORTS = 5
COMPUTE = "2023-10-02"


def allow_two_workers(stage: Stage) -> None:
    """Have a second worker allowed where the VMs are, as an administrator would."""
    environments = stage.plane.administrator.get(
        "regionenvironments", "--namespace", OPERATOR_NAMESPACE
    )["items"]
    (name,) = [
        each["metadata"]["name"]
        for each in environments
        if each["spec"]["region"] == seed.VM_REGION
    ]
    change = {"spec": {"worker": {"maxCount": 2}}}
    stage.patch("regionenvironment", name, change, namespace=OPERATOR_NAMESPACE)


def sessions_of(stage: Stage, policy: str) -> dict[str, dict[str, Any]]:
    """Return the policy's sessions by their VMs' ids."""
    found = stage.get("backupsessions", labelSelector=f"vmbackup.dev/policy={policy}")["items"]
    return {each["spec"]["virtualMachineId"]: each for each in found}


def are_moving(sessions: dict[str, dict[str, Any]]) -> bool:
    """Tell whether two sessions have their exports and a worker that was given its job."""
    given = [
        each
        for each in sessions.values()
        if each.get("status", {}).get("worker", {}).get("jobSequence", 0) > 0
    ]
    return len(given) == 2


def jobs_queues(entries: list[Entry]) -> Counter[str]:
    """Return how often each jobs queue was made."""
    return Counter(
        e.path.strip("/")
        for e in entries
        if e.service == "queue"
        and e.method == "PUT"
        and e.status == 201
        and e.path.startswith("/vmb-jobs-")
        and "/messages" not in e.path
    )


def test_two_machines_of_a_policy_are_backed_up_at_once(stage: Stage, tmp_path: Path) -> None:
    machines = [small_machine(stage, name, disks=3) for name in ("twin-1", "twin-2")]
    # The region stands, with one worker; the twins' own disks are not stored yet, so both are held.
    stage.back_up("before-the-twins", small_machine(stage, "elder").id)
    stage.outcome("before-the-twins")
    allow_two_workers(stage)
    since, hold = stage.azure.last_entry(), stage.hold_packs()
    spec = {
        "repositoryRef": {"name": "west-europe"},
        "virtualMachines": {"ids": [machine.id for machine in machines]},
        "retention": {"last": 3},
    }
    stage.create("BackupPolicy", "twins", spec)
    stage.plane.administrator.kubectl(
        "wait",
        "--for=jsonpath={.status.applianceId}",
        "backuppolicy/twins",
        f"--namespace={stage.namespace}",
        "--timeout=60s",
    )
    stage.plane.administrator.kubectl(
        "annotate",
        "backuppolicy",
        "twins",
        f"--namespace={stage.namespace}",
        "vmbackup.dev/trigger=together",
    )

    together = eventually(
        lambda: sessions_of(stage, "twins"), are_moving, "both transfers are under way", 180
    )
    stage.caught(hold, "a pack's write")
    exported = [
        stage.azure.read(export["snapshotId"], COMPUTE)["properties"]
        for session in together.values()
        for export in session["status"]["exports"]
    ]
    stage.azure.let_go(hold)
    ended = {
        vm_id: stage.outcome(session["metadata"]["name"]) for vm_id, session in together.items()
    }

    assert set(ended) == {machine.id for machine in machines}
    assert [status["outcome"] for status in ended.values()] == ["Succeeded"] * 2, ended
    assert [each["diskState"] for each in exported] == ["ActiveSAS"] * 6
    through = Counter(each["diskAccessId"].lower() for each in exported)
    assert max(through.values()) <= EXPORTS
    assert len(through) == 2
    workers = {session["status"]["worker"]["id"] for session in together.values()}
    assert len(workers) == 2
    entries = stage.entries(since)
    assert len({e.path for e in entries if e.is_write(DISK_ACCESSES)}) == 1
    made = jobs_queues(stage.entries(0))
    assert {made[session["status"]["worker"]["jobsQueue"]] for session in together.values()} == {1}
    for machine in machines:
        folder = tmp_path / machine.disks[0].name
        assert stage.restored_wrongly(ended[machine.id]["runId"], machine.disks, folder) == []
