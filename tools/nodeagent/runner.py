"""One pod from its binding to its end: started, probed, started again, told of, ended."""

from __future__ import annotations

import http.client
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import urllib3

from tools.local_cloud.control_plane import SERVICE_ADDRESS
from tools.nodeagent.api import STRATEGIC, ApiRefused
from tools.nodeagent.contained import Bind, Plan
from tools.nodeagent.container import ContainerProcess, start_container
from tools.nodeagent.environment import NotThere, environment, expanded
from tools.nodeagent.files import write_names
from tools.nodeagent.network import Network, open_network
from tools.nodeagent.pods import Pod, Probe
from tools.nodeagent.probing import Health
from tools.nodeagent.restarts import BackOff, is_restarted
from tools.nodeagent.services import Endpoint, find_endpoints
from tools.nodeagent.status import Ended, Running, State, Waiting, changed, status
from tools.nodeagent.surroundings import Surroundings
from tools.nodeagent.volumes import Volumes

#: How often a pod is looked at.
TURN_S = 0.2
#: How soon what was missing is looked for again.
_AGAIN_S = 2.0
_SUCCESSES = range(200, 400)
_CREATING = Waiting("ContainerCreating")


@dataclass(frozen=True, slots=True)
class _Leaving:
    """That the pod is to end, within *grace_s*, and whether its object is to go with it."""

    grace_s: float
    delete: bool


