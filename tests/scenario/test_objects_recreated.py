"""Objects that are deleted without finalizers and applied again, as GitOps and cluster restores do.

Beside it: a namespace that goes, and what is left of a session that nothing knows of any more.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import pytest
import yaml

from tests.scenario.small_machines import small_machine
from tests.scenario.stage import Stage, eventually
from tools.demo.facts import MACHINES, SNAPSHOTS
from tools.demo.journal import Entry
from tools.local_cloud.installation import OPERATOR_NAMESPACE, USER_NAMESPACE, serve
from tools.local_cloud.kubernetes_user import KubectlRefused

TEAM = "passing-team"
REPOSITORY = ("backuprepository", USER_NAMESPACE, "west-europe")
POLICY = ("backuppolicy", TEAM, "recreated")
#: The sweeper's, in the settings that these scenarios run with.
GRACE_S = 3
WITHIN_S = 180
DEAD = {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}

#: An object of ours: its kind, namespace and name.
Named = tuple[str, str, str]


@pytest.fixture(scope="module")
def two_teams(stage: Stage) -> Iterator[Stage]:
    """The stage with a second tenant, and an operator whose sweeper waits for seconds."""
    path = stage.folder / "operator" / "settings.yaml"
    before = path.read_text()
    settings = yaml.safe_load(before)
    team = {**settings["tenancy"][0], "namespace": TEAM}
    settings["tenancy"].append(team)
    settings["sweeper"] = {"graceSeconds": GRACE_S}
    restarted(stage, yaml.safe_dump(settings))
    yield stage
    restarted(stage, before)


def restarted(stage: Stage, settings: str) -> None:
    stage.operator.stop()
    (stage.folder / "operator" / "settings.yaml").write_text(settings)
    stage.operator.start()


@pytest.fixture
def team(two_teams: Stage) -> Stage:
    """The stage with the second tenant's namespace, which is empty."""
    admin = two_teams.plane.administrator
    admin.kubectl("delete", "namespace", TEAM, "--ignore-not-found", "--wait=false")
    eventually(
        lambda: namespaces(two_teams), lambda names: TEAM not in names, "it has gone", WITHIN_S
    )
    admin.kubectl("create", "namespace", TEAM)
    serve(two_teams.plane, TEAM)
    return two_teams


def namespaces(stage: Stage) -> list[str]:
    found = stage.plane.administrator.get("namespaces")["items"]
    return [each["metadata"]["name"] for each in found]


def found(stage: Stage, named: Named) -> dict[str, Any]:
    """Return the object as it is, empty where there is none."""
    kind, namespace, name = named
    with suppress(KubectlRefused):
        there: dict[str, Any] = stage.plane.administrator.get(kind, name, "-n", namespace)
        return there
    return {}


def status(stage: Stage, named: Named) -> dict[str, Any]:
    said: dict[str, Any] = found(stage, named).get("status") or {}
    return said


def take_away(stage: Stage, named: Named) -> dict[str, Any]:
    """Delete the object without finalizers; return it as git, or a cluster's backup, has it."""
    kind, namespace, name = named
    there = found(stage, named)
    stripped = json.dumps({"metadata": {"finalizers": None}})
    admin = stage.plane.administrator
    admin.kubectl("patch", kind, name, "-n", namespace, "--type=merge", f"-p={stripped}")
    admin.kubectl("delete", kind, name, "-n", namespace, "--wait=false", "--ignore-not-found")
    eventually(lambda: found(stage, named), lambda seen: not seen, f"{name} has gone")
    kept = ("name", "namespace", "labels", "annotations")
    metadata = {key: there["metadata"][key] for key in kept if key in there["metadata"]}
    return {
        "apiVersion": there["apiVersion"],
        "kind": there["kind"],
        "metadata": metadata,
        "spec": there["spec"],
    }


def policys_session(stage: Stage, vm_id: str) -> Named:
    """Have a policy back the VM up; return its session."""
    kind, namespace, name = POLICY
    spec = {
        "repositoryRef": {"name": REPOSITORY[2], "namespace": REPOSITORY[1]},
        "virtualMachines": {"ids": [vm_id]},
        "retention": {"last": 3},
    }
    metadata = {"name": name, "namespace": namespace}
    api = {"apiVersion": "vmbackup.dev/v1alpha1", "kind": "BackupPolicy"}
    stage.plane.administrator.create({**api, "metadata": metadata, "spec": spec})
    eventually(
        lambda: status(stage, POLICY), lambda seen: "observedGeneration" in seen, "it was seen"
    )
    stage.plane.administrator.kubectl(
        "annotate", kind, name, "-n", namespace, "vmbackup.dev/trigger=once"
    )
    sessions = eventually(
        lambda: sessions_of(stage),
        bool,
        f"the policy has a session: {status(stage, POLICY)}",
        WITHIN_S,
    )
    return ("backupsession", TEAM, sessions[0])


