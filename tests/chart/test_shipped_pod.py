"""What the chart ships, run from its pods' template: by nodes, as its user, in its network."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.chart.charted import HOME, RELEASE, TEAM, Document, one, rendered
from tests.chart.release import Release
from tests.chart.running_release import RunningRelease, is_ready
from tests.contract.clients.programs import built
from tools.local_cloud.control_plane import WORKLOADS, control_plane
from tools.local_cloud.go_programs import HELM
from tools.local_cloud.helm import Helm
from tools.nodeagent.agent import NODES, Agent, running
from tools.nodeagent.api import Api
from tools.nodeagent.images import operator_image
from tools.nodeagent.pods import parse_pod
from tools.nodeagent.volumes import Volumes

pytestmark = pytest.mark.control_plane

IMAGE = "registry.example.com/vmbackup:1"
CLIENT_ID = "7a6b5c4d-3e2f-4101-9234-56789abcdef0"
#: Where pods believe a proxy; nothing is there: requests to Azure fail as if the network were down.
PROXY = ("10.10.0.4", 3128)
NOWHERE = ("127.0.0.1", 9)
CHANGES: Document = {
    "image": {"tag": "1"},
    "azureIdentity": {"secretName": "azure"},
    "extraEnv": [
        {"name": "HTTPS_PROXY", "value": f"http://{PROXY[0]}:{PROXY[1]}"},
        {"name": "NO_PROXY", "value": "10.0.0.1"},
    ],
    "logging": {"format": "JSON"},
}
LIMIT_S = 240
#: Looks around in its container, and says what it sees in one line.
LOOK = """
import json, os, pathlib, ssl, sys, urllib.request
def tried(path):
    try:
        pathlib.Path(path).write_text("x")
    except OSError as error:
        return error.strerror
    return "written"
own = pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount")
who = urllib.request.Request(
    f"https://{os.environ['KUBERNETES_SERVICE_HOST']}/apis/authentication.k8s.io/v1/selfsubjectreviews",
    json.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}).encode(),
    {"Authorization": f"Bearer {(own / 'token').read_text()}", "Content-Type": "application/json"},
)
trusted = ssl.create_default_context(cafile=str(own / "ca.crt"))
with urllib.request.urlopen(who, context=trusted) as answer:
    user = json.load(answer)["status"]["userInfo"]
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status") if ":\\t" in line)
print(json.dumps({
    "ids": [os.getuid(), os.getgid(), os.getpid()],
    "capabilities": int(status["CapEff"], 16),
    "privileges": status["NoNewPrivs"].strip(),
    "writes": [tried(path) for path in ("/new", "/etc/hosts", "/etc/settings/a", "/tmp/new")],
    "settings": pathlib.Path("/etc/settings/a").read_text(),
    "user": user["username"],
    "pod": user["extra"]["authentication.kubernetes.io/pod-name"],
    "arguments": sys.argv[1:],
}), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Shipped(RunningRelease):
    """An installed release, and the agent that runs its pods."""

    agent: Agent

    def pod(self, name: str) -> Document:
        found: Document = self.release.get("pod", name)
        return found


def phase(pod: Document) -> str:
    return str(pod["status"]["phase"])


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shipped]:
    """The chart installed by helm, which waited until all of it was ready."""
    program = built(HELM)
    folder = tmp_path_factory.mktemp("nodes")
    bundle = folder / "bundle"
    bundle.mkdir()
    (bundle / "bundle.json").write_text("{}")  # it is read when a session needs it
    with control_plane(None, WORKLOADS) as plane:
        user = plane.administrator
        for namespace in (HOME, TEAM):
            user.kubectl("create", "namespace", namespace)
        restricted = "pod-security.kubernetes.io/enforce=restricted"
        user.kubectl("label", "namespace", HOME, restricted)
        own = (
            f"--from-literal=AZURE_CLIENT_ID={CLIENT_ID}",
            "--from-literal=AZURE_CLIENT_SECRET=x",
        )
        user.kubectl("create", "secret", "generic", "azure", "-n", HOME, *own)
        agent = Agent(user, folder / "pods", {IMAGE: operator_image(bundle)}, {PROXY: NOWHERE})
        with running(agent):
            release = Release(Helm(program, user))
            release.install(CHANGES, "--wait", f"--timeout={LIMIT_S}s")
            yield Shipped(plane, release, LIMIT_S, agent)