class PodRunner:
    """Runs *pod* in a thread of its own, at *address*; *before* is the status that it had.

    A pod that ran before, under an agent that has ended, is started again as after a restart of its
    node.
    """

    def __init__(
        self, around: Surroundings, pod: Pod, address: str, before: Mapping[str, Any]
    ) -> None:
        self.pod = pod
        self.address = address
        self._around = around
        self._folder = around.folder / pod.name
        self._told: Mapping[str, Any] = before
        ran = [each for each in before.get("containerStatuses", ()) if each["state"]]
        self._restarts = ran[0]["restartCount"] + 1 if ran else 0
        self._state: State = _CREATING
        self._last: Ended | None = None
        self._container: ContainerProcess | None = None
        self._health = Health({}, 0)
        self._began = datetime.now(UTC)
        self._next_start = 0.0
        self._back_off = BackOff()
        self._leaving: _Leaving | None = None
        #: What went wrong where nothing was to, and the pod ended by it.
        self.fault = ""
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"pod {pod.name}")

    @property
    def log(self) -> Path:
        """Where its container's lines go."""
        return self._folder / f"{self.pod.container.name}.log"

    @property
    def is_ready(self) -> bool:
        """Tell whether its container runs and is ready, whatever its object says yet."""
        return isinstance(self._state, Running) and self._state.ready

    @property
    def pid(self) -> int | None:
        """The id that this machine has for its container's first process, while it runs."""
        return None if self._container is None else self._container.pid

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def leave(self, grace_s: float, *, delete: bool) -> None:
        """Have it ended within *grace_s*, and its object deleted then if *delete*; don't wait."""
        self._leaving = self._leaving or _Leaving(grace_s, delete)
        self._wake.set()

    def wait(self) -> None:
        """Return when it has ended."""
        self._thread.join()

    @property
    def has_left(self) -> bool:
        """Tell whether nothing of it is left."""
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._live()
        except Exception as error:
            self.fault = f"pod {self.pod.name}: {error}"
            raise

    def _live(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        network = open_network(self._folder)
        self._around.networks[self.address] = network
        ends: list[Callable[[], None]] = []
        try:
            behind = self._behind()
            ends = self._around.carry(self.pod, network, behind)
            self._keep(network, behind)
        finally:
            self._end()
            del self._around.networks[self.address]
            for end in ends:
                end()
            network.close()

    def _behind(self) -> list[Endpoint]:
        """Return where Services lead: as it is when a pod begins, which later ones don't change."""
        while self._leaving is None:
            try:
                return find_endpoints(self._around.api, self.pod.namespace)
            except (ApiRefused, urllib3.exceptions.HTTPError):
                self._wake.wait(_AGAIN_S)
        return []

    def _keep(self, network: Network, behind: list[Endpoint]) -> None:
        volumes = Volumes(
            self._around.api, self.pod, self.address, self._folder / "volumes", time.time
        )
        while self._leaving is None:
            try:
                self._turn(network, volumes, behind)
                self._tell()
            except (ApiRefused, urllib3.exceptions.HTTPError):
                pass  # asked again at the next turn: the API server may be away for a while
            self._wake.wait(TURN_S)

    def _turn(self, network: Network, volumes: Volumes, behind: list[Endpoint]) -> None:
        now = time.monotonic()
        if self._container is None:
            if not isinstance(self._state, Ended) and now >= self._next_start:
                self._start(network, volumes, behind)
            return
        if (code := self._container.exit_code) is not None:
            self._ended(code)
            return
        volumes.renew()
        for name in self._health.due(now):
            passed = _answers(network, self.address, self._health.probes[name])
            self._health.record(name, passed=passed, now=time.monotonic())
        if self._health.must_restart:
            self._ended(self._container.end(self.pod.grace_s))
            return
        self._state = Running(self._began, self._health.is_started, self._health.is_ready)

    def _start(self, network: Network, volumes: Volumes, behind: list[Endpoint]) -> None:
        names = write_names(self.pod, self.address, behind, self._folder / "etc")
        try:
            volumes.fill()
            plan = self._plan(volumes, names)
        except NotThere as missing:
            self._state = Waiting("CreateContainerConfigError", str(missing))
            self._next_start = time.monotonic() + _AGAIN_S
            return
        self._container = start_container(network, plan, self._folder, self.log)
        self._began = datetime.now(UTC)
        self._health = Health(self.pod.container.probes, time.monotonic())
        self._state = Running(self._began, self._health.is_started, self._health.is_ready)

    def _plan(self, volumes: Volumes, names: list[Bind]) -> Plan:
        container = self.pod.container
        image = self._around.images[container.image]
        below = {
            "HOME": "/",
            "HOSTNAME": self.pod.name,
            "KUBERNETES_SERVICE_HOST": SERVICE_ADDRESS,
            "KUBERNETES_SERVICE_PORT": "443",
            **image.environment,
        }
        variables = environment(self.pod, self.address, below, self._around.api)
        command = image.entry_point if container.command is None else container.command
        binds = [Bind(path, str(source)) for path, source in image.files.items()]
        for mount in container.mounts:
            writable = volumes.writable(mount.volume) and not mount.read_only
            binds.append(Bind(mount.path, str(volumes.path(mount.volume)), writable))
        root = self._folder / "root"
        root.mkdir(exist_ok=True)
        return Plan(
            root=str(root),
            binds=(*binds, *names),
            words=tuple(expanded(each, variables) for each in (*command, *container.arguments)),
            environment=variables,
            user=self.pod.user,
            group=self.pod.group,
        )

    def _ended(self, code: int) -> None:
        """Take down that the container has ended, and when it is started again."""
        self._container = None
        ended = Ended(self._began, datetime.now(UTC), code)
        if not is_restarted(self.pod.restart_policy, code):
            self._state = ended
            return
        wait_s = self._back_off.next_s((ended.at - ended.began).total_seconds())
        self._last, self._restarts = ended, self._restarts + 1
        self._state = Waiting("CrashLoopBackOff", f"started again in {wait_s:.0f} s")
        self._next_start = time.monotonic() + wait_s

    def _end(self) -> None:
        """End the container, and where the pod was deleted, its object."""
        leaving = self._leaving or _Leaving(0, delete=False)
        if self._container is not None:
            code = self._container.end(leaving.grace_s)
            self._container = None
            self._state = Ended(self._began, datetime.now(UTC), code)
        if leaving.delete:
            self._delete()
        shutil.rmtree(self._folder / "volumes", ignore_errors=True)

    def _delete(self) -> None:
        """Say how it ended, and that nothing is left of it."""
        now_gone = {"gracePeriodSeconds": 0, "preconditions": {"uid": self.pod.uid}}
        while True:
            try:
                self._tell()
                self._around.api.send("DELETE", self.pod.path, now_gone)
            except ApiRefused:
                return  # it has gone, or another has its name
            except urllib3.exceptions.HTTPError:
                time.sleep(_AGAIN_S)
            else:
                return

    def _tell(self) -> None:
        """Bring the status of the pod's object up to date, where it is not."""
        wanted = status(
            self.pod, self.address, self._state, restarts=self._restarts, last=self._last
        )
        told = changed(self._told, wanted, datetime.now(UTC))
        if told == self._told:
            return
        self._around.api.send("PATCH", f"{self.pod.path}/status", {"status": told}, STRATEGIC)
        self._told = told


def _answers(network: Network, address: str, probe: Probe) -> bool:
    """Return whether a probe passes, as the kubelet asks: from outside, at the pod's address."""
    try:
        with network.connect(address, probe.port) as connection:
            connection.settimeout(probe.timeout_s)
            asking = http.client.HTTPConnection(address, probe.port)
            asking.sock = connection
            asking.request("GET", probe.path, headers={"Connection": "close"})
            return asking.getresponse().status in _SUCCESSES
    except (OSError, http.client.HTTPException):
        return False
