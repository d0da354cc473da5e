"""Flux's own controllers deliver examples/gitops from a git repository to the whole product."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.plugin_user import Plugin, loaded_plugin
from tests.contract.clients.programs import built
from tests.scenario.delivery import NAME, WITHIN_S, Delivery, is_ready, said
from tests.scenario.git_remote import git_remote
from tests.scenario.small_machines import Machine, small_machine, write_on
from tests.scenario.stage import Stage, eventually
from tools.local_cloud.disk_images import MIB
from tools.local_cloud.flux import flux
from tools.local_cloud.go_programs import KUSTOMIZE_CONTROLLER, SOURCE_CONTROLLER
from tools.local_cloud.installation import EXAMPLES, USER_NAMESPACE, put_off_upkeep
from tools.local_cloud.seed import vm_id
from vmbackup_operator.model.metadata import POLICY_LABEL, TRIGGER_ANNOTATION

#: Two backups, and a start of the operator between them.
pytestmark = pytest.mark.timeout(1200)

POLICY = "nightly"
COMPUTE_API = "2024-03-01"
#: How Flux marks what it has applied.
OWNER = "kustomize.toolkit.fluxcd.io/name"
WRITES = {"create", "update", "patch", "delete", "deletecollection"}


@pytest.fixture
def delivery(stage: Stage, tmp_path: Path) -> Iterator[Delivery]:
    """Flux beside the product; afterwards the stage is as it was before."""
    for program in (SOURCE_CONTROLLER, KUSTOMIZE_CONTROLLER):
        built(program)
    files = tmp_path / "files"
    shutil.copytree(EXAMPLES / "gitops", files, ignore=shutil.ignore_patterns("argocd"))
    with git_remote(tmp_path / "team") as remote, flux(stage.plane):
        try:
            yield Delivery(stage, remote, files)
        finally:
            if not stage.operator.runs:
                stage.operator.start()
    gone = ("backuppolicy", POLICY, "-n", USER_NAMESPACE, "--ignore-not-found")
    stage.plane.administrator.kubectl("delete", *gone)
    put_off_upkeep(stage.plane)


@pytest.fixture
def machine(stage: Stage) -> Machine:
    """A VM that the policy of the folder selects by its tag."""
    made = small_machine(stage, "kept-in-git")
    stage.azure.retag(made.id, COMPUTE_API, {"backup": POLICY})
    return made


def change_policy(files: Path, **changes: Any) -> None:
    """Edit the policy's file."""
    path = files / "policy.yaml"
    policy = yaml.safe_load(path.read_text())
    policy["spec"] |= changes
    path.write_text(yaml.safe_dump(policy))


def take_policy_out(files: Path) -> None:
    """Delete the policy's file, and its line in the kustomization."""
    (files / "policy.yaml").unlink()
    path = files / "kustomization.yaml"
    path.write_text(path.read_text().replace("  - policy.yaml\n", ""))


def policy(stage: Stage) -> dict[str, Any]:
    found: dict[str, Any] = stage.get("backuppolicy", POLICY)
    return found


def sessions(stage: Stage) -> list[str]:
    """Return the names of the policy's sessions."""
    found = stage.get("backupsession", labelSelector=f"{POLICY_LABEL}={POLICY}")["items"]
    return sorted(each["metadata"]["name"] for each in found)


def ask_for_backup(delivery: Delivery) -> str:
    """Have the policy begin a session, as a user does by the plugin; return its name."""
    stage, before = delivery.stage, sessions(delivery.stage)
    folder = delivery.files.parent
    with loaded_plugin(folder) as loaded:
        plugin = Plugin(loaded, folder, stage.plane.administrator, USER_NAMESPACE)
        plugin.said("run", POLICY)
    now = eventually(lambda: sessions(stage), lambda seen: seen != before, "it begins", WITHIN_S)
    (new,) = set(now) - set(before)
    return new


def fluxs_writes(stage: Stage, since: int) -> list[str]:
    """Return what Flux has written to objects of the folder, dry runs apart."""
    return [
        f"{line['verb']} {line['requestURI']}"
        for line in stage.plane.audited()[since:]
        if line["userAgent"].startswith("kustomize-controller")
        and line["verb"] in WRITES
        and "dryRun=All" not in line["requestURI"]
        and f"/namespaces/{USER_NAMESPACE}" in line["requestURI"]
    ]


