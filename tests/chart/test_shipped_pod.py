"""The operator that the chart ships, as its pod has it: arguments, environment, files, probes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import certifi
import pytest
import urllib3

from tests.chart.charted import HOME, Document, one, rendered
from tests.chart.pod_process import PodProcess
from tests.chart.release import RING, Release
from tools.local_cloud.control_plane import ControlPlane
from tools.local_cloud.helm import Helm
from tools.local_cloud.operator_process import START_S, clean_environment
from tools.local_cloud.processes import Program, free_port

pytestmark = pytest.mark.control_plane

POD = "vmbackup-operator-7d9f8-x2x5q"
CLIENT_ID = "7a6b5c4d-3e2f-4101-9234-56789abcdef0"
#: Nothing listens there: every request to Azure fails as if the network were down.
NOWHERE = "http://127.0.0.1:9"


@dataclass(frozen=True, slots=True)
class Shipped:
    """A running pod, and its release."""

    pod: PodProcess
    program: Program
    release: Release
    changes: Document


def pod_of(owner: Document, name: str) -> Document:
    """Return a pod as the controller of *owner* makes it."""
    template = owner["spec"]["template"]
    metadata = {**template["metadata"], "name": name, "namespace": HOME}
    return {"metadata": metadata, "spec": template["spec"]}


def answer(url: str) -> int | None:
    try:
        return urllib3.request("GET", url, timeout=5, retries=False).status
    except urllib3.exceptions.HTTPError:
        return None


@pytest.fixture(scope="module")
def shipped(
    plane: ControlPlane, helm: Helm, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shipped]:
    """The operator of an installed release, as a node would start it."""
    folder = tmp_path_factory.mktemp("pod")
    (folder / "bundle.json").write_text("{}")  # it is read when a session needs it
    where = f"--namespace={HOME}"
    identity = (
        f"--from-literal=AZURE_CLIENT_ID={CLIENT_ID}",
        "--from-literal=AZURE_CLIENT_SECRET=x",
    )
    plane.administrator.kubectl("create", "secret", "generic", "azure", where, *identity)
    reaching = {
        "HTTPS_PROXY": NOWHERE,
        "NO_PROXY": "127.0.0.1,localhost",
        "SSL_CERT_FILE": certifi.where(),
    }
    changes: Document = {
        "azureIdentity": {"secretName": "azure"},
        "extraEnv": [{"name": name, "value": value} for name, value in reaching.items()],
        "healthPort": free_port(),
        "logging": {"format": "JSON"},
        "workers": {"bundle": str(folder)},
    }
    release = Release(helm)
    release.install(changes)
    deployment = release.get("deployment", "vmbackup-operator")
    entry_point = (sys.executable, "-m", "vmbackup_operator")
    pod = PodProcess(pod_of(deployment, POD), plane.administrator, entry_point, folder)
    account = deployment["spec"]["template"]["spec"]["serviceAccountName"]
    program = pod.start(plane.service_account(HOME, account), clean_environment())
    try:
        yield Shipped(pod, program, release, changes)
    finally:
        program.stop()
        release.uninstall()
        plane.administrator.kubectl("delete", "secret", "azure", RING, where)


def test_it_lives_and_gets_ready_as_its_probes_ask(shipped: Shipped) -> None:
    deadline = time.monotonic() + START_S
    while answer(shipped.pod.probe("readinessProbe")) != 200:
        assert not shipped.program.has_ended, shipped.program.last_words()
        assert time.monotonic() < deadline, shipped.program.last_words()
        time.sleep(0.2)

    assert answer(shipped.pod.probe("startupProbe")) == 200
    assert answer(shipped.pod.probe("livenessProbe")) == 200


def test_it_holds_its_lease_by_its_pods_name(shipped: Shipped) -> None:
    lease = shipped.release.get("lease", "vmbackup-operator-contoso-backup")

    assert lease["spec"]["holderIdentity"] == POD
    first = json.loads(shipped.program.log.read_text().splitlines()[0])
    assert "appliance contoso-backup" in first["message"]


def test_helm_test_finds_it_ready(shipped: Shipped) -> None:
    """The Job's own script, with an address that this machine knows."""
    container = one(rendered(shipped.release.helm, shipped.changes), "Job")["spec"]["template"][
        "spec"
    ]["containers"][0]
    script, _, port, replicas = container["args"]

    def ask(least: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-c", script, "127.0.0.1", port, least]
        return subprocess.run(words, check=False, capture_output=True, text=True)  # noqa: S603

    found, missing = ask("1"), ask(replicas)

    assert (found.returncode, found.stdout) == (0, "127.0.0.1 ready\n")
    assert missing.returncode == 1


def test_it_ends_when_its_node_asks_it_to(shipped: Shipped) -> None:
    grace = shipped.pod.pod["spec"]["terminationGracePeriodSeconds"]

    assert shipped.program.stop(grace) == 0


def test_what_is_not_known_of_a_pod_is_named(plane: ControlPlane, tmp_path: Path) -> None:
    container = {
        "env": [{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
        "volumeMounts": [],
    }
    pod = {"metadata": {"name": POD}, "spec": {"containers": [container], "volumes": []}}
    process = PodProcess(pod, plane.administrator, ("false",), tmp_path)

    with pytest.raises(LookupError, match=r"spec\.nodeName"):
        process.start(plane.administrator, {})
