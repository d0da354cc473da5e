"""The operator as a process, with its role and no Azure: what it says, its start and its end."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import certifi
import pytest

from tests.unit.metrics.told import parsed
from tools.local_cloud.control_plane import ControlPlane, control_plane
from tools.local_cloud.installation import (
    OPERATOR_ACCOUNT,
    OPERATOR_NAMESPACE,
    USER_NAMESPACE,
    example,
    give_rights,
    write_settings,
)
from tools.local_cloud.operator_process import OperatorProcess, restarted, running
from vmbackup_operator.model.kinds import KINDS

pytestmark = pytest.mark.control_plane

ROOT = Path(__file__).resolve().parents[2]
PLURALS = {each.kind.lower(): each.plural for each in KINDS}
#: A namespace with a repository in which the operator has no binding.
UNSERVED = "strangers"
ALSO_UNSERVED = "others"
#: What is told of objects begins so.
OF_OBJECTS = ("vmbackup_policy_", "vmbackup_repository_", "vmbackup_ended_")
#: Nothing listens there: every request to Azure fails as if the network were down.
NO_AZURE = {
    "proxies": {"appliance": "http://127.0.0.1:9"},
    "ca": certifi.where(),
    "tenantId": "99999999-8888-4777-8666-555555555555",
}


@pytest.fixture(scope="module")
def own_plane() -> Iterator[ControlPlane]:
    """A control plane with rights and namespaces, of this module alone; CRDs come later."""
    with control_plane() as plane:
        give_rights(plane)
        yield plane


@pytest.fixture(scope="module")
def settings_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("settings")
    (folder / "bundle.json").write_text("{}")  # it is read when a session needs it
    return write_settings(folder / "settings.yaml", NO_AZURE, folder)


@pytest.fixture(scope="module")
def operator_process(
    own_plane: ControlPlane, settings_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    own_plane.install_crds(ROOT / "crds")
    ring = {"apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "vmbackup-key-ring", "namespace": OPERATOR_NAMESPACE},
            "stringData": {"2026-11": secrets.token_hex(32)}}  # fmt: skip
    own_plane.administrator.create(ring)
    folder = tmp_path_factory.mktemp("operator")
    user = own_plane.service_account(OPERATOR_NAMESPACE, OPERATOR_ACCOUNT)
    log = folder / "operator.log"
    process = OperatorProcess(settings_file, user.kubeconfig, NO_AZURE, log)
    with running(process) as started:
        yield started


def eventually(look: Callable[[], Any], limit_s: float = 120) -> Any:
    deadline = time.monotonic() + limit_s
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.1)
    return found


def condition(plane: ControlPlane, kind: str, name: str, wanted: str) -> dict[str, str] | None:
    stored = plane.administrator.find(USER_NAMESPACE, PLURALS[kind], name)
    conditions = stored.get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == wanted), None)


Told = dict[tuple[str, tuple[str, ...]], float]


def told(process: OperatorProcess) -> Told:
    """Return what the process tells Prometheus, by metric and its labels' values."""
    return {
        (metric.name, tuple(sample.labels.values())): sample.value
        for metric in parsed(process.metrics().encode()).values()
        for sample in metric.samples
    }


def told_of_objects(process: OperatorProcess) -> Told | None:
    """Return what it tells of objects, once it knows them, but for what each second changes."""
    found = {
        (name, labels): value
        for (name, labels), value in told(process).items()
        if name.startswith(OF_OBJECTS) and name != "vmbackup_policy_rpo_seconds"
    }
    names = {label for _, labels in found for label in labels}
    return found if {"astray", example("repository.yaml")["metadata"]["name"]} <= names else None


