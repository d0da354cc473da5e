"""What was backed up is read back by a worker beside the repository, once, and by reading alone."""

from __future__ import annotations

import pytest

from tests.scenario.stage import Stage
from tools.demo.evidence import REPOSITORY_HOST
from tools.local_cloud import seed

pytestmark = pytest.mark.timeout(900)


def test_a_backup_is_read_back_to_its_last_record(stage: Stage) -> None:
    stage.back_up("before-reading", seed.VM_ID)
    assert stage.outcome("before-reading")["outcome"] == "Succeeded"
    since = stage.azure.last_entry()
    stage.create("BackupSession", "reading", verification(0, 200))

    status = stage.outcome("reading")

    assert status["outcome"] == "Succeeded", status["message"]
    verified = status["verified"]
    assert verified["packs"] > 0
    assert verified["records"] > 0
    assert not verified.get("bad")
    assert status["message"].endswith("nothing is wrong")
    assert verified["sampled"] >= 200
    assert not verified.get("differing")
    assert status["resolved"]["environment"]["region"] == seed.VM_REGION
    assert not status.get("exports")
    assert "snapshotSet" not in status
    reads = [
        entry
        for entry in stage.entries(since)
        if entry.service == "blob" and entry.host == REPOSITORY_HOST and "/p/" in entry.path
    ]
    assert {entry.method for entry in reads} <= {"GET", "HEAD"}
    by_sas = [entry for entry in reads if "sig=" in entry.query]
    assert by_sas
    assert all("sp=r&" in f"{entry.query}&" for entry in by_sas)

    stage.create("BackupSession", "reading-again", verification(0, 0))
    again = stage.outcome("reading-again")
    assert again["outcome"] == "Succeeded"
    assert again["message"] == "nothing of this VM is due to be read back"
    assert again["resolved"].get("retained") is None


def verification(reread: int, sample: int) -> dict[str, object]:
    """Return what is asked for."""
    return {
        "type": "Verify",
        "virtualMachineId": seed.VM_ID,
        "repositoryRef": {"name": "west-europe"},
        "retryBackoffSeconds": 1,
        "verify": {"rereadPerMille": reread, "samplePerDisk": sample},
    }
