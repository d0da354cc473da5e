"""The operator's rights, in Azure and in Kubernetes, are what it needs: no fewer and no more.

One installation lives through what an installation does: two backups of a policy's VM, a worker
kept, used again and deleted, old sessions and snapshots dropped.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.scenario.stage import Stage, a_stage, eventually
from tools import azure_roles
from tools.demo import facts, rights
from tools.demo.journal import Entry
from tools.local_cloud import seed
from tools.local_cloud.administrator import SUBSCRIPTION
from tools.local_cloud.installation import CHART, USER_NAMESPACE, example

#: Two backups, and the time that an idle worker is kept.
pytestmark = pytest.mark.timeout(1200)

#: The shortest that the settings allow.
IDLE_S = 60

RESTORE: dict[str, Any] = {
    "recoveryPointRef": {"name": "some-point"},
    "mode": "Disks",
    "target": {
        "subscriptionId": SUBSCRIPTION,
        "resourceGroup": "rg-production",
        "region": seed.VM_REGION,
    },
}


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """An installation that has done everything that it does."""
    folder = tmp_path_factory.mktemp("rights")
    with a_stage(folder, workers={"idleTtlSeconds": IDLE_S}) as stage:
        since = stage.azure.last_entry()
        policy = example("policy.yaml")
        policy["spec"]["sessionHistory"] = {"succeeded": 1, "failed": 1}
        stage.plane.administrator.create(policy)
        _be_told_of_what_is_not_carried_out(stage)
        names: set[str] = set()
        for token in ("first", "again"):
            names.add(_backed_up(stage, token, names))
        eventually(
            lambda: [each["metadata"].get("finalizers") for each in _sessions(stage)],
            lambda finalizers: not any(finalizers),
            "both sessions have nothing left in Azure to undo",
        )
        stage.patch("backuppolicy", "nightly", {"spec": {"suspend": True}})  # looked at anew
        eventually(
            lambda: _sessions(stage),
            lambda left: len(left) == 1,
            "the older session is dropped",
        )
        _let_the_worker_idle(stage, since)
        yield stage


def _let_the_worker_idle(stage: Stage, since: int) -> None:
    """Wait for the worker's idle time; a start looks at once for workers that nobody needs."""
    enough = time.monotonic() + IDLE_S + 5
    eventually(time.monotonic, lambda now: now > enough, "it has idled", limit_s=2 * IDLE_S)
    stage.operator.stop()
    stage.operator.start()
    eventually(
        lambda: _deleted(stage.entries(since)),
        lambda deleted: "virtualmachines" in deleted,
        "the idle worker is deleted",
        limit_s=180,
    )


def _sessions(stage: Stage) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stage.get("backupsessions")["items"]
    return found


def _backed_up(stage: Stage, token: str, before: set[str]) -> str:
    """Ask for a backup by the policy's annotation; return the name of its session, once it is."""
    stage.plane.administrator.kubectl(
        "annotate", "--overwrite", "bpol/nightly", "-n", USER_NAMESPACE,
        f"vmbackup.dev/trigger={token}",
    )  # fmt: skip
    found: set[str] = eventually(
        lambda: {each["metadata"]["name"] for each in _sessions(stage)},
        lambda names: bool(names - before),
        f"the session that {token} asks for",
    )
    (name,) = found - before
    outcome = stage.outcome(name)["outcome"]
    assert outcome == "Succeeded", stage.condition("backupsession", name, "Failed")["message"]
    return name


def _be_told_of_what_is_not_carried_out(stage: Stage) -> None:
    """Write a restore, and an environment where none is honoured: each is told so in its status."""
    stage.create("RestoreSession", "hopeful", RESTORE)
    environment = example("by-hand/region-environment.yaml")
    stage.create("RegionEnvironment", "elsewhere", environment["spec"])
    for kind, name in (("restoresession", "hopeful"), ("regionenvironment", "elsewhere")):
        _told(stage, kind, name)


def _told(stage: Stage, kind: str, name: str) -> None:
    eventually(lambda: stage.get(kind, name).get("status"), bool, f"{name} is told")


def _deleted(entries: list[Entry]) -> set[str]:
    return {
        entry.path.lower().split("/")[-2]
        for entry in entries
        if entry.service == "arm" and entry.method == "DELETE" and entry.succeeded
    }


@pytest.mark.parametrize("role", azure_roles.ROLES)
def test_no_action_of_a_role_in_azure_is_unused(lived: Stage, role: str) -> None:
    asked = lived.azure.rights_asked(seed.OPERATOR_CLIENT_ID)
    scopes = azure_roles.scopes_of_roles(seed.example_settings(), seed.REGIONS)[role]

    assert not list(rights.unused_actions(azure_roles.definition(role), scopes, asked))


def test_azure_refused_the_operator_nothing(lived: Stage) -> None:
    assert not list(rights.refused_in_azure(lived.entries(0), seed.OPERATOR_OBJECT_ID))


def test_on_what_is_backed_up_nothing_is_written_run_or_deleted() -> None:
    (permission,) = azure_roles.definition("source")["permissions"]

    assert permission["dataActions"] == []
    assert {action.rsplit("/", 1)[1] for action in permission["actions"]} == {"read", "action"}
    assert [a for a in permission["actions"] if a.endswith("/action")] == [
        "Microsoft.Compute/disks/beginGetAccess/action"
    ]


def test_no_role_lets_a_stored_blob_be_overwritten_or_deleted() -> None:
    for role in azure_roles.ROLES:
        (permission,) = azure_roles.definition(role)["permissions"]
        blobs = [a for a in permission["dataActions"] if "/blobs/" in a]
        assert {action.split("/blobs/")[1] for action in blobs} <= {"read", "add/action"}


def test_no_right_in_kubernetes_is_unused(lived: Stage) -> None:
    roles = [
        document
        for document in yaml.safe_load_all((CHART / "rbac" / "operator.yaml").read_text())
        if document["kind"] in {"Role", "ClusterRole"}
    ]

    assert not list(rights.unused_in_kubernetes(roles, lived.plane.audited()))


def test_the_api_server_refused_the_operator_nothing(lived: Stage) -> None:
    assert not list(facts.nothing_refused(lived.plane.audited()))
