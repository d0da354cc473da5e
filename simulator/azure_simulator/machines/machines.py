"""The simulator's VMs: `backing.Machines` kept by processes in namespaces."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import socket
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import azure_simulator
from azure_simulator.backing import CommandResult, MachineNotRunning
from azure_simulator.gateway.channels import MachineChannels
from azure_simulator.gateway.gateway import Gateway
from azure_simulator.journal import Journal
from azure_simulator.machines import guest
from azure_simulator.machines.guest.plan import Plan
from azure_simulator.machines.guest.root import DISKS
from azure_simulator.machines.interpreter import Interpreter
from azure_simulator.machines.machine import RunningMachine, boot
from azure_simulator.machines.tree import clear_for_boot, make_tree, write_hosts
from azure_simulator.resources import Resources, name_of

#: How long changes of the network are gathered before hosts files are written.
_HOSTS_DELAY_S = 0.05


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What VMs are made of: the folder for their files, the image's Python, the way out."""

    folder: Path
    interpreter: Interpreter
    gateway: Gateway
    channels: MachineChannels
    resources: Resources
    journal: Journal


@dataclass(slots=True)
class _Slot:
    """A VM that exists, up or not."""

    vm_id: str
    folder: Path
    hostname: str
    machine: RunningMachine | None = None
    watch: asyncio.Task[None] | None = None

    @property
    def tree(self) -> Path:
        return self.folder / "tree"

    @property
    def up(self) -> bool:
        return self.machine is not None and self.machine.up


