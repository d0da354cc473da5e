"""The agent: two nodes, the pods that are bound to them, and where those reach to."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3

from tools.local_cloud.control_plane import SERVICE_ADDRESS
from tools.local_cloud.kubernetes_user import KubernetesUser
from tools.nodeagent import binding, nodes
from tools.nodeagent.api import STRATEGIC, Api, ApiRefused
from tools.nodeagent.images import Image
from tools.nodeagent.pods import NotKnown, parse_pod
from tools.nodeagent.relays import Relays
from tools.nodeagent.runner import PodRunner
from tools.nodeagent.surroundings import Place, Surroundings

#: How often pods are looked at.
LOOK_S = 0.5
NODES = ("node-1", "node-2")
_OVER = frozenset({"Succeeded", "Failed"})


class Agent:
    """Runs what is bound to its nodes, from `start` to `stop`, and again.

    *images* are by the names that pods have for them; *routes* are the places of this machine that
    pods reach, by what they dial, beside the API server. What is written lies in *folder*.
    """

    def __init__(
        self,
        user: KubernetesUser,
        folder: Path,
        images: Mapping[str, Image],
        routes: Mapping[Place, Place],
        names: Sequence[str] = NODES,
    ) -> None:
        self._user, self._folder, self._images = user, folder, images
        server = urlsplit(user.access().server)
        api_server = (str(server.hostname), int(server.port or 443))
        self._routes = {**routes, (SERVICE_ADDRESS, 443): api_server}
        self._names = names
        self._numbers = itertools.count(2)
        self._refused: dict[str, str] = {}
        self._runners: dict[str, PodRunner] = {}
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def refusals(self) -> list[str]:
        """What it could not do, for which pod: fields not known, images not there, faults."""
        return list(self._refused.values())

    def runner(self, name: str) -> PodRunner:
        """Return what runs the pod of that name; raise LookupError where nothing does."""
        for each in list(self._runners.values()):
            if each.pod.name == name and not each.has_left:
                return each
        raise LookupError(f"no pod {name} runs here")

    def start(self) -> None:
        """Register the nodes and begin; what was running when it was stopped runs again."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._work, name="node agent")
        self._thread.start()

    def stop(self) -> None:
        """End every pod's process, by SIGTERM first; the pods' objects stay. Again is no fault."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        try:
            self._be_nodes()
        except Exception as error:
            self._refused["nodes"] = f"the nodes have ended: {error}"
            raise

    def _be_nodes(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        api, relays = Api(self._user), Relays()
        around = Surroundings(api, self._folder, self._images, self._routes, relays)
        try:
            self._register(api)
            self._keep(around)
        finally:
            for runner in self._runners.values():
                runner.leave(runner.pod.grace_s, delete=False)
            for runner in self._runners.values():
                runner.wait()
            self._runners.clear()
            relays.close()
            api.close()

    def _register(self, api: Api) -> None:
        for name in self._names:
            while not self._stopping.is_set():
                with contextlib.suppress(ApiRefused, urllib3.exceptions.HTTPError):
                    nodes.register(api, name)
                    break
                self._stopping.wait(LOOK_S)

    def _keep(self, around: Surroundings) -> None:
        heard = time.monotonic()
        while not self._stopping.wait(LOOK_S):
            # The API server may be away for a while: what runs goes on.
            with contextlib.suppress(ApiRefused, urllib3.exceptions.HTTPError):
                self._look(around)
                if time.monotonic() - heard >= nodes.RENEW_S:
                    for name in self._names:
                        nodes.renew(around.api, name)
                    heard = time.monotonic()

    def _look(self, around: Surroundings) -> None:
        pods = around.api.get("/api/v1/pods")["items"]
        self._bind(around.api, pods)
        there = {pod["metadata"]["uid"]: pod for pod in pods}
        self._forget(there)
        for uid, pod in there.items():
            if pod["spec"].get("nodeName") in self._names:
                self._see(around, uid, pod)

    def _bind(self, api: Api, pods: Sequence[Any]) -> None:
        """Give each of *pods* that has no node one."""
        for pod in pods:
            if "nodeName" not in pod["spec"] and "deletionTimestamp" not in pod["metadata"]:
                node = binding.chosen_node(pod, self._names, pods)
                binding.bind(api, pod, node)
                pod["spec"]["nodeName"] = node

    def _forget(self, there: Mapping[str, Any]) -> None:
        """End what runs for a pod that is not *there*, and let go of what has ended."""
        for uid, runner in list(self._runners.items()):
            if uid not in there:
                runner.leave(0, delete=False)
            if runner.has_left:
                del self._runners[uid]
                if runner.fault:  # and it is not tried again
                    self._refused[uid] = runner.fault

    def _see(self, around: Surroundings, uid: str, pod: Mapping[str, Any]) -> None:
        """Have *pod* begin or end, where it is to."""
        leaving = "deletionTimestamp" in pod["metadata"]
        if uid in self._runners:
            if leaving:
                grace_s = pod["metadata"]["deletionGracePeriodSeconds"]
                self._runners[uid].leave(grace_s, delete=True)
        elif leaving:
            path = (
                f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
            )
            around.api.send("DELETE", path, {"gracePeriodSeconds": 0})
        elif uid not in self._refused and pod.get("status", {}).get("phase") not in _OVER:
            self._begin(around, uid, pod)

    def _begin(self, around: Surroundings, uid: str, manifest: Mapping[str, Any]) -> None:
        try:
            pod = parse_pod(manifest)
            if pod.container.image not in self._images:
                raise NotKnown(f"pod {pod.name}: there is no image {pod.container.image}")
        except NotKnown as refused:
            self._refused[uid] = str(refused)
            _tell_refused(around.api, manifest, str(refused))
            return
        number = next(self._numbers)
        address = f"10.244.{number // 250}.{number % 250 + 1}"
        self._runners[uid] = PodRunner(around, pod, address, manifest.get("status", {}))
        self._runners[uid].start()


def _tell_refused(api: Api, manifest: Mapping[str, Any], why: str) -> None:
    """Say in the pod's status why it waits: failed, its owner would make another one at once."""
    metadata = manifest["metadata"]
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/status"
    status = {"phase": "Pending", "reason": "NotKnown", "message": why}
    api.send("PATCH", path, {"status": status}, STRATEGIC)


@contextlib.contextmanager
def running(agent: Agent) -> Iterator[Agent]:
    """Start *agent*, and have it stopped whatever happens."""
    try:
        agent.start()
        yield agent
    finally:
        agent.stop()