def test_the_operator_waits_for_its_crds_and_then_for_its_key_ring(
    own_plane: ControlPlane, settings_file: Path, tmp_path: Path
) -> None:
    if own_plane.administrator.get("crds")["items"]:
        pytest.fail("this test has to be the first that needs the control plane")
    user = own_plane.service_account(OPERATOR_NAMESPACE, OPERATOR_ACCOUNT)
    log = tmp_path / "log"
    with log.open("w") as out:
        process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "vmbackup_operator", "--config", str(settings_file)],
            env={"KUBECONFIG": str(user.kubeconfig), "PATH": "/usr/bin:/bin"},
            stderr=out,
        )
    try:
        eventually(lambda: "waiting for the CRDs" in log.read_text())
        assert process.poll() is None

        own_plane.install_crds(ROOT / "crds")

        assert process.wait(120) == 2
        assert "there is no Secret vmbackup-system/vmbackup-key-ring" in log.read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_a_repository_without_its_secret_says_so(
    own_plane: ControlPlane, operator_process: OperatorProcess
) -> None:
    own_plane.administrator.apply(ROOT / "examples" / "repository.yaml")

    name = example("repository.yaml")["metadata"]["name"]
    said = eventually(lambda: condition(own_plane, "backuprepository", name, "Stalled"))

    assert (said["status"], said["reason"]) == ("True", "SecretNotFound")
    assert operator_process.pid


def test_a_policy_without_its_repository_says_so(
    own_plane: ControlPlane, operator_process: OperatorProcess
) -> None:
    policy = example("policy.yaml")
    policy["metadata"]["name"] = "astray"
    policy["spec"]["repositoryRef"] = {"name": "nowhere"}
    own_plane.administrator.create(policy)

    said = eventually(lambda: condition(own_plane, "backuppolicy", "astray", "Ready"))

    assert said["status"] == "False"
    assert "web-team/nowhere" in said["message"]
    assert operator_process.pid


def test_a_session_out_of_scope_fails_and_lets_itself_be_deleted(
    own_plane: ControlPlane, operator_process: OperatorProcess
) -> None:
    session = example("by-hand/session.yaml")
    session["metadata"] = {"name": "astray", "namespace": USER_NAMESPACE}
    session["spec"]["virtualMachineId"] = session["spec"]["virtualMachineId"].replace(
        "rg-production", "rg-finance"
    )
    own_plane.administrator.create(session)

    said = eventually(lambda: condition(own_plane, "backupsession", "astray", "Failed"))
    stored = eventually(lambda: _without_finalizer(own_plane, "astray"))

    assert said["reason"] == "ScopeNotAllowed"
    assert "rg-finance" in said["message"]
    assert stored["status"]["outcome"] == "Failed"
    own_plane.administrator.kubectl(
        "delete", "backupsession", "astray", "-n", USER_NAMESPACE, "--timeout=120s"
    )
    assert operator_process.pid


def _without_finalizer(plane: ControlPlane, name: str) -> dict[str, Any] | None:
    stored: dict[str, Any] = plane.administrator.find(USER_NAMESPACE, "backupsessions", name)
    return None if stored["metadata"].get("finalizers") else stored


def test_what_it_is_refused_in_a_namespace_that_is_not_served_is_in_its_log(
    own_plane: ControlPlane, operator_process: OperatorProcess
) -> None:
    own_plane.administrator.kubectl("create", "namespace", UNSERVED)
    repository = example("repository.yaml")
    repository["metadata"] = {"name": "theirs", "namespace": UNSERVED}
    own_plane.administrator.create(repository)

    refused = '"theirs" is forbidden'
    eventually(lambda: refused in operator_process.log.read_text())

    (said, *_) = [line for line in operator_process.log.read_text().splitlines() if refused in line]
    assert f"{UNSERVED}/theirs" in said
    assert "backuprepositories/status" in said


