"""One service of a VM: started, watched, restarted as its unit says, and stopped with its group."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import deque
from pathlib import Path

from azure_simulator.machines.guest.commands import ENVIRONMENT
from azure_simulator.machines.guest.root import SOURCES
from azure_simulator.machines.guest.units import (
    Command,
    Unit,
    expand,
    read_environment_file,
)

JOURNAL = Path("/var/log/journal.txt")

_CONFINE = (
    f"import sys; sys.path.insert(0, {SOURCES!r});"
    "from azure_simulator.machines.guest.confine import main; main()"
)

#: systemd's own exit codes.
_EXEC_FAILED = 203
_ENVIRONMENT_FAILED = 209


def write_journal(unit: str, text: str) -> None:
    """Add what the service manager says of *unit* to the VM's journal."""
    with JOURNAL.open("a", encoding="utf-8") as journal:
        journal.write(f"{time.strftime('%b %d %H:%M:%S')} systemd: {unit}: {text}\n")


class Service:
    """A unit's processes; *state* is what ``is-active`` prints."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.state = "inactive"
        self.pid: int | None = None
        self._watch: asyncio.Task[None] | None = None
        self._starts: deque[float] = deque()

    async def start(self) -> bool:
        """Start it where it is not up; tell whether it could be, as ``systemctl start`` does."""
        if self.state in ("active", "activating"):
            return True
        if not self._conditions_hold():
            return True
        await self._end_watch()
        process = await self._start_once()
        if process is None or self.unit.kind == "oneshot":
            return self.state != "failed"
        self._watch = asyncio.create_task(self._attend(process))
        return True

    async def stop(self) -> None:
        """End its processes: asked first, killed when the unit's time is over."""
        await self._end_watch()
        if self.pid is not None:
            pid, self.state = self.pid, "deactivating"
            await _end_group(pid, self.unit.stop_s)
            write_journal(self.unit.name, "Stopped.")
        self.pid, self.state = None, "inactive"

    def reset(self) -> None:
        """Forget failures and past starts."""
        self._starts.clear()
        if self.state == "failed":
            self.state = "inactive"

    async def _end_watch(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait([self._watch])
            self._watch = None

    async def _attend(self, process: asyncio.subprocess.Process | None) -> None:
        """Wait for the main process, and start it again for as long as the unit wants that."""
        while True:
            code = await process.wait() if process is not None else _EXEC_FAILED
            if process is not None:
                _kill_group(process.pid)  # what it left behind belongs to the service
            self.pid = None
            write_journal(self.unit.name, f"Main process exited, code {code}.")
            if code in self.unit.never_restart or not _wants_restart(self.unit.restart, code):
                self.state = "failed" if code else "inactive"
                return
            self.state = "activating"
            await asyncio.sleep(self.unit.restart_s)
            process = await self._start_once()
            if process is None and self.state == "failed":
                return

    async def _start_once(self) -> asyncio.subprocess.Process | None:
        """Run the unit's commands once; None where no main process is left running."""
        if self._started_too_often():
            self._fail("Start request repeated too quickly.")
            return None
        self.state = "activating"
        environment = self._environment()
        if environment is None:
            return None
        for folder in self.unit.folders:
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(self.unit.folders_mode)
        waited_for = self.unit.before_start
        if self.unit.kind == "oneshot":
            waited_for += self.unit.start
        if not await self._run_each(waited_for, environment):
            return None
        if self.unit.kind == "oneshot":
            self.state = "active" if self.unit.remains else "inactive"
            return None
        process = await self._spawn(self.unit.start[0], environment)
        if process is not None:
            self.pid, self.state = process.pid, "active"
            write_journal(self.unit.name, f"Started, pid {process.pid}.")
        return process

    async def _run_each(self, commands: tuple[Command, ...], environment: dict[str, str]) -> bool:
        for command in commands:
            process = await self._spawn(command, environment)
            code = await process.wait() if process is not None else _EXEC_FAILED
            if code and not command.may_fail:
                self._fail(f"{command.words[0]} exited, code {code}.")
                return False
        return True

    async def _spawn(
        self, command: Command, environment: dict[str, str]
    ) -> asyncio.subprocess.Process | None:
        with JOURNAL.open("ab") as output:  # noqa: ASYNC230 - a line of a local file
            try:
                return await asyncio.create_subprocess_exec(
                    *self._confined(expand(command.words, environment)),
                    env=environment,
                    cwd=self.unit.working_folder.removeprefix("-"),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            except OSError as error:
                self._fail(f"{command.words[0]}: {error.strerror}, code {_EXEC_FAILED}.")
                return None

    def _conditions_hold(self) -> bool:
        """Tell whether the unit is to be started at all; where not, that is no failure."""
        missing = [path for path in self.unit.conditions if not Path(path).exists()]
        if missing:
            write_journal(self.unit.name, f"Condition failed: {missing[0]} is not there.")
        return not missing

    def _confined(self, words: list[str]) -> list[str]:
        """Return the command line that runs *words* as the unit's sandbox says."""
        sandbox = self.unit.sandbox
        if not sandbox.is_needed:
            return words
        return ["/usr/bin/python3", "-ISB", "-c", _CONFINE, sandbox.to_json(), *words]

    def _environment(self) -> dict[str, str] | None:
        environment = {**ENVIRONMENT, **self.unit.environment}
        if self.unit.sandbox.credentials:
            environment["CREDENTIALS_DIRECTORY"] = self.unit.sandbox.credentials_folder
        for path, may_be_missing in self.unit.environment_files:
            try:
                environment.update(read_environment_file(Path(path).read_text("utf-8")))
            except OSError as error:
                if not may_be_missing:
                    self._fail(f"{path}: {error.strerror}, code {_ENVIRONMENT_FAILED}.")
                    return None
        return environment

    def _started_too_often(self) -> bool:
        now = time.monotonic()
        self._starts.append(now)
        while now - self._starts[0] > self.unit.start_limit_s:
            self._starts.popleft()
        return 0 < self.unit.start_limit < len(self._starts)

    def _fail(self, why: str) -> None:
        self.state = "failed"
        write_journal(self.unit.name, why)


def _wants_restart(restart: str, code: int) -> bool:
    if restart == "on-failure":
        return code != 0
    if restart == "on-success":
        return code == 0
    if restart in ("on-abnormal", "on-abort"):
        return code < 0
    return restart == "always"


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


async def _end_group(pid: int, patience_s: float) -> None:
    try:
        os.killpg(pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        try:
            os.killpg(pid, 0)
        except ProcessLookupError:
            return
        await asyncio.sleep(0.02)
    _kill_group(pid)
