"""The operator's rights, in Azure and in Kubernetes, are what it needs: no fewer and no more.

One installation lives through what an installation does: two backups of a policy's VM, a worker
lost, another one kept and used again, old sessions and snapshots dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.scenario.stage import Stage, a_stage, eventually
from tools import azure_roles
from tools.demo import facts, rights
from tools.local_cloud import seed
from tools.local_cloud.administrator import SUBSCRIPTION
from tools.local_cloud.installation import CHART, USER_NAMESPACE, example

#: Two backups, and the time after which a lost worker is missed.
pytestmark = pytest.mark.timeout(1200)

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
    with a_stage(folder) as stage:
        policy = example("policy.yaml")
        policy["spec"]["sessionHistory"] = {"succeeded": 1, "failed": 1}
        stage.plane.administrator.create(policy)
        _told(stage, "backuppolicy", "nightly")  # what it is triggered by counts from then on
        _be_told_of_what_is_not_carried_out(stage)
        hold = stage.hold_packs()
        first = _asked_for(stage, "first", set())
        stage.caught(hold, "a pack's write")
        stage.azure.deallocate(stage.status(first)["worker"]["vmId"])  # missed, and replaced
        stage.azure.let_go(hold)
        _succeeds(stage, first)
        _succeeds(stage, _asked_for(stage, "again", {first}))
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
        yield stage


def _sessions(stage: Stage) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stage.get("backupsessions")["items"]
    return found


def _asked_for(stage: Stage, token: str, before: set[str]) -> str:
    """Ask for a backup by the policy's annotation; return the name of its session."""
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
    return name


def _succeeds(stage: Stage, session: str) -> None:
    outcome = stage.outcome(session)["outcome"]
    assert outcome == "Succeeded", stage.condition("backupsession", session, "Failed")["message"]


def _be_told_of_what_is_not_carried_out(stage: Stage) -> None:
    """Write a restore, and an environment where none is honoured: each is told so in its status."""
    stage.create("RestoreSession", "hopeful", RESTORE)
    environment = example("by-hand/region-environment.yaml")
    stage.create("RegionEnvironment", "elsewhere", environment["spec"])
    for kind, name in (("restoresession", "hopeful"), ("regionenvironment", "elsewhere")):
        _told(stage, kind, name)


def _told(stage: Stage, kind: str, name: str) -> None:
    eventually(lambda: stage.get(kind, name).get("status"), bool, f"{name} is told")


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
