"""One Azurite process: a storage account's data, in memory, on loopback."""

from __future__ import annotations

import asyncio
import os
import re
from dataclasses import dataclass
from pathlib import Path

from azure_simulator.storage.operations import StorageService

_START_DEADLINE_S = 240.0
_STOP_DEADLINE_S = 5.0
_LISTENING = re.compile(rb"Azurite (Blob|Queue) service is successfully listening at \S+:(\d+)")


class AzuriteFailed(RuntimeError):
    """Azurite did not start; the message holds what it said."""


@dataclass(frozen=True, slots=True)
class AzuriteProgram:
    """Where Node and Azurite (its package's folder) are."""

    node: Path
    azurite: Path

    @property
    def compiled(self) -> Path:
        """Where Node keeps what it has compiled: a sixth of what a start computes."""
        return self.azurite.parent / ".compiled"

    def command(self) -> list[str]:
        """Return the command line that starts it on free ports.

        setpriv (util-linux) has the kernel end it when the simulator ends, however that ends.
        """
        return [
            "setpriv",
            "--pdeathsig",
            "KILL",
            str(self.node),
            str(self.azurite / "dist" / "src" / "azurite.js"),
            "--inMemoryPersistence",
            "--silent",
            "--disableTelemetry",
            *("--blobHost", "127.0.0.1", "--blobPort", "0"),
            *("--queueHost", "127.0.0.1", "--queuePort", "0"),
            *("--tableHost", "127.0.0.1", "--tablePort", "0"),
        ]


class AzuriteProcess:
    """A running Azurite that serves one account."""

    def __init__(
        self, process: asyncio.subprocess.Process, ports: dict[StorageService, int]
    ) -> None:
        self._process = process
        self._ports = ports
        self._draining = asyncio.create_task(_drain(process))

    @classmethod
    async def start(cls, program: AzuriteProgram, account: str, key: str) -> AzuriteProcess:
        """Start it for *account*; raise AzuriteFailed where it does not come up."""
        process = await asyncio.create_subprocess_exec(
            *program.command(),
            env={
                "PATH": os.environ["PATH"],
                "AZURITE_ACCOUNTS": f"{account}:{key}",
                "NODE_COMPILE_CACHE": str(program.compiled),
            },
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            ports = await asyncio.wait_for(_ports(process), _START_DEADLINE_S)
        except BaseException:
            await _end(process)
            raise
        return cls(process, ports)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def port(self, service: StorageService) -> int:
        """Return the port of *service*."""
        return self._ports[service]

    async def stop(self) -> None:
        """End it; its data is gone."""
        await _end(self._process)
        await self._draining


async def _ports(process: asyncio.subprocess.Process) -> dict[StorageService, int]:
    ports: dict[StorageService, int] = {}
    said: list[bytes] = []
    while len(ports) < 2:  # noqa: PLR2004 - blobs and queues
        line = await _output(process).readline()
        if not line:
            raise AzuriteFailed(b"".join(said).decode(errors="replace") or "it said nothing")
        said.append(line)
        if match := _LISTENING.search(line):
            ports["blob" if match[1] == b"Blob" else "queue"] = int(match[2])
    return ports


async def _drain(process: asyncio.subprocess.Process) -> None:
    """Read on, so that it never waits for somebody to."""
    while await _output(process).read(65536):
        pass


def _output(process: asyncio.subprocess.Process) -> asyncio.StreamReader:
    if process.stdout is None:
        raise AzuriteFailed("its output is not piped")
    return process.stdout


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _STOP_DEADLINE_S)
    except TimeoutError:
        process.kill()
        await process.wait()
