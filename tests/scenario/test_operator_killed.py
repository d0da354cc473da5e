"""The operator may be killed at any moment: what it had begun ends well when it is back."""

from __future__ import annotations

from pathlib import Path

from tests.scenario.stage import Stage, eventually
from tools.demo.disks import CommandLine, differences
from tools.local_cloud import seed

REPOSITORY_HOST = f"{seed.REPOSITORY_ACCOUNT_ID.rsplit('/', 1)[1]}.blob.core.windows.net"


def test_killed_while_a_pack_is_written_the_session_ends_complete(
    stage: Stage, tmp_path: Path
) -> None:
    hold = stage.azure.hold(
        "before", service="blob", method="PUT", host=REPOSITORY_HOST, path="/p/"
    )
    stage.create(
        "BackupSession",
        "killed-on-the-way",
        {
            "type": "Backup",
            "virtualMachineId": seed.VM_ID,
            "repositoryRef": {"name": "west-europe"},
            "retention": {"last": 3},
        },
    )
    eventually(lambda: stage.azure.caught(hold), bool, "a pack's write is held", limit_s=300)
    before = stage.get("backupsession", "killed-on-the-way")["status"]

    stage.operator.kill()
    stage.azure.let_go(hold)
    stage.operator.start()

    status = stage.outcome("killed-on-the-way")
    assert "outcome" not in before
    assert status["outcome"] == "Succeeded", status
    assert stage.condition("backupsession", "killed-on-the-way", "Complete")["status"] == "True"
    assert status["runId"] == before["runId"]
    line = CommandLine(
        f"https://{REPOSITORY_HOST}/{seed.REPOSITORY_CONTAINER}",
        stage.installation.repository_key,
        stage.ready,
    )
    assert [point["runId"] for point in line.points()].count(status["runId"]) == 1
    line.run("restore", "--point", status["runId"], "--all", "--to", str(tmp_path / "restored"))
    assert list(differences(stage.disks, tmp_path / "restored")) == []
