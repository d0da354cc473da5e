"""A point that a policy had put into the Archive tier is restored, at the simulator's own speed."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from azure.storage.blob import ContainerClient

from tests.scenario.insiders import insider
from tests.scenario.small_machines import Machine, small_machine
from tests.scenario.stage import Stage, eventually
from tests.scenario.test_restore_sessions import (
    GROUP,
    differing,
    ended,
    point_of,
    restore_status,
)
from tools import azure_roles
from tools.demo.evidence import REPOSITORY_HOST
from tools.local_cloud import seed
from tools.local_cloud.administrator import SUBSCRIPTION
from tools.local_cloud.installation import example
from vmbackup_core.repository.primitives.names import RESERVED
from vmbackup_core.repository.primitives.parsed_names import is_pack
from vmbackup_core.stores.azure_blob import SERVICE_VERSION

#: A repository of its own, since one of tier Archive takes archives alone.
CONTAINER = "cold-archives"
STORAGE_API = "2023-05-01"
AT = f"{seed.REPOSITORY_ACCOUNT_ID}/blobServices/default/containers/{CONTAINER}"

#: A backup, a copy of it, and a restore that waits a minute: an hour of Azure's.
pytestmark = pytest.mark.timeout(900)


def begin_archives(stage: Stage) -> None:
    """Have a repository of tier Archive, and the role for it as the documented command gives it."""
    stage.azure.arm(AT, STORAGE_API, {"properties": {"publicAccess": "None"}})
    settings = seed.example_settings()
    for put in (
        azure_roles.define(settings, azure_roles.TIERS, [AT]),
        azure_roles.assign(settings, azure_roles.TIERS, AT, seed.OPERATOR_OBJECT_ID),
    ):
        stage.azure.arm(put.id, put.api_version, put.body)
    spec = example("repository.yaml")["spec"] | {"container": CONTAINER, "tier": "Archive"}
    stage.create("BackupRepository", "cold", spec)
    eventually(
        lambda: stage.condition("backuprepository", "cold", "Ready"),
        lambda condition: condition.get("status") == "True",
        "the repository is Ready",
        limit_s=180,
    )


def archived_by_policy(stage: Stage, machine: Machine) -> dict[str, Any]:
    """Have a policy back the VM up and archive that; return the archive's status at its end."""
    archive = {"repositoryRef": {"name": "cold"}, "points": "All", "retention": {"yearly": 7}}
    spec = example("policy.yaml")["spec"] | {
        "virtualMachines": {"ids": [machine.id]},
        "archive": archive,
    }
    stage.create("BackupPolicy", "into-the-cold", spec)
    words, kubectl = (
        ("bpol/into-the-cold", "-n", stage.namespace),
        stage.plane.administrator.kubectl,
    )
    # A trigger that is there when the policy is first seen asks for nothing.
    kubectl("wait", "--for=jsonpath={.status.applianceId}", *words, "--timeout=60s")
    kubectl("annotate", *words, "vmbackup.dev/trigger=once")
    label = "vmbackup.dev/policy=into-the-cold"

    def archives() -> list[dict[str, Any]]:
        found = stage.get("backupsessions", labelSelector=label)["items"]
        assert not [each for each in found if each.get("status", {}).get("outcome") == "Failed"]
        return [each for each in found if each["spec"]["type"] == "Archive"]

    (session,) = eventually(archives, bool, "the backup is archived", limit_s=300)
    name = session["metadata"]["name"]
    stage.outcome(name)
    tiered = ("backupsession", name, "PacksTiered")
    eventually(lambda: stage.condition(*tiered), bool, "the packs are put away")
    return stage.status(name)


def moved_to(stage: Stage, since: int) -> Counter[tuple[str, str]]:
    """Return of which blobs the tier was set, by whom, and how often each."""
    return Counter(
        (each.path, each.identity)
        for each in stage.entries(since)
        if each.service == "blob" and "comp=tier" in each.query and each.succeeded
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


def test_what_a_policy_put_into_the_archive_tier_is_brought_back_by_copies_of_which_none_is_left(
    stage: Stage,
) -> None:
    machine = small_machine(stage, "cold", disks=2)
    with container_of(stage) as container:
        begin_archives(stage)
        since = stage.azure.last_entry()
        archived = archived_by_policy(stage, machine)

        assert archived["outcome"] == "Succeeded", archived
        there = {each.name: each.blob_tier for each in container.list_blobs()}
        packs = {name for name in there if is_pack(name)}
        assert {name for name, tier in there.items() if tier == "Archive"} == packs
        moved = moved_to(stage, since)
        assert {path for path, _ in moved} == {f"/{CONTAINER}/{name}" for name in packs}
        assert {who for _, who in moved} == {seed.OPERATOR_OBJECT_ID}
        assert set(moved.values()) == {1}
        said = archived["archive"]
        assert said["packs"] == said["tiered"] == len(packs) > 1
        assert said["chargedUntil"] > archived["completionTime"]
        point = point_of(stage, archived["runId"])

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
        assert status["rehydration"]["back"] == status["rehydration"]["packs"] == len(packs)
        assert [*container.list_blobs(RESERVED)] == []
        tiers = {each.name: each.blob_tier for each in container.list_blobs() if is_pack(each.name)}
        assert tiers == dict.fromkeys(packs, "Archive")