def test_a_session_of_a_namespace_that_is_not_served_is_told_so_and_is_not_held(
    own_plane: ControlPlane, operator_process: OperatorProcess
) -> None:
    own_plane.administrator.kubectl("create", "namespace", ALSO_UNSERVED)
    session = example("by-hand/session.yaml")
    session["metadata"] = {"name": "theirs", "namespace": ALSO_UNSERVED}
    own_plane.administrator.create(session)

    def status() -> Any:
        return own_plane.administrator.find(ALSO_UNSERVED, "backupsessions", "theirs").get(
            "status", {}
        )

    assert eventually(lambda: status().get("outcome")) == "Failed"
    own_plane.administrator.kubectl(
        "delete", "bses", "theirs", "-n", ALSO_UNSERVED, "--timeout=120s"
    )
    assert operator_process.pid


def test_a_repository_that_is_deleted_takes_its_recovery_points_with_it(
    own_plane: ControlPlane, operator_process: OperatorProcess
) -> None:
    administrator, there = own_plane.administrator, ("-n", USER_NAMESPACE, "-o", "name")
    repository = example("repository.yaml")
    for name in ("going", "staying"):
        repository["metadata"] = {"name": name, "namespace": USER_NAMESPACE}
        administrator.create(repository)
        appliance = eventually(partial(_appliance_of, own_plane, name))
        administrator.create(_point_of(name, appliance))

    administrator.kubectl("delete", "brepo", "going", "-n", USER_NAMESPACE, "--timeout=120s")

    staying = "recoverypoint.vmbackup.dev/of-staying"
    eventually(lambda: administrator.kubectl("get", "rp", *there).split() == [staying])
    administrator.kubectl("delete", "brepo", "staying", "-n", USER_NAMESPACE, "--timeout=120s")
    eventually(lambda: not administrator.kubectl("get", "rp", *there).split())
    assert operator_process.pid


def _appliance_of(plane: ControlPlane, repository: str) -> Any:
    stored = plane.administrator.find(USER_NAMESPACE, "backuprepositories", repository)
    return stored.get("status", {}).get("applianceId")


def _point_of(repository: str, appliance: str) -> dict[str, Any]:
    return {
        "apiVersion": "vmbackup.dev/v1alpha1",
        "kind": "RecoveryPoint",
        "metadata": {
            "name": f"of-{repository}",
            "namespace": USER_NAMESPACE,
            "labels": {"vmbackup.dev/appliance": appliance},
        },
        "spec": {
            "repositoryRef": {"name": repository},
            "runId": "0" * 32,
            "virtualMachineId": example("by-hand/session.yaml")["spec"]["virtualMachineId"],
            "virtualMachineName": "web-01",
            "createdAt": "2026-11-22T02:00:00Z",
            "type": "Backup",
            "disks": [{"name": "web-01-os", "sizeBytes": 2**30, "slot": 1}],
            "sizeBytes": 2**30,
            "storedBytes": 2**20,
        },
    }


def test_a_restore_session_without_its_recovery_point_ends_and_says_so(
    own_plane: ControlPlane, operator_process: OperatorProcess
) -> None:
    own_plane.administrator.create(
        {
            "apiVersion": "vmbackup.dev/v1alpha1",
            "kind": "RestoreSession",
            "metadata": {"name": "hopeful", "namespace": USER_NAMESPACE},
            "spec": {
                "recoveryPointRef": {"name": "some-point"},
                "mode": "Disks",
                "target": {
                    "subscriptionId": "11111111-2222-4333-8444-555555555555",
                    "resourceGroup": "rg-production",
                    "region": "northeurope",
                },
            },
        }
    )

    said = eventually(lambda: condition(own_plane, "restoresession", "hopeful", "Failed"))

    assert (said["status"], said["reason"]) == ("True", "RecoveryPointNotFound")
    stored = own_plane.administrator.get("restoresession", "hopeful", "-n", USER_NAMESPACE)
    assert stored["status"]["phase"] == f"{stored['status']['outcome']}: {said['reason']}"
    assert operator_process.pid