def test_flux_delivers_what_is_in_git_and_takes_no_point_away(
    delivery: Delivery, machine: Machine
) -> None:
    stage = delivery.stage
    delivery.begin()
    applied_and_marked(delivery)
    waits_for_what_the_objects_say(delivery)

    ended = stage.outcome(ask_for_backup(delivery))
    assert (ended["outcome"], kinds(ended)) == ("Succeeded", {"full"}), ended
    takes_an_annotation_away_and_then_writes_nothing(delivery)

    points = point_objects(stage, ended["runId"])
    text = (delivery.files / "policy.yaml").read_text()
    lines = (delivery.files / "kustomization.yaml").read_text()
    take_policy_out(delivery.files)
    delivery.applied(delivery.commit())
    listed = stage.get("backuppolicy")["items"]
    assert POLICY not in [each["metadata"]["name"] for each in listed]
    assert points
    assert point_objects(stage, ended["runId"]) == points
    assert ended["runId"] in stage.points()

    (delivery.files / "policy.yaml").write_text(text)
    (delivery.files / "kustomization.yaml").write_text(lines)
    delivery.applied(delivery.commit())
    goes_on_with_the_chain(delivery, machine, ended["runId"])


def applied_and_marked(delivery: Delivery) -> None:
    stage = delivery.stage
    eventually(delivery.standing, is_ready, "the folder is applied", WITHIN_S)
    user = stage.plane.administrator
    mine = (
        f"backuppolicy/{POLICY}",
        "backuprepository/west-europe",
        "rolebinding/vmbackup-operator",
    )
    found = user.get(*mine, "-n", USER_NAMESPACE)["items"] + [user.get("namespace", USER_NAMESPACE)]
    assert [each["metadata"]["labels"][OWNER] for each in found] == [NAME] * 4


def waits_for_what_the_objects_say(delivery: Delivery) -> None:
    """A change waits for the operator, one that is wrong fails, and the next goes through."""
    stage, meant = delivery.stage, (delivery.files / "policy.yaml").read_text()
    stage.operator.stop()
    change_policy(delivery.files, virtualMachines={"ids": [vm_id("nowhere")]})
    wrong = delivery.commit()
    eventually(
        delivery.standing,
        lambda seen: (
            seen.get("lastAttemptedRevision") == wrong
            and said(seen, "Healthy").get("reason") == "Progressing"
        ),
        "Flux waits for the policy",
        WITHIN_S,
    )
    assert not is_ready(delivery.standing())
    stage.operator.start()
    seen = eventually(
        delivery.standing,
        lambda seen: said(seen, "Ready").get("status") == "False",
        "the policy has failed",
        WITHIN_S,
    )
    assert said(seen, "Ready")["reason"] == "HealthCheckFailed"
    assert f"BackupPolicy/{USER_NAMESPACE}/{POLICY}" in said(seen, "Ready")["message"]

    (delivery.files / "policy.yaml").write_text(meant)
    change_policy(delivery.files, retention={"last": 9})
    delivery.applied(delivery.commit())
    found = policy(stage)
    retention = found["spec"]["retention"]
    assert (retention["last"], retention["daily"]) == (9, 0)
    assert found["status"]["observedGeneration"] == found["metadata"]["generation"]


def takes_an_annotation_away_and_then_writes_nothing(delivery: Delivery) -> None:
    """What the plugin wrote over what is in git goes; what the operator wrote is no difference."""
    stage, before = delivery.stage, sessions(delivery.stage)
    since = len(stage.plane.audited())
    delivery.reconciled_again()
    assert fluxs_writes(stage, since)
    assert TRIGGER_ANNOTATION not in policy(stage)["metadata"].get("annotations", {})
    eventually(
        lambda: policy(stage)["status"]["trigger"]["token"], lambda seen: seen == "", "it is seen"
    )
    generation, since = policy(stage)["metadata"]["generation"], len(stage.plane.audited())

    delivery.reconciled_again()

    assert fluxs_writes(stage, since) == []
    assert policy(stage)["metadata"]["generation"] == generation
    assert sessions(stage) == before


def goes_on_with_the_chain(delivery: Delivery, machine: Machine, run: str) -> None:
    """The policy that is there again backs up what has changed since the one before it did."""
    stage = delivery.stage
    eventually(
        lambda: policy(stage).get("status", {}),
        lambda seen: "observedGeneration" in seen,
        "the policy was seen",
    )
    write_on(stage, machine, 1, MIB)
    ended = stage.outcome(ask_for_backup(delivery))
    assert (ended["outcome"], kinds(ended)) == ("Succeeded", {"incremental"}), ended
    assert {each["runId"] for each in ended["resolved"]["predecessors"]} == {run}
    assert {run, ended["runId"]} <= set(stage.points())


def kinds(status: dict[str, Any]) -> set[str]:
    return {each.get("kind", "full") for each in status["disks"]}


def point_objects(stage: Stage, run: str) -> list[str]:
    """Return the uids of the objects of the run's recovery point."""
    found = stage.plane.administrator.get("recoverypoints", "-A")["items"]
    return [each["metadata"]["uid"] for each in found if each["spec"]["runId"] == run]
