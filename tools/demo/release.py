"""vmbackup as a release of its chart: what a user has made before, and the pods that come of it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import yaml

from tools.demo.narration import FactBroken
from tools.local_cloud.control_plane import SERVICE_ADDRESS, ControlPlane
from tools.local_cloud.go_programs import HELM
from tools.local_cloud.helm import Helm
from tools.local_cloud.installation import (
    CHART,
    OPERATOR_NAMESPACE,
    USER_NAMESPACE,
    example_settings,
    make_repository_key,
    make_secret,
)
from tools.local_cloud.operator_process import azure_environment
from tools.nodeagent.agent import Agent, running
from tools.nodeagent.fields import not_known
from tools.nodeagent.images import operator_image
from tools.nodeagent.runner import PodRunner

RELEASE = "vmbackup"
REPOSITORY = "registry.example.com/vmbackup"
_IDENTITY, _AUTHORITY = "azure-identity", "azure-authority"
_AUTHORITY_FOLDER = "/etc/azure-authority"
#: Where the pods' network has the proxy that the way to Azure goes by.
_PROXY = ("10.10.0.4", 3128)
_POD_LIMIT_S = 240
_LOOK_S = 0.2

Found = TypeVar("Found")


class Release:
    """The release in *plane*; its nodes' files lie in *folder*, the workers' bundle in *bundle*."""

    def __init__(
        self, plane: ControlPlane, ready: Mapping[str, Any], bundle: Path, folder: Path
    ) -> None:
        self._plane, self._user, self._ready = plane, plane.administrator, ready
        self._helm = Helm(HELM.path(), self._user)
        proxy = urlsplit(str(ready["proxies"]["appliance"]))
        leads_to = (str(proxy.hostname), int(proxy.port or 0))
        images = {f"{REPOSITORY}:{_version()}": operator_image(bundle)}
        self._agent = Agent(self._user, folder, images, {_PROXY: leads_to})

    def prepare(self, folder: Path) -> Path:
        """Make what a user has before: namespaces, Secrets, the CA; return the repository's key."""
        for namespace in (OPERATOR_NAMESPACE, USER_NAMESPACE):
            self._user.kubectl("create", "namespace", namespace)
        identity = azure_environment(self._ready)
        keys = ("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET")
        values = {key: identity[key] for key in keys}
        make_secret(self._plane, OPERATOR_NAMESPACE, _IDENTITY, values)
        where = ("-n", OPERATOR_NAMESPACE, f"--from-file=ca.pem={self._ready['ca']}")
        self._user.kubectl("create", "configmap", _AUTHORITY, *where)
        return make_repository_key(self._plane, folder)

    def run_nodes(self, running_parts: ExitStack) -> None:
        """Begin the nodes, which end with *running_parts*."""
        running_parts.enter_context(running(self._agent))

    def install(self) -> None:
        """Install the chart, and return when all that it makes is ready.

        Raise FactBroken, and install nothing, where its pods have a field that no node knows.
        """
        values = self._values()
        what = (RELEASE, str(CHART), f"--namespace={OPERATOR_NAMESPACE}")
        if unknown := not_honoured(self._helm("template", *what, values=values)):
            raise FactBroken("; ".join(unknown))
        waiting = ("--wait", f"--timeout={_POD_LIMIT_S}s")
        self._checked(lambda: self._helm("install", *what, *waiting, values=values))

    def test(self) -> None:
        """Have the chart's own test ask every replica; raise FactBroken where one is not ready."""
        words = ("test", RELEASE, f"--namespace={OPERATOR_NAMESPACE}")
        self._checked(lambda: self._helm(*words))

    def pods(self) -> str:
        """Return kubectl's list of the operator's pods."""
        chosen = "app.kubernetes.io/component=operator"
        columns = "NAME:.metadata.name,NODE:.spec.nodeName,IP:.status.podIP"
        columns += ",RESTARTS:.status.containerStatuses[0].restartCount"
        where = ("-n", OPERATOR_NAMESPACE, "-l", chosen)
        return self._user.kubectl("get", "pods", *where, f"-o=custom-columns={columns}")

    def leader(self) -> str:
        """Return the name of the pod that leads, or nothing while none does."""
        leases = self._user.find(
            OPERATOR_NAMESPACE, "leases", within="/apis/coordination.k8s.io/v1"
        )
        holders = (each["spec"].get("holderIdentity") or "" for each in leases["items"])
        return next(holders, "")

    def leading(self) -> PodRunner:
        """Return what runs the pod that leads."""
        return self._agent.runner(self._awaited(self.leader, bool, "one leads"))

    def resident_bytes(self) -> int:
        """Return how much memory the operator holds that leads."""
        for line in Path(f"/proc/{self.leading().pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("the kernel does not say how much memory the operator holds")

    def kill_leader(self) -> str:
        """End the leading operator by SIGKILL; return the name of its pod."""
        leading = self.leading()
        if leading.pid is None:
            raise FactBroken(f"the operator in {leading.pod.name} has ended: see {leading.log}")
        os.kill(leading.pid, signal.SIGKILL)
        return leading.pod.name

    def wait_until_restarted(self, pod: str) -> int:
        """Return what the container of *pod* ended with, once it was restarted and is ready."""

        def look() -> Any:
            (status,) = self._user.read(f"/api/v1/namespaces/{OPERATOR_NAMESPACE}/pods/{pod}")[
                "status"
            ]["containerStatuses"]
            return status

        seen = self._awaited(
            look, lambda each: each["restartCount"] > 0 and each["ready"], f"{pod} runs again"
        )
        return int(seen["lastState"]["terminated"]["exitCode"])

    def delete_leader(self) -> None:
        """Delete the leading pod; return once another leads."""
        before = self.leading().pod.name
        self._user.kubectl("delete", "pod", before, "-n", OPERATOR_NAMESPACE, "--wait=false")
        self._awaited(self.leader, lambda name: name not in {"", before}, "another leads")

    def complaints(self) -> list[str]:
        """Return what the nodes could not do for a pod."""
        return self._agent.refusals

    def stop(self) -> None:
        """End the nodes with all that runs on them; in the cluster everything stays."""
        self._agent.stop()

    def start_again(self) -> None:
        """Start the nodes again, and what was on them; return when both replicas are ready."""
        self._agent.start()
        self._awaited(self._ready_replicas, lambda count: count == _replicas(), "all are ready")

    def _ready_replicas(self) -> int:
        """Return how many pods are ready, by their processes: objects say what was before."""
        path = f"/api/v1/namespaces/{OPERATOR_NAMESPACE}/pods"
        query = {"labelSelector": "app.kubernetes.io/component=operator"}
        names = (str(pod["metadata"]["name"]) for pod in self._user.read(path, query)["items"])
        return sum(self._is_ready(name) for name in names)

    def _is_ready(self, pod: str) -> bool:
        try:
            return self._agent.runner(pod).is_ready
        except LookupError:
            return False

    def _values(self) -> dict[str, Any]:
        """Return the settings that the chart has, and what a private cloud behind a proxy needs."""
        values: dict[str, Any] = example_settings()
        values["appliance"]["tenantId"] = self._ready["tenantId"]
        values["tenancy"][0]["repositories"] = [f"{USER_NAMESPACE}/*"]
        authority = f"{_AUTHORITY_FOLDER}/ca.pem"
        variables = {
            "HTTPS_PROXY": f"http://{_PROXY[0]}:{_PROXY[1]}",
            "NO_PROXY": SERVICE_ADDRESS,
            "SSL_CERT_FILE": authority,
            "REQUESTS_CA_BUNDLE": authority,
        }
        return {
            **values,
            "image": {"repository": REPOSITORY},
            "azureIdentity": {"secretName": _IDENTITY},
            "extraEnv": [{"name": name, "value": each} for name, each in variables.items()],
            "extraVolumes": [{"name": "authority", "configMap": {"name": _AUTHORITY}}],
            "extraVolumeMounts": [{"name": "authority", "mountPath": _AUTHORITY_FOLDER}],
            "networkPolicy": {"extraEgress": [{"ports": [{"port": _PROXY[1]}]}]},
        }

    def _checked(self, act: Callable[[], object]) -> None:
        """Do *act*; where a node refuses a pod meanwhile, that is what went wrong."""
        try:
            act()
        except RuntimeError as error:
            raise FactBroken("; ".join([*self.complaints(), str(error)])) from error
        if refused := self.complaints():
            raise FactBroken("; ".join(refused))

    def _awaited(
        self, look: Callable[[], Found], good: Callable[[Found], bool], what: str
    ) -> Found:
        deadline = time.monotonic() + _POD_LIMIT_S
        while not good(found := look()):
            if time.monotonic() > deadline:
                raise FactBroken(f"not seen in {_POD_LIMIT_S} s: {what}; {self.pods()}")
            time.sleep(_LOOK_S)
        return found


def not_honoured(rendered: str) -> list[str]:
    """Return what the nodes don't know of the pods that *rendered* objects have templates of."""
    return [
        f"{each['kind']} {each['metadata']['name']}: {problem}"
        for each in yaml.safe_load_all(rendered)
        if each and "template" in each.get("spec", {})
        for problem in not_known(each["spec"]["template"]["spec"])
    ]


def _version() -> str:
    return str(yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"])


def _replicas() -> int:
    return int(yaml.safe_load((CHART / "values.yaml").read_text())["replicas"])
