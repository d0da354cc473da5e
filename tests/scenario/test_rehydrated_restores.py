"""A point whose packs lie in the Archive tier is restored, at the simulator's own speed."""

from __future__ import annotations

from typing import Any

import pytest
from azure.storage.blob import ContainerClient

from tests.scenario.insiders import insider
from tests.scenario.small_machines import small_machine
from tests.scenario.stage import Stage, eventually
from tests.scenario.test_restore_sessions import (
    GROUP,
    differing,
    ended,
    point_of,
    restore_status,
)
from tools.demo.evidence import REPOSITORY_HOST
from tools.local_cloud import seed
from tools.local_cloud.administrator import SUBSCRIPTION
from tools.local_cloud.installation import example
from vmbackup_core.repository.primitives.names import RESERVED
from vmbackup_core.repository.primitives.parsed_names import is_pack
from vmbackup_core.stores.azure_blob import SERVICE_VERSION

#: A repository of its own: others' points stay readable.
CONTAINER = "cold-backups"
STORAGE_API = "2023-05-01"

#: A backup, and a restore that waits a minute: an hour of Azure's.
pytestmark = pytest.mark.timeout(900)


def begin_repository(stage: Stage) -> None:
    at = f"{seed.REPOSITORY_ACCOUNT_ID}/blobServices/default/containers/{CONTAINER}"
    stage.azure.arm(at, STORAGE_API, {"properties": {"publicAccess": "None"}})
    spec = example("repository.yaml")["spec"] | {"container": CONTAINER}
    stage.create("BackupRepository", "cold", spec)
    eventually(
        lambda: stage.condition("backuprepository", "cold", "Ready"),
        lambda condition: condition.get("status") == "True",
        "the repository is Ready",
        limit_s=180,
    )


def container_of(stage: Stage) -> ContainerClient:
    """Return the repository's data container, as somebody sees it who may do everything there."""
    return ContainerClient(
        f"https://{REPOSITORY_HOST}",
        CONTAINER,
        api_version=SERVICE_VERSION,
        **insider(stage, seed.REPOSITORY_ACCOUNT_ID),
    )


def bring_back(stage: Stage, name: str, point: str, priority: str) -> None:
    target = {"subscriptionId": SUBSCRIPTION, "resourceGroup": GROUP, "region": seed.VM_REGION}
    spec: dict[str, Any] = {
        "recoveryPointRef": {"name": point},
        "mode": "Disks",
        "target": target | {"diskSku": "Premium_LRS"},
        "rehydration": {"priority": priority},
        "retryBackoffSeconds": 1,
    }
    stage.create("RestoreSession", name, spec)


def waits(stage: Stage, name: str) -> dict[str, Any]:
    """Return the session's status once it waits for copies."""
    return eventually(
        lambda: restore_status(stage, name),
        lambda status: status.get("phase") == "Rehydrating: PacksArchived",
        f"{name} waits for its packs",
        limit_s=180,
    )


def test_an_archived_point_is_brought_back_by_copies_of_which_none_is_left(stage: Stage) -> None:
    machine = small_machine(stage, "cold", disks=2)
    begin_repository(stage)
    stage.back_up("before-the-cold", machine.id, repositoryRef={"name": "cold"})
    backup = stage.outcome("before-the-cold")
    assert backup["outcome"] == "Succeeded", backup
    point = point_of(stage, backup["runId"])
    with container_of(stage) as container:
        packs = [each.name for each in container.list_blobs() if is_pack(each.name)]
        for name in packs:  # as a lifecycle rule does
            container.get_blob_client(name).set_standard_blob_tier("Archive")

        bring_back(stage, "given-up", point, "Standard")
        waiting = waits(stage, "given-up")
        assert waiting["rehydration"]["back"] == 0
        assert len([*container.list_blobs(RESERVED)]) == waiting["rehydration"]["packs"] > 0
        stage.patch("restoresession", "given-up", {"spec": {"cancel": True}})
        assert ended(stage, "given-up")["outcome"] == "Cancelled"
        assert [*container.list_blobs(RESERVED)] == []

        bring_back(stage, "back-from-the-cold", point, "High")
        waits(stage, "back-from-the-cold")
        stage.operator.kill()
        stage.operator.start()
        status = ended(stage, "back-from-the-cold")

        assert (status["outcome"], status["attempt"]) == ("Succeeded", 1), status
        assert differing(stage, status, machine) == []
        assert status["rehydration"]["back"] == status["rehydration"]["packs"]
        assert [*container.list_blobs(RESERVED)] == []
        tiers = {each.name: each.blob_tier for each in container.list_blobs() if is_pack(each.name)}
        assert {tiers[name] for name in packs} == {"Archive"}