def sessions_of(stage: Stage) -> list[str]:
    listed = stage.plane.administrator.get("backupsessions", "-n", TEAM)["items"]
    return [each["metadata"]["name"] for each in listed]


def environments(stage: Stage) -> list[Named]:
    listed = stage.plane.administrator.get("regionenvironments", "-n", OPERATOR_NAMESPACE)["items"]
    return [("regionenvironment", OPERATOR_NAMESPACE, each["metadata"]["name"]) for each in listed]


def point_objects(stage: Stage, run: str) -> list[Named]:
    listed = stage.plane.administrator.get("recoverypoints", "-A")["items"]
    return [
        ("recoverypoint", each["metadata"]["namespace"], each["metadata"]["name"])
        for each in listed
        if each["spec"]["runId"] == run
    ]


def outcome(stage: Stage, named: Named) -> dict[str, Any]:
    return eventually(
        lambda: status(stage, named), lambda seen: "outcome" in seen, "it has an outcome", WITHIN_S
    )


def grants(stage: Stage, before: dict[str, Any]) -> list[str]:
    return [stage.azure.granted_url(each["snapshotId"]) for each in before["snapshotSet"]]


def assert_no_access(stage: Stage, urls: list[str]) -> None:
    assert urls
    assert {stage.azure.try_export(url) for url in urls} <= DEAD


def made_and_deleted(entries: list[Entry]) -> list[str]:
    """Return what was written in Azure by Resource Manager, access to snapshots apart."""
    return [
        f"{each.method} {each.path}"
        for each in entries
        if each.service == "arm" and each.method in {"PUT", "PATCH", "DELETE"}
    ]


def test_deleted_and_applied_again_in_the_middle_and_after_a_session_runs_once(team: Stage) -> None:
    stage, machine = team, small_machine(team, "recreated", disks=2)
    since, hold = stage.azure.last_entry(), stage.hold_packs()
    session = policys_session(stage, machine.id)
    stage.caught(hold, "a pack's write")
    before = status(stage, session)
    urls = grants(stage, before)

    everything = [session, POLICY, REPOSITORY, *environments(stage)]
    documents = [take_away(stage, each) for each in everything]
    for document in reversed(documents):
        with suppress(KubectlRefused):  # an environment's is made by the operator as well
            stage.plane.administrator.create(document)
    stage.azure.let_go(hold)
    ended = outcome(stage, session)

    entries = stage.entries(since)
    assert (ended["outcome"], ended["runId"]) == ("Succeeded", before["runId"])
    assert sessions_of(stage) == [session[2]]
    assert stage.points().count(before["runId"]) == 1
    snapshots = [each for each in entries if each.is_write(SNAPSHOTS) and each.method == "PUT"]
    assert len(snapshots) == len(before["snapshotSet"])
    assert not [each for each in entries if each.service == "arm" and each.method == "DELETE"
                and "/snapshots/" in each.path.lower()]  # fmt: skip
    undone(stage, session)
    assert_no_access(stage, urls)
    applied_again_after_its_end(stage, session, before["runId"])


def undone(stage: Stage, session: Named) -> None:
    """Return once the session has nothing to do any more."""
    eventually(
        lambda: found(stage, session)["metadata"].get("finalizers"),
        lambda finalizers: not finalizers,
        "the finalizer is gone",
        WITHIN_S,
    )


def applied_again_after_its_end(stage: Stage, session: Named, run: str) -> None:
    """Points are not in git, and no backup of a cluster has them: they come from the catalog."""
    since = stage.azure.last_entry()
    for point in point_objects(stage, run):
        take_away(stage, point)
    everything = [session, POLICY, REPOSITORY, *environments(stage)]
    documents = [take_away(stage, each) for each in everything]
    for document in reversed(documents):
        with suppress(KubectlRefused):
            stage.plane.administrator.create(document)
    ended = outcome(stage, session)
    undone(stage, session)

    assert (ended["outcome"], ended["runId"]) == ("Succeeded", run)
    assert made_and_deleted(stage.entries(since)) == []
    assert stage.points().count(run) == 1
    assert sessions_of(stage) == [session[2]]
    eventually(lambda: point_objects(stage, run), bool, "its point is shown", WITHIN_S)
    for each in (session, *point_objects(stage, run)):
        take_away(stage, each)
    kind, namespace, name = REPOSITORY
    stage.plane.administrator.kubectl(
        "annotate", "--overwrite", kind, name, "-n", namespace, "vmbackup.dev/upkeep=recreated"
    )
    eventually(lambda: point_objects(stage, run), bool, "it comes from the catalog", WITHIN_S)


