"""A policy's VM is stored anew by order of a person: nothing old is used, and all of it stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.scenario.small_machines import small_machine
from tests.scenario.stage import Stage, eventually

#: Three backups of one VM, one after the other.
pytestmark = pytest.mark.timeout(900)


def backed_up(stage: Stage, policy: str, *annotations: str) -> dict[str, Any]:
    """Have the policy's VM backed up by its annotations; return the session that did it."""
    before = sessions_of(stage, policy)
    words = ("annotate", "--overwrite", "bpol", policy, f"--namespace={stage.namespace}")
    stage.plane.administrator.kubectl(*words, *annotations)
    found = eventually(
        lambda: sessions_of(stage, policy) - before,
        bool,
        f"a session by {annotations}",
        limit_s=180,
    )
    (name,) = found
    status = stage.outcome(name)
    assert status["outcome"] == "Succeeded", status
    session: dict[str, Any] = stage.get("backupsession", name)
    return session


def sessions_of(stage: Stage, policy: str) -> set[str]:
    found = stage.get("backupsessions", labelSelector=f"vmbackup.dev/policy={policy}")["items"]
    return {each["metadata"]["name"] for each in found}


def places(session: dict[str, Any]) -> set[tuple[str, int]]:
    """Return where the session's disks were committed: in which chains, in which slots."""
    return {(each["chainId"], each["slot"]) for each in session["status"]["disks"]}


def test_a_trigger_stores_a_vm_anew_and_what_was_stored_before_still_restores(
    stage: Stage, tmp_path: Path
) -> None:
    machine = small_machine(stage, "anew")
    spec = {
        "repositoryRef": {"name": "west-europe"},
        "virtualMachines": {"ids": [machine.id]},
        "retention": {"last": 5},
    }
    stage.create("BackupPolicy", "anew", spec)
    words = ("bpol/anew", f"--namespace={stage.namespace}", "--timeout=60s")
    stage.plane.administrator.kubectl("wait", "--for=jsonpath={.status.applianceId}", *words)

    first = backed_up(stage, "anew", "vmbackup.dev/trigger=1")
    anew = backed_up(stage, "anew", "vmbackup.dev/trigger=2", "vmbackup.dev/new-chain=2")
    after = backed_up(stage, "anew", "vmbackup.dev/trigger=3")

    sessions = [first, anew, after]
    assert [each["spec"]["newChain"] for each in sessions] == [False, True, False]
    ((old, one),), ((chain, begun),), ((same, second),) = map(places, sessions)
    assert old != chain == same
    assert (one, begun, second) == (1, 1, 2)
    stored = [each["status"]["progress"]["bytesStored"] for each in sessions]
    # Random bytes: all of the disk, all of it again, and none.
    assert min(stored[:2]) > 20 * 2**20 > 2**20 > stored[2]
    for number, session in enumerate(sessions):
        run = session["status"]["runId"]
        assert stage.restored_wrongly(run, machine.disks, tmp_path / str(number)) == []