def manifest(shipped: Shipped, name: str, *words: str, **more: Any) -> Document:
    """Return a pod as restricted as the operator's, which runs these *words* of Python."""
    template = one(rendered(shipped.release.helm, CHANGES), "Job")["spec"]["template"]["spec"]
    container = {**template["containers"][0], "args": list(words), **more.pop("container", {})}
    spec = {**template, "containers": [container], "automountServiceAccountToken": True, **more}
    metadata = {"name": name, "namespace": HOME}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def test_both_replicas_run_on_nodes_of_their_own_and_one_leads(shipped: Shipped) -> None:
    pods = shipped.pods()

    assert [is_ready(pod) for pod in pods] == [True, True]
    assert {pod["spec"]["nodeName"] for pod in pods} == set(NODES)
    assert shipped.leader() in {pod["metadata"]["name"] for pod in pods}
    assert shipped.agent.refusals == []


def test_helm_test_asks_each_replica_under_its_services_name(shipped: Shipped) -> None:
    done = shipped.release.helm("test", RELEASE, f"--namespace={HOME}")

    assert "Succeeded" in done


def test_a_container_has_its_user_files_token_and_words_and_a_root_that_stays_as_it_is(
    shipped: Shipped,
) -> None:
    """It waits for a ConfigMap that is made afterwards, and is not started again: never asked."""
    user = shipped.plane.administrator
    mounts = [
        {"name": "settings", "mountPath": "/etc/settings", "readOnly": True},
        {"name": "temporary", "mountPath": "/tmp"},  # noqa: S108 - a pod's own
    ]
    volumes = [
        {"name": "settings", "configMap": {"name": "late"}},
        {"name": "temporary", "emptyDir": {}},
    ]
    here = {"name": "HERE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    container = {"volumeMounts": mounts, "env": [here]}
    user.create(manifest(shipped, "look", LOOK, "$(HERE)", container=container, volumes=volumes))
    waiting = shipped.eventually(
        lambda: shipped.pod("look"), lambda pod: "containerStatuses" in pod["status"]
    )
    user.kubectl("create", "configmap", "late", "-n", HOME, "--from-literal=a=b")
    ended = shipped.eventually(
        lambda: shipped.pod("look"), lambda pod: phase(pod) in {"Succeeded", "Failed"}
    )
    log = shipped.agent.runner("look").log.read_text()

    reason = waiting["status"]["containerStatuses"][0]["state"]["waiting"]["reason"]
    assert reason == "CreateContainerConfigError"
    assert phase(ended) == "Succeeded", log
    read_only = os.strerror(30)
    assert json.loads(log) == {
        "ids": [65532, 65532, 1],
        "capabilities": 0,
        "privileges": "1",
        "writes": [read_only, read_only, read_only, "written"],
        "settings": "b",
        "user": f"system:serviceaccount:{HOME}:default",
        "pod": ["look"],
        "arguments": ["look"],
    }


def test_a_token_is_replaced_by_another_good_one_when_its_time_comes(
    shipped: Shipped, tmp_path: Path
) -> None:
    pod = parse_pod(shipped.pods()[0])
    (name,) = (name for name, volume in pod.volumes.items() if "projected" in volume)
    times = [time.time()]
    api = Api(shipped.plane.administrator)
    volumes = Volumes(api, pod, "10.244.0.3", tmp_path, lambda: times[-1])
    volumes.fill()
    first = (tmp_path / name / "token").read_text()

    volumes.renew()
    early = (tmp_path / name / "token").read_text()
    times.append(times[0] + 3000)
    volumes.renew()
    second = (tmp_path / name / "token").read_text()

    assert early == first != second
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview"}
    path = "/apis/authentication.k8s.io/v1/tokenreviews"
    seen = api.send("POST", path, {**review, "spec": {"token": second}})["status"]
    api.close()
    assert seen["user"]["username"] == f"system:serviceaccount:{HOME}:vmbackup-operator"
    assert seen["user"]["extra"]["authentication.kubernetes.io/pod-name"] == [pod.name]


def test_a_container_that_is_killed_is_started_again_and_leads_on(shipped: Shipped) -> None:
    name = shipped.leader()
    pid = shipped.agent.runner(name).pid
    assert pid is not None

    os.kill(pid, signal.SIGKILL)
    again = shipped.eventually(
        lambda: shipped.pod(name),
        lambda pod: pod["status"]["containerStatuses"][0]["restartCount"] == 1 and is_ready(pod),
    )

    (container,) = again["status"]["containerStatuses"]
    assert container["lastState"]["terminated"]["exitCode"] == 128 + signal.SIGKILL
    assert shipped.eventually(shipped.leader, bool) in {
        pod["metadata"]["name"] for pod in shipped.pods()
    }


def test_a_container_that_does_not_live_is_ended_and_started_again(shipped: Shipped) -> None:
    """Once it has started its probe finds nobody at another port; it heeds SIGTERM by then."""
    here = {"httpGet": {"path": "/", "port": 8081}, "periodSeconds": 1, "failureThreshold": 200}
    nowhere = {"httpGet": {"path": "/", "port": 9}, "periodSeconds": 1, "failureThreshold": 2}
    pod = manifest(
        shipped,
        "mute",
        "import http.server as h, signal, sys\n"
        "signal.signal(15, lambda *_: sys.exit(7))\n"
        "h.HTTPServer(('', 8081), h.SimpleHTTPRequestHandler).serve_forever()",
        container={"startupProbe": here, "livenessProbe": nowhere},
        restartPolicy="Always",
    )
    shipped.plane.administrator.create(pod)

    again = shipped.eventually(
        lambda: shipped.pod("mute"),
        lambda found: found["status"].get("containerStatuses", [{}])[0].get("restartCount", 0) >= 1,
    )
    shipped.plane.administrator.kubectl("delete", "pod", "mute", "-n", HOME, "--grace-period=1")

    assert again["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 7
    assert not shipped.release.is_there("pod", "mute")


def test_a_pod_with_a_field_that_is_not_known_is_refused_by_the_fields_name(
    shipped: Shipped,
) -> None:
    shipped.plane.administrator.create(manifest(shipped, "odd", "pass", hostname="odd"))

    refused = shipped.eventually(lambda: shipped.pod("odd"), lambda pod: "message" in pod["status"])

    assert phase(refused) == "Pending"
    assert refused["status"]["message"] == "pod odd: spec.hostname: not known"
    assert shipped.agent.refusals == [refused["status"]["message"]]


def test_a_pod_that_is_deleted_ends_as_it_is_asked_to_and_another_leads(shipped: Shipped) -> None:
    name = shipped.leader()
    log = shipped.agent.runner(name).log

    shipped.plane.administrator.kubectl("delete", "pod", name, "-n", HOME, "--wait=false")
    other = shipped.eventually(shipped.leader, lambda leads: leads not in {"", name})
    shipped.eventually(lambda: shipped.release.is_there("pod", name), lambda there: not there)
    pods = shipped.eventually(
        shipped.pods, lambda found: [is_ready(each) for each in found] == [True, True]
    )

    assert "ended" in json.loads(log.read_text().splitlines()[-1])["message"]
    names = {pod["metadata"]["name"] for pod in pods}
    assert other in names
    assert name not in names
    assert {pod["spec"]["nodeName"] for pod in pods} == set(NODES)
