"""A recovery point is copied into another repository, whoever is killed on the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenario.small_machines import small_machine
from tests.scenario.stage import Stage, eventually
from tests.scenario.test_restore_sessions import point_of
from tools.demo.disks import CommandLine, differences
from tools.demo.evidence import REPOSITORY_HOST
from tools.local_cloud import seed
from tools.local_cloud.installation import example

#: A backup and a copy of it.
pytestmark = pytest.mark.timeout(900)

CONTAINER = "vm-archives"
STORAGE_API = "2023-05-01"


def begin_archive_repository(stage: Stage) -> None:
    """Have another container of the account, and a repository in it whose packs go to Cold."""
    account = seed.REPOSITORY_ACCOUNT_ID
    at = f"{account}/blobServices/default/containers/{CONTAINER}"
    stage.azure.arm(at, STORAGE_API, {"properties": {"publicAccess": "None"}})
    spec = example("repository.yaml")["spec"] | {"container": CONTAINER, "tier": "Cold"}
    stage.create("BackupRepository", "archives", spec)
    eventually(
        lambda: stage.condition("backuprepository", "archives", "Ready"),
        lambda condition: condition.get("status") == "True",
        "the archive repository is Ready",
        limit_s=180,
    )


def test_a_point_is_archived_byte_for_byte_though_operator_and_worker_are_lost_once(
    stage: Stage, tmp_path: Path
) -> None:
    machine = small_machine(stage, "archived", disks=2)
    stage.back_up("archived", machine.id)
    backup = stage.outcome("archived")
    assert backup["outcome"] == "Succeeded", backup
    begin_archive_repository(stage)

    packs = f"^/{CONTAINER}/.*/p/"
    held = stage.azure.hold_all(
        "after", service="blob", method="PUT", host=REPOSITORY_HOST, path=packs
    )
    stage.create(
        "BackupSession",
        "archive-it",
        {
            "type": "Archive",
            "virtualMachineId": machine.id,
            "repositoryRef": {"name": "archives"},
            "archive": {"recoveryPointRef": {"name": point_of(stage, backup["runId"])}},
            "retention": {"last": 1, "yearly": 3},
            "retryBackoffSeconds": 1,
        },
    )
    stage.caught(held, "a pack of the archive")
    stage.operator.kill()
    stage.operator.start()
    lost = stage.status("archive-it")["worker"]
    stage.azure.deallocate(lost["vmId"])
    stage.azure.let_go(held)
    status = stage.outcome("archive-it")

    assert status["outcome"] == "Succeeded", status
    assert [each["reason"] for each in status["errors"]] == ["WorkerLost"]
    region = example("repository.yaml")["spec"]["region"]
    assert status["resolved"]["environment"]["region"] == region != seed.VM_REGION
    assert status["archive"]["tier"] == "Cold"
    assert status["archive"]["chargedUntil"] > status["completionTime"]
    url = f"https://{REPOSITORY_HOST}/{CONTAINER}"
    archives = CommandLine(url, stage.installation.repository_key, stage.ready)
    assert [each["runId"] for each in archives.points()] == [status["runId"]]
    folder = tmp_path / "restored"
    archives.run("restore", "--point", status["runId"], "--all", "--to", str(folder))
    assert list(differences(machine.disks, folder)) == []
    archives.run("check", "--read-data")  # fails where anything is not as it was written