def test_a_namespace_that_is_deleted_goes_and_access_and_worker_with_it(team: Stage) -> None:
    stage, machine = team, small_machine(team, "with-its-namespace")
    since, hold = stage.azure.last_entry(), stage.hold_packs()
    session = users_session(stage, machine.id)
    stage.caught(hold, "a pack's write")
    before = status(stage, session)
    urls = grants(stage, before)

    stage.plane.administrator.kubectl("delete", "namespace", TEAM, "--wait=false")
    eventually(lambda: namespaces(stage), lambda names: TEAM not in names, "it goes", WITHIN_S)
    stage.azure.let_go(hold)

    entries, worker = stage.entries(since), before["worker"]["vmId"]
    assert_no_access(stage, urls)
    queues = {before["worker"]["jobsQueue"], before["worker"]["eventsQueue"]}
    assert {name for name in queues if was_deleted(entries, name)} == queues
    stopped = [each for each in entries if each.is_action(MACHINES, "deallocate")
               and worker.lower() in each.path.lower()]  # fmt: skip
    assert stopped or worker in workers_of_sessions(stage)
    assert nothing_of(stage, before["runId"]) == []
    assert before["runId"] not in stage.points()


def workers_of_sessions(stage: Stage) -> set[str]:
    """Return the workers that sessions have, or had: one that is waited for is handed on."""
    sessions = stage.plane.administrator.get("backupsessions", "--all-namespaces")["items"]
    return {each.get("status", {}).get("worker", {}).get("vmId") for each in sessions}


def users_session(stage: Stage, vm_id: str) -> Named:
    spec = {
        "type": "Backup",
        "virtualMachineId": vm_id,
        "repositoryRef": {"name": REPOSITORY[2], "namespace": REPOSITORY[1]},
        "retention": {"last": 3},
    }
    session = ("backupsession", TEAM, "by-hand")
    metadata = {"name": session[2], "namespace": TEAM}
    api = {"apiVersion": "vmbackup.dev/v1alpha1", "kind": "BackupSession"}
    stage.plane.administrator.create({**api, "metadata": metadata, "spec": spec})
    return session


def nothing_of(stage: Stage, run: str) -> list[str]:
    """Return the snapshots of the run."""
    return [each for each in stage.azure.resources("rg-backup") if run[:20] in each.lower()]


def test_what_no_record_leads_to_is_swept_and_what_has_a_point_stays(team: Stage) -> None:
    stage, machine = team, small_machine(team, "swept")
    before_it = {each.lower() for each in stage.azure.resources("rg-backup")}
    kept = {each for each in before_it if any(run[:20] in each for run in stage.points())}
    hold = stage.hold_packs()
    session = users_session(stage, machine.id)
    stage.caught(hold, "a pack's write")
    before = status(stage, session)
    urls, since = grants(stage, before), stage.azure.last_entry()

    stage.operator.kill()
    take_away(stage, session)
    records = ("configmaps", "-n", OPERATOR_NAMESPACE, "-l", "vmbackup.dev/undo=true")
    stage.plane.administrator.kubectl("delete", *records)
    stage.operator.start()
    eventually(lambda: nothing_of(stage, before["runId"]), lambda left: not left, "swept", WITHIN_S)
    queues = {before["worker"]["jobsQueue"], before["worker"]["eventsQueue"]}
    # A worker that goes takes its commands along.
    command = {f"vmb-launch-{before['runId'][:20]}-1", before["worker"]["vmId"]}
    eventually(
        lambda: {name for name in queues | command if was_deleted(stage.entries(since), name)},
        lambda gone: queues <= gone and bool(command & gone),
        "its queues and its command are deleted",
        WITHIN_S,
    )
    stage.azure.let_go(hold)

    assert_no_access(stage, urls)
    left = {each.lower() for each in stage.azure.resources("rg-backup")}
    assert kept <= left


def was_deleted(entries: list[Entry], name: str) -> bool:
    return any(
        each.method == "DELETE" and each.path.lower().rstrip("/").endswith(name.lower())
        for each in entries
    )