def test_it_ends_quickly_and_cleanly_when_asked_to(
    own_plane: ControlPlane, settings_file: Path, operator_process: OperatorProcess, tmp_path: Path
) -> None:
    assert operator_process.pid  # the Secret and the CRDs are there
    operator_process.stop()  # and its Lease is free
    user = own_plane.service_account(OPERATOR_NAMESPACE, OPERATOR_ACCOUNT)
    port_file, log = tmp_path / "port", tmp_path / "log"
    variables = {
        "KUBECONFIG": str(user.kubeconfig),
        "PATH": "/usr/bin:/bin",
        "AZURE_TENANT_ID": NO_AZURE["tenantId"],
        "AZURE_CLIENT_ID": "client",
        "AZURE_CLIENT_SECRET": "secret",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "127.0.0.1",
    }
    with log.open("w") as out:
        process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "vmbackup_operator", "--config", str(settings_file),
             "--health-port-file", str(port_file), "--log-format", "JSON"],
            env={name: str(value) for name, value in variables.items()},
            stderr=out,
        )  # fmt: skip
    try:
        eventually(lambda: "watching" in log.read_text())
        process.send_signal(signal.SIGTERM)

        # Where something waits for the end of its time, kopf kills it after 25 s: that is no 0.
        assert process.wait(60) == 0
        assert port_file.read_text().isdecimal()
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        assert {"ts", "level", "logger", "message"} <= lines[0].keys()
        # Kopf itself may be asked to end in the midst of its first requests, and complains.
        ours = [line for line in lines if not line["logger"].startswith("kopf")]
        assert not [line for line in ours if line["level"] == "error"]
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        operator_process.start()


def test_where_it_is_served_the_api_server_refused_the_operator_nothing(
    own_plane: ControlPlane, operator_process: OperatorProcess
) -> None:
    assert operator_process.pid
    refused = [
        f"{event['verb']} {event['requestURI']}"
        for event in own_plane.audited()
        if event["user"]["username"].endswith(f":{OPERATOR_ACCOUNT}")
        and event.get("responseStatus", {}).get("code") == 403
        and event["objectRef"].get("namespace") not in {UNSERVED, ALSO_UNSERVED}
    ]
    assert refused == []


def test_a_second_operator_stands_by_and_takes_over_when_the_first_ends(
    own_plane: ControlPlane, settings_file: Path, operator_process: OperatorProcess, tmp_path: Path
) -> None:
    operator_process.stop()
    operator_process.start()
    user = own_plane.service_account(OPERATOR_NAMESPACE, OPERATOR_ACCOUNT)
    log = tmp_path / "second.log"
    with running(OperatorProcess(settings_file, user.kubeconfig, NO_AZURE, log)) as standby:
        eventually(lambda: "standing by" in log.read_text())
        assert "watching" not in log.read_text()
        assert told(standby)["vmbackup_leader", ()] == 0
        assert not [name for name, _ in told(standby) if name.startswith(OF_OBJECTS)]
        before = eventually(partial(told_of_objects, operator_process))
        assert told(operator_process)["vmbackup_leader", ()] == 1

        operator_process.stop()

        eventually(lambda: "watching" in log.read_text())
        eventually(lambda: told_of_objects(standby) == before)
        assert told(standby)["vmbackup_leader", ()] == 1
    assert before["vmbackup_policy_ready", (USER_NAMESPACE, "astray")] == 0
    assert "vmbackup_ended_sessions" in {name for name, _ in before}


def test_an_operator_that_ends_by_itself_is_started_again_and_one_that_is_stopped_is_not(
    operator_process: OperatorProcess, tmp_path: Path
) -> None:
    with restarted(operator_process.beside(tmp_path / "kept.log")) as kept:
        os.kill(first := kept.pid, signal.SIGKILL)
        eventually(lambda: kept.runs and kept.pid != first)
        kept.stop()
        kept.start_again_if_ended()
        assert not kept.runs
