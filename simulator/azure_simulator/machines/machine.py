"""One VM while it is up: its processes, the wire into it, and the Run Commands under way."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import signal
import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from azure_simulator.backing import CommandResult, MachineNotRunning
from azure_simulator.machines.guest.plan import Plan

#: A namespace for everything that a process tree can have of its own. The first process dies with
#: unshare, and all others with the first.
NAMESPACES = (
    "unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--uts", "--ipc",
    "--fork", "--kill-child=SIGKILL",
)  # fmt: skip

_BOOT = (
    "import sys; sys.path.insert(0, {sources!r}); "
    "from azure_simulator.machines.guest.boot import main; main()"
)
_BOOT_TIMEOUT_S = 60.0
_END_TIMEOUT_S = 5.0
_LONGEST_LINE = 1024 * 1024


class BootFailed(Exception):
    """A VM's first process ended before it was up; the message has its last words."""


@dataclass(slots=True)
class _Wire:
    """The simulator's end of the control socket."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def receive(self) -> dict[str, Any] | None:
        """Return the VM's next message, or None when it is gone."""
        try:
            line = await self.reader.readline()
        except ConnectionError:
            return None
        message: dict[str, Any] | None = json.loads(line) if line else None
        return message

    def send(self, message: dict[str, Any]) -> None:
        self.writer.write(json.dumps(message).encode() + b"\n")


class RunningMachine:
    """A booted VM; made by `boot`."""

    def __init__(self, process: asyncio.subprocess.Process, wire: _Wire) -> None:
        self._process = process
        self._wire = wire
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[CommandResult]] = {}
        self._listening = asyncio.get_running_loop().create_task(self._listen())

    @property
    def pid(self) -> int:
        """The process to end, on the host, to end all of the VM's."""
        return self._process.pid

    @property
    def up(self) -> bool:
        """Tell whether the VM's first process lives."""
        return not self._listening.done()

    async def run(
        self, script: str, environment: Mapping[str, str], timeout_s: float
    ) -> CommandResult:
        """Run *script* to its end; cancelling kills it, and so does its timeout, with an error."""
        if not self.up:
            raise MachineNotRunning("the machine is down")
        number = next(self._numbers)
        result: asyncio.Future[CommandResult] = asyncio.get_running_loop().create_future()
        self._waiting[number] = result
        request = {
            "script": script,
            "environment": dict(environment),
            "timeoutSeconds": timeout_s,
        }
        self._wire.send({"id": number, "run": request})
        try:
            return await result
        except asyncio.CancelledError:
            self._wire.send({"id": number, "cancel": True})
            raise
        finally:
            self._waiting.pop(number, None)

    async def end(self) -> None:
        """Kill every process of it; all are gone on return."""
        self._wire.writer.close()
        try:
            # The first process ends by itself when its wire does, and unshare after the kernel has
            # killed all others of the namespace.
            await asyncio.wait_for(self._process.wait(), _END_TIMEOUT_S)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)
            await self._process.wait()
        await self._listening

    async def ended(self) -> None:
        """Return when the VM is down, for whatever reason."""
        await asyncio.wait([self._listening])

    async def _listen(self) -> None:
        while (message := await self._wire.receive()) is not None:
            waiting = self._waiting.get(message["id"])
            if waiting is None or waiting.done():
                continue
            if message["exitCode"] is None:
                waiting.set_exception(TimeoutError("the script's time was over; it was killed"))
            else:
                waiting.set_result(
                    CommandResult(message["exitCode"], message["stdout"], message["stderr"])
                )
        self._wire.writer.close()
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(MachineNotRunning("the machine went down"))


async def boot(plan: Plan, channel: socket.socket, sources: Path, log: Path) -> RunningMachine:
    """Start the VM that *plan* describes; its connections come over the other end of *channel*.

    The plan's descriptors are filled in here. *channel* is the VM's end, and closed.
    """
    ours, theirs = socket.socketpair()
    with channel, theirs, log.open("ab") as output:
        filled = replace(plan, control=theirs.fileno(), channel=channel.fileno())
        process = await asyncio.create_subprocess_exec(
            *NAMESPACES,
            plan.python,
            "-ISB",
            "-c",
            _BOOT.format(sources=str(sources)),
            filled.to_json(),
            pass_fds=(filled.control, filled.channel),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    reader, writer = await asyncio.open_connection(sock=ours, limit=_LONGEST_LINE)
    wire = _Wire(reader, writer)
    try:
        async with asyncio.timeout(_BOOT_TIMEOUT_S):
            ready = await wire.receive()
    except TimeoutError:
        ready = None
    if ready is None:
        writer.close()
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise BootFailed(f"{plan.hostname} did not boot: {_last_words(log)}")
    return RunningMachine(process, wire)


def _last_words(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return lines[-1] if lines else "it said nothing"
