"""The VM's service manager: answers ``systemctl`` over a socket of the VM's own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from azure_simulator.machines.guest.address import SOCKET
from azure_simulator.machines.guest.services import Service, write_journal
from azure_simulator.machines.guest.units import UNITS_FOLDER, BadUnit, Unit, load

_BOOT_TARGETS = ("multi-user.target", "default.target")
_FLAGS = {"--now", "--quiet", "-q", "--no-pager", "--no-block", "--system", "--full", "-l"}

#: systemctl's own exit codes.
_NOT_ACTIVE = 3
_NO_SUCH_UNIT = 5


@dataclass(frozen=True)
class Reply:
    """What ``systemctl`` prints and ends with."""

    code: int = 0
    output: str = ""
    error: str = ""


class ServiceManager:
    """Units by name; read when first named, and again after ``daemon-reload``."""

    def __init__(self) -> None:
        self._server: asyncio.AbstractServer | None = None
        self._services: dict[str, Service] = {}
        self._stale: set[str] = set()
        self._tasks: set[asyncio.Task[bool]] = set()
        self._verbs: dict[str, Callable[[str, frozenset[str]], Awaitable[Reply]]] = {
            "start": self._start,
            "stop": self._stop,
            "restart": self._restart,
            "enable": self._enable,
            "disable": self._disable,
            "is-active": self._is_active,
            "is-failed": self._is_failed,
            "is-enabled": self._is_enabled,
            "status": self._status,
            "reset-failed": self._reset_failed,
        }

    async def listen(self) -> None:
        """Answer ``systemctl`` from here on."""
        Path(SOCKET).parent.mkdir(exist_ok=True)
        self._server = await asyncio.start_unix_server(self._answer, SOCKET)

    def start_enabled(self) -> None:
        """Start what is enabled, as a boot does."""
        for target in _BOOT_TARGETS:
            for link in sorted((UNITS_FOLDER / f"{target}.wants").glob("*")):
                self._start_at_boot(link.name)

    def _start_at_boot(self, name: str) -> None:
        try:
            task = asyncio.create_task(self._service(name).start())
        except BadUnit as error:
            write_journal(name, str(error))
            return
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        words = json.loads(await reader.readline())
        reply = await self._obey(words)
        said = {"code": reply.code, "output": reply.output, "error": reply.error}
        writer.write(json.dumps(said).encode())
        writer.close()

    async def _obey(self, words: list[str]) -> Reply:
        flags = frozenset(word for word in words if word.startswith("-"))
        verb, *names = [word for word in words if not word.startswith("-")] or [""]
        if unknown := flags - _FLAGS:
            return Reply(1, error=f"unrecognized option '{min(unknown)}'")
        if verb == "daemon-reload":
            self._stale = set(self._services)
            return Reply()
        if verb not in self._verbs:
            return Reply(1, error=f"Unknown command verb {verb}.")
        if not names:
            return Reply(1, error="Too few arguments.")
        replies = [await self._apply_to(verb, _full_name(name), flags) for name in names]
        return Reply(
            max(reply.code for reply in replies),
            "".join(f"{reply.output}\n" for reply in replies if reply.output),
            "".join(f"{reply.error}\n" for reply in replies if reply.error),
        )

    async def _apply_to(self, verb: str, name: str, flags: frozenset[str]) -> Reply:
        try:
            return await self._verbs[verb](name, flags)
        except BadUnit as error:
            return Reply(_NO_SUCH_UNIT, error=f"Failed to {verb} {name}: {error}")

    def _service(self, name: str) -> Service:
        service = self._services.get(name)
        if service is None:
            service = self._services[name] = Service(_loaded(name))
        elif name in self._stale:
            service.unit = _loaded(name)
            self._stale.discard(name)
        return service

    async def _start(self, name: str, _flags: frozenset[str]) -> Reply:
        if await self._service(name).start():
            return Reply()
        return Reply(1, error=f"Job for {name} failed. See /var/log/journal.txt.")

    async def _stop(self, name: str, _flags: frozenset[str]) -> Reply:
        await self._service(name).stop()
        return Reply()

    async def _restart(self, name: str, flags: frozenset[str]) -> Reply:
        await self._stop(name, flags)
        return await self._start(name, flags)

    async def _enable(self, name: str, flags: frozenset[str]) -> Reply:
        said = _make_links(self._service(name).unit)
        if "--now" not in flags:
            return Reply(error=said)
        started = await self._start(name, flags)
        return Reply(started.code, error=f"{said}\n{started.error}".strip())

    async def _disable(self, name: str, flags: frozenset[str]) -> Reply:
        links = _made_links(self._service(name).unit)
        for link in links:
            link.unlink()
        if "--now" in flags:
            await self._stop(name, flags)
        return Reply(error="\n".join(f"Removed {link}." for link in links))

    async def _is_active(self, name: str, flags: frozenset[str]) -> Reply:
        state = self._state(name)
        return Reply(0 if state == "active" else _NOT_ACTIVE, _unless_quiet(state, flags))

    async def _is_failed(self, name: str, flags: frozenset[str]) -> Reply:
        state = self._state(name)
        return Reply(0 if state == "failed" else 1, _unless_quiet(state, flags))

    async def _is_enabled(self, name: str, flags: frozenset[str]) -> Reply:
        enabled = bool(_made_links(self._service(name).unit))
        said = _unless_quiet("enabled" if enabled else "disabled", flags)
        return Reply(0 if enabled else 1, said)

    async def _status(self, name: str, _flags: frozenset[str]) -> Reply:
        service = self._service(name)
        said = (
            f"{name} - {service.unit.description}\n"
            f"     Loaded: loaded ({UNITS_FOLDER}/{name})\n"
            f"     Active: {service.state}\n"
            f"   Main PID: {service.pid or '-'}"
        )
        return Reply(0 if service.state == "active" else _NOT_ACTIVE, said)

    async def _reset_failed(self, name: str, _flags: frozenset[str]) -> Reply:
        self._service(name).reset()
        return Reply()

    def _state(self, name: str) -> str:
        try:
            return self._service(name).state
        except BadUnit:
            return "inactive"  # as systemctl says of what it has never heard of


def _loaded(name: str) -> Unit:
    unit = load(name)
    for directive in unit.ignored:
        write_journal(name, f"Unknown directive {directive}, ignoring.")
    return unit


def _full_name(name: str) -> str:
    return name if "." in Path(name).name else f"{name}.service"


def _make_links(unit: Unit) -> str:
    said = [] if unit.wanted_by else ["The unit files have no installation config."]
    for link in _links(unit):
        link.parent.mkdir(exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(UNITS_FOLDER / unit.name)
            said.append(f"Created symlink {link} → {UNITS_FOLDER / unit.name}.")
    return "\n".join(said)


def _made_links(unit: Unit) -> list[Path]:
    return [link for link in _links(unit) if link.is_symlink()]


def _links(unit: Unit) -> list[Path]:
    return [UNITS_FOLDER / f"{target}.wants" / unit.name for target in unit.wanted_by]


def _unless_quiet(text: str, flags: frozenset[str]) -> str:
    return "" if flags & {"--quiet", "-q"} else text
