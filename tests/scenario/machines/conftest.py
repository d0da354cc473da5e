"""VMs in a worker's network, before a storage service that only counts and echoes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from azure_simulator.backing import CommandResult
from azure_simulator.gateway.channels import MachineChannels
from azure_simulator.gateway.gateway import Gateway
from azure_simulator.gateway.names import ServiceName
from azure_simulator.journal import Journal
from azure_simulator.machines.interpreter import find_interpreter
from azure_simulator.machines.machines import LocalMachines, Surroundings
from azure_simulator.machines.namespaces import check_namespaces
from azure_simulator.service import Service
from tests.private_networks import WorkerNetwork
from tools.local_cloud.worker_python import worker_python

JAMMY = {
    "publisher": "Canonical",
    "offer": "0001-com-ubuntu-server-jammy",
    "sku": "22_04-lts-gen2",
}


@dataclass(slots=True)
class Storage:
    """Says who asked, takes what is put, and sends without end."""

    sent_bytes: int = 0
    callers: list[str] = field(default_factory=list)

    async def answer(self, request: web.BaseRequest, caller: str, host: str) -> web.StreamResponse:
        self.callers.append(caller)
        if request.method == "PUT":
            received = 0
            async for piece in request.content.iter_any():
                received += len(piece)
            return web.Response(status=201, text=str(received))
        if request.path == "/endless":
            return await self._endless(request)
        if request.path.startswith("/bytes/"):
            return web.Response(body=bytes(int(request.path.removeprefix("/bytes/"))))
        return web.Response(text=f"{host}{request.path}")

    async def _endless(self, request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(65536))
            self.sent_bytes += 65536
            await asyncio.sleep(0.001)


@dataclass(slots=True)
class World:
    """A network, its gateway and the VMs in it."""

    network: WorkerNetwork
    journal: Journal
    gateway: Gateway
    machines: LocalMachines
    storage: Storage

    @property
    def vm(self) -> str:
        return self.network.worker

    async def boot(self) -> None:
        await self.machines.create(self.vm, JAMMY)

    async def run(self, script: str, timeout_s: float = 60, **environment: str) -> CommandResult:
        return await self.machines.run(self.vm, script, environment, timeout_s)

    async def output(self, script: str, **environment: str) -> str:
        """Run a script that must succeed and return what it printed."""
        result = await self.run(script, 60, **environment)
        assert result.exit_code == 0, result
        return result.stdout

    def path(self, inside: str) -> Path:
        """Return where a file of the VM's own lies on the host."""
        return self.machines.folder(self.vm) / inside.lstrip("/")

    def events(self, event: str) -> list[tuple[str, str]]:
        return [
            (entry["host"], entry["detail"]["reason"] if event != "opened" else "")
            for entry in self.journal.since(0)
            if entry["service"] == "gateway" and entry["detail"]["event"] == event
        ]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async for made in make_world(tmp_path):
        yield made


async def make_world(folder: Path) -> AsyncIterator[World]:
    """Yield a network without VMs yet; end everything afterwards."""
    await check_namespaces()
    network = WorkerNetwork()
    storage = Storage()
    names: tuple[ServiceName, ...] = ("token", "arm", "blob", "queue", "export")
    services: dict[ServiceName, Service] = dict.fromkeys(names, storage)
    journal = Journal()
    gateway = Gateway(network.resources, journal, services)
    channels = MachineChannels(gateway)
    surroundings = Surroundings(
        folder=folder / "machines",
        interpreter=await find_interpreter(worker_python().executable),
        gateway=gateway,
        channels=channels,
        resources=network.resources,
        journal=journal,
    )
    machines = LocalMachines(surroundings)
    try:
        yield World(network, journal, gateway, machines, storage)
    finally:
        await machines.close()
        await channels.close()
        gateway.close()
        await asyncio.sleep(0.05)


async def until(holds: Callable[[], bool]) -> None:
    """Return when *holds* does; what it looks at is changed by another process."""
    async with asyncio.timeout(120):
        while not holds():  # noqa: ASYNC110 - nothing here could set an event
            await asyncio.sleep(0.01)
