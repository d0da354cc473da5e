"""Azurite, the blob and queue data plane of the local cloud: installed once, started at will."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tools.local_cloud.processes import Process, start_program
from tools.local_cloud.toolchains import ROOT, cache_folder, made_once, node, npm, run_quietly

START_DEADLINE_S = 60.0
STOP_DEADLINE_S = 10.0
LISTENING = re.compile(r"Azurite (Blob|Queue) service is successfully listening at \S+:(\d+)")


@dataclass(frozen=True, slots=True)
class Azurite:
    """A running Azurite on loopback."""

    blob_port: int
    queue_port: int
    accounts: Mapping[str, str] = field(repr=False)
    process: Process = field(repr=False)
    secure: bool = False

    def blob_url(self, account: str) -> str:
        """Return the address of *account*'s blobs, with the account in the path."""
        return f"{self._scheme}://127.0.0.1:{self.blob_port}/{account}"

    def queue_url(self, account: str) -> str:
        """Return the address of *account*'s queues, with the account in the path."""
        return f"{self._scheme}://127.0.0.1:{self.queue_port}/{account}"

    @property
    def _scheme(self) -> str:
        return "https" if self.secure else "http"


def installed() -> Path:
    """Return the folder of the Azurite that tools/azurite pins; installed when absent."""
    pins = ROOT / "tools" / "azurite"
    digest = hashlib.sha256((pins / "package-lock.json").read_bytes()).hexdigest()[:16]

    def install(folder: Path) -> None:
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(pins / name, folder / name)
        program = node()
        options = ["--no-audit", "--no-fund", "--ignore-scripts"]
        run_quietly([*npm(program), "ci", *options], cwd=folder, path=program.parent)

    return made_once(cache_folder() / f"azurite-{digest}", install) / "node_modules" / "azurite"


def new_account_key() -> str:
    """Return a key as Azure makes them: base64 of 64 random bytes."""
    return base64.b64encode(secrets.token_bytes(64)).decode()


@contextmanager
def azurite(accounts: Mapping[str, str], *, options: tuple[str, ...] = ()) -> Iterator[Azurite]:
    """Run Azurite with *accounts* (name: key), all in memory, on free ports, until the block ends.

    *options* are Azurite's own: ``("--oauth", "basic", "--cert", …, "--key", …)``.
    """
    with tempfile.TemporaryDirectory(prefix="azurite-") as folder:
        running = start(accounts, Path(folder), options=options)
        try:
            yield running
        finally:
            stop(running)


def start(accounts: Mapping[str, str], folder: Path, *, options: tuple[str, ...] = ()) -> Azurite:
    """Start Azurite in *folder*, which gets its log; return when blob and queue listen."""
    program, script = node(), installed() / "dist" / "src" / "azurite.js"
    command = [str(program), str(script), "--inMemoryPersistence", "--silent", "--disableTelemetry"]
    for service in ("blob", "queue", "table"):
        command += [f"--{service}Host", "127.0.0.1", f"--{service}Port", "0"]
    named = ";".join(f"{name}:{key}" for name, key in accounts.items())
    log = folder / "azurite.log"
    compiled = str(installed().parent / ".compiled")  # a sixth of what a start computes
    variables = {"AZURITE_ACCOUNTS": named, "NODE_COMPILE_CACHE": compiled}
    process = start_program([*command, *options], log, variables).process
    try:
        ports = _ports(process, log)
    except BaseException:
        process.kill()
        process.wait()
        raise
    return Azurite(ports["Blob"], ports["Queue"], dict(accounts), process, "--cert" in options)


def stop(running: Azurite) -> None:
    """End *running*; one that has ended already is no error."""
    running.process.terminate()
    try:
        running.process.wait(STOP_DEADLINE_S)
    except subprocess.TimeoutExpired:  # it waits for open connections
        running.process.kill()
        running.process.wait()


def _ports(process: Process, log: Path) -> dict[str, int]:
    """Wait until the log names both ports."""
    deadline = time.monotonic() + START_DEADLINE_S
    while time.monotonic() < deadline:
        ports = {service: int(port) for service, port in LISTENING.findall(log.read_text())}
        if len(ports) == 2:  # noqa: PLR2004 - blob and queue
            return ports
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError(f"Azurite did not start:\n{log.read_text().strip()[-4000:]}")
