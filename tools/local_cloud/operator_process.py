"""The operator as a process of its own, with the identity and the way to Azure that it has."""

from __future__ import annotations

import os
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import urllib3

from tools.local_cloud import seed
from tools.local_cloud.loading import Loaded
from tools.local_cloud.processes import Program, program_environment, start_program

#: How long a start may take: imports, six CRDs looked at, the first lists. Seconds, on a machine
#: that does nothing else.
START_S = 300
STOP_S = 30

#: How soon it is seen that an operator has ended by itself.
_SEEN_S = 0.5


def azure_environment(ready: Mapping[str, Any]) -> dict[str, str]:
    """Return what points an Azure client of the appliance's VNet at the simulated Azure.

    *ready* is what the simulator wrote when it was up. A proxy, a private CA and an identity: the
    same variables as behind any enterprise's proxy, nothing that knows of a simulator.
    """
    return {
        "HTTPS_PROXY": ready["proxies"]["appliance"],
        "NO_PROXY": "127.0.0.1,localhost",
        "SSL_CERT_FILE": ready["ca"],
        "REQUESTS_CA_BUNDLE": ready["ca"],
        "AZURE_TENANT_ID": ready["tenantId"],
        "AZURE_CLIENT_ID": seed.OPERATOR_CLIENT_ID,
        "AZURE_CLIENT_SECRET": seed.OPERATOR_CLIENT_SECRET,
    }


def clean_environment() -> dict[str, str]:
    """Return this process's environment without what would point elsewhere."""
    foreign = ("AZURE_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "KUBECONFIG")
    return {
        name: value for name, value in os.environ.items() if not name.upper().startswith(foreign)
    }


class OperatorProcess:
    """A running operator; its lines go to *log*."""

    def __init__(
        self, settings: Path, kubeconfig: Path, ready: Mapping[str, Any], log: Path
    ) -> None:
        self._settings, self._kubeconfig, self._ready = settings, kubeconfig, ready
        self._loaded: Loaded | None = None
        # Started again it is the same one, as a container that its pod starts again.
        instance = f"{log.stem}-{uuid.uuid4().hex[:8]}"
        self._arguments = ["--config", str(settings), "--instance", instance]
        self._environment = clean_environment() | azure_environment(ready)
        self._environment["KUBECONFIG"] = str(kubeconfig)
        self._log = log
        self._program: Program | None = None
        self._turn = threading.RLock()
        self._is_restarted = True

    def beside(self, log: Path) -> OperatorProcess:
        """Return another operator of the same appliance, which is not started yet."""
        other = OperatorProcess(self._settings, self._kubeconfig, self._ready, log)
        other._loaded = self._loaded
        return other

    @contextmanager
    def loaded(self) -> Iterator[None]:
        """Load it once: in this context each start is a run of that, in place of a program's.

        So is each start of those beside it. Libraries look at the environment while they are
        loaded, so it is the operator's own.
        """
        log = self._log.with_suffix(".loading")
        environment, modules = self._environment, ["vmbackup_operator.process"]
        self._loaded = Loaded("vmbackup_operator.__main__:main", log, environment, modules)
        try:
            yield
        finally:
            self._loaded.unload()
            self._loaded = None

    @property
    def pid(self) -> int:
        """The process's id; raise where it is not running."""
        if self._program is None:
            raise RuntimeError("the operator is not running")
        return self._program.process.pid

    @property
    def runs(self) -> bool:
        """Tell whether it was started, and neither ended nor was ended since."""
        return self._program is not None and not self._program.has_ended

    @property
    def log(self) -> Path:
        """Where its lines go."""
        return self._log

    def start(self) -> None:
        """Start it, and return once it says that it is ready; it ends with the calling thread."""
        with self._turn:
            self._start()

    def start_again_if_ended(self) -> None:
        """Start it where it was started and has ended by itself, as the kubelet does a container.

        One that cannot reach the API server ends: whatever leads by then is not disturbed by it.
        """
        with self._turn:
            if self._is_restarted and self._program is not None and self._program.has_ended:
                self._start()

    @contextmanager
    def not_restarted(self) -> Iterator[None]:
        """Have it stay ended in this context where it ends by itself."""
        self._is_restarted = False
        try:
            yield
        finally:
            self._is_restarted = True

    def _start(self) -> None:
        port_file = self._log.with_suffix(".health")
        port_file.unlink(missing_ok=True)
        self._program = self._begun([*self._arguments, "--health-port-file", str(port_file)])
        deadline = time.monotonic() + START_S
        while not self._is_ready(port_file):
            if self._program.has_ended or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"the operator did not get ready: see {self._log}")
            time.sleep(0.1)

    def _begun(self, arguments: list[str]) -> Program:
        if self._loaded is None:
            command = [sys.executable, "-m", "vmbackup_operator", *arguments]
            return start_program(command, self._log, self._environment)
        environment = program_environment(self._log, self._environment)
        with self._log.open("ab") as output, Path(os.devnull).open("rb") as nothing:
            streams = (nothing.fileno(), output.fileno(), output.fileno())
            run = self._loaded.begin(arguments, streams, environment, self._log.parent)
        return Program("vmbackup_operator", self._log, run)

    def kill(self) -> None:
        """End it by SIGKILL: it gets to do nothing more."""
        with self._turn:
            if self._program is not None:
                self._program.process.kill()
            self.stop()

    def stop(self) -> int | None:
        """End it by SIGTERM, and by SIGKILL where that takes longer than half a minute.

        Returns its exit code, or None where it was not running.
        """
        with self._turn:
            program, self._program = self._program, None
            return None if program is None else program.stop(STOP_S)

    def metrics(self) -> str:
        """Return what it tells Prometheus, as OpenMetrics."""
        port = self._log.with_suffix(".health").read_text()
        accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
        answer = urllib3.request("GET", f"http://127.0.0.1:{port}/metrics", headers=accept)
        return answer.data.decode()

    def resident_bytes(self) -> int:
        """Return how much memory it holds."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("the kernel does not say how much memory the operator holds")

    def _is_ready(self, port_file: Path) -> bool:
        if not port_file.exists() or not (port := port_file.read_text().strip()):
            return False
        try:
            answer = urllib3.request(
                "GET", f"http://127.0.0.1:{port}/readyz", timeout=2, retries=False
            )
        except urllib3.exceptions.HTTPError:
            return False
        return answer.status == 200  # noqa: PLR2004 - OK


@contextmanager
def running(operator: OperatorProcess) -> Iterator[OperatorProcess]:
    """Start *operator*, and have it ended whatever happens."""
    try:
        operator.start()
        yield operator
    finally:
        operator.stop()


@contextmanager
def restarted(operator: OperatorProcess) -> Iterator[OperatorProcess]:
    """Start *operator*, again whenever it ends by itself, and have it ended whatever happens."""
    over = threading.Event()

    def keep() -> None:
        while not over.wait(_SEEN_S):
            operator.start_again_if_ended()

    with running(operator):
        keeper = threading.Thread(target=keep, name=f"restarts {operator.log}")
        keeper.start()
        try:
            yield operator
        finally:
            operator.stop()  # while the thread lasts that may have started it
            over.set()
            keeper.join()