class LocalMachines:
    """VMs by their ARM id, without case."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._with = surroundings
        self._slots: dict[str, _Slot] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._hosts_due: asyncio.TimerHandle | None = None
        surroundings.resources.subscribe(self._network_changed)

    async def create(self, vm_id: str, image: Mapping[str, str]) -> None:
        """Make the machine's file tree from *image* (publisher, offer, sku) and start it."""
        async with self._locks[vm_id.lower()]:
            slot = self._slots.get(vm_id.lower())
            if slot is None:
                slot = _Slot(vm_id, self._folder(vm_id), name_of(vm_id))
                authority = self._with.gateway.authority.pem
                slot.tree.mkdir(parents=True, exist_ok=True)
                await asyncio.to_thread(make_tree, slot.tree, slot.hostname, image, authority)
                self._slots[vm_id.lower()] = slot
            await self._boot(slot)

    async def start(self, vm_id: str) -> None:
        """Boot it again: enabled units start; what was on its disk is still there."""
        async with self._locks[vm_id.lower()]:
            await self._boot(self._slot(vm_id))

    async def stop(self, vm_id: str) -> None:
        """Kill every process of it, as deallocation does; the file tree stays."""
        async with self._locks[vm_id.lower()]:
            if slot := self._slots.get(vm_id.lower()):
                await self._end(slot)

    async def delete(self, vm_id: str) -> None:
        """Stop it and remove its file tree."""
        async with self._locks[vm_id.lower()]:
            if slot := self._slots.get(vm_id.lower()):
                await self._end(slot)
                await asyncio.to_thread(shutil.rmtree, slot.folder)
                del self._slots[vm_id.lower()]

    async def run(
        self, vm_id: str, script: str, environment: Mapping[str, str], timeout_s: float
    ) -> CommandResult:
        """Run *script* by ``bash -c`` as root of the machine, to its end; not idempotent.

        After *timeout_s* the script is killed, which raises TimeoutError. Cancelling kills it, too.
        """
        slot = self._slots.get(vm_id.lower())
        if slot is None or slot.machine is None or not slot.up:
            raise MachineNotRunning(f"{vm_id} is not running")
        began = time.monotonic()
        try:
            result = await slot.machine.run(script, environment, timeout_s)
        except TimeoutError:
            self._record(slot, environment, 408, began, None)
            raise
        except MachineNotRunning:
            self._record(slot, environment, 409, began, None)
            raise
        self._record(slot, environment, 200, began, result.exit_code)
        return result

    def running(self, vm_id: str) -> bool:
        """Tell whether the machine is up."""
        slot = self._slots.get(vm_id.lower())
        return slot is not None and slot.up

    def listing(self) -> list[dict[str, str | bool | int | None]]:
        """Return every machine for the administration interface."""
        return [
            {
                "id": slot.vm_id,
                "running": slot.up,
                "pid": slot.machine.pid if slot.machine is not None and slot.up else None,
            }
            for slot in self._slots.values()
        ]

    def folder(self, vm_id: str) -> Path:
        """Return the folder that the machine's ``/etc``, ``/var`` and so on lie in."""
        return self._slot(vm_id).tree

    def disk_path(self, vm_id: str, lun: int) -> Path:
        """Return where on the host the machine's tree has the data disk at *lun*."""
        return self.folder(vm_id) / DISKS / f"azure/scsi1/lun{lun}"

    async def close(self) -> None:
        """End every machine; their files stay."""
        if self._hosts_due is not None:
            self._hosts_due.cancel()
        await asyncio.gather(*(self._end(slot) for slot in self._slots.values()))

    async def _boot(self, slot: _Slot) -> None:
        if slot.up:
            return
        await self._end(slot)
        await asyncio.to_thread(clear_for_boot, slot.tree)
        write_hosts(slot.tree, slot.hostname, self._with.gateway.hosts(slot.vm_id))
        root = slot.folder / "root"
        root.mkdir(exist_ok=True)
        plan = Plan(
            root=str(root),
            tree=str(slot.tree),
            sources=guest.__path__[0],
            python=str(self._with.interpreter.executable),
            python_prefix=str(self._with.interpreter.prefix),
            hostname=slot.hostname,
            control=-1,
            channel=-1,
        )
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sources = Path(azure_simulator.__path__[0]).parent
        self._with.channels.attach(slot.vm_id, ours)
        try:
            slot.machine = await boot(plan, theirs, sources, slot.folder / "boot.log")
        except BaseException:
            self._with.channels.detach(slot.vm_id)
            raise
        slot.watch = asyncio.get_running_loop().create_task(self._watch(slot, slot.machine))

    async def _watch(self, slot: _Slot, machine: RunningMachine) -> None:
        """Shut the way out when a machine has gone down by itself."""
        await machine.ended()
        self._with.channels.detach(slot.vm_id)

    async def _end(self, slot: _Slot) -> None:
        machine, slot.machine = slot.machine, None
        watch, slot.watch = slot.watch, None
        if machine is not None:
            self._with.channels.detach(slot.vm_id)
            await machine.end()
        if watch is not None:
            await watch

    def _slot(self, vm_id: str) -> _Slot:
        slot = self._slots.get(vm_id.lower())
        if slot is None:
            raise MachineNotRunning(f"{vm_id} was never created")
        return slot

    def _folder(self, vm_id: str) -> Path:
        digest = hashlib.sha256(vm_id.lower().encode()).hexdigest()[:8]
        return self._with.folder / f"{name_of(vm_id)}-{digest}"

    def _network_changed(self) -> None:
        if self._hosts_due is None:
            loop = asyncio.get_running_loop()
            self._hosts_due = loop.call_later(_HOSTS_DELAY_S, self._write_hosts)

    def _write_hosts(self) -> None:
        self._hosts_due = None
        for slot in self._slots.values():
            if slot.up:
                write_hosts(slot.tree, slot.hostname, self._with.gateway.hosts(slot.vm_id))

    def _record(
        self,
        slot: _Slot,
        environment: Mapping[str, str],
        status: int,
        began: float,
        exit_code: int | None,
    ) -> None:
        """Write down that a script ran; what it was and said may hold secrets."""
        self._with.journal.record(
            service="machine",
            caller=slot.vm_id,
            method="RUN",
            host=slot.hostname,
            path=slot.vm_id,
            query="",
            status=status,
            exitCode=exit_code,
            parameters=sorted(environment),
            seconds=round(time.monotonic() - began, 3),
        )
