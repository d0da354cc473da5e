"""Worker VMs: an Ubuntu VM with one interface in the worker subnet and no way in.

VM, interface and OS disk go together: the VM's deletion takes both along. The key that Azure wants
for a login is made for each VM and its private half thrown away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typing_extensions import override

from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import WorkerId
from vmbackup_operator.arm_tags import tag_value
from vmbackup_operator.environments.bodies import Body
from vmbackup_operator.naming import WORKER_TAG, ArmId, arm_id
from vmbackup_operator.ownership import Ownership
from vmbackup_operator.services.arm import address, encoded, ended, find, reading
from vmbackup_operator.services.clients import Clients
from vmbackup_operator.services.failures import translated
from vmbackup_operator.services.operations import Operations
from vmbackup_operator.services.removal import gone
from vmbackup_operator.sessions.ports import Workers as WorkersPort
from vmbackup_operator.sessions.seen import WorkerSeen, WorkerState, WorkerWanted

_ADMINISTRATOR = "vmbackup"
_POWER = "powerstate/"

#: Azure's power states as sessions know them; a VM that was shut down inside is as good as off.
_STATES: Mapping[str, WorkerState] = {
    "starting": "starting",
    "running": "running",
    "stopping": "deallocating",
    "stopped": "deallocated",
    "deallocating": "deallocating",
    "deallocated": "deallocated",
}


class _Status(msgspec.Struct, rename="camel", frozen=True):
    code: str = ""
    message: str = ""
    time: datetime | None = None


class _InstanceView(msgspec.Struct, rename="camel", frozen=True):
    statuses: tuple[_Status, ...] = ()


class _Properties(msgspec.Struct, rename="camel", frozen=True):
    provisioning_state: str = ""
    instance_view: _InstanceView = _InstanceView()
    time_created: datetime | None = None


class _Vm(msgspec.Struct, rename="camel", frozen=True):
    id: str
    name: str
    properties: _Properties = _Properties()
    tags: dict[str, str] = {}

    @property
    def power(self) -> str:
        """The power state, empty while the VM is being made."""
        codes = (status.code.lower() for status in self.properties.instance_view.statuses)
        return next((code.removeprefix(_POWER) for code in codes if code.startswith(_POWER)), "")


class Workers(WorkersPort):
    """The appliance's worker VMs."""

    def __init__(self, clients: Clients, operations: Operations, ownership: Ownership) -> None:
        self._clients = clients
        self._operations = operations
        self._ownership = ownership

    @override
    async def of_group(self, subscription_id: str, resource_group: str) -> Sequence[WorkerSeen]:
        machines = self._clients.compute(subscription_id).virtual_machines
        with translated(f"listing VMs in {resource_group}"):
            listed = machines.list(resource_group, expand="instanceView")
            found = [msgspec.convert(vm.as_dict(), _Vm) async for vm in listed]
        ours = [vm for vm in found if self._ours(ArmId(vm.id), vm.tags) and _worker_of(vm)]
        return sorted((_seen(vm) for vm in ours), key=lambda worker: worker.id)

    @override
    async def find(self, vm_id: ArmId) -> WorkerSeen | None:
        vm = await self._find(vm_id)
        return None if vm is None else _seen(vm)

    @override
    async def ensure(self, wanted: WorkerWanted) -> WorkerSeen:
        key = _key("launch", wanted.vm_id)
        if not self._operations.under_way(key):
            seen = await self.find(wanted.vm_id)
            if seen is not None:
                return seen
        launched = await self._operations.advance(key, lambda: self._launch(wanted))
        if launched is None:
            return WorkerSeen(vm_id=wanted.vm_id, id=wanted.id, state="creating", changed_at=None)
        return await self.find(wanted.vm_id) or launched

    @override
    async def start(self, vm_id: ArmId) -> bool:
        at = address(vm_id)
        key = _key("start", vm_id)
        self._operations.forget(_key("deallocate", vm_id))
        if not self._operations.under_way(key):
            vm = await self._find(vm_id)
            if vm is None:
                return False
            if vm.power in {"running", "starting", "deallocating", "stopping"}:
                return vm.power == "running"
        machines = self._clients.compute(at.subscription_id).virtual_machines

        async def begin() -> bool:
            await ended(f"starting worker {at.name}", machines.begin_start(at.group, at.name))
            return True

        return await self._operations.advance(key, begin) or False

    @override
    async def deallocate(self, vm_id: ArmId) -> bool:
        at = address(vm_id)
        key = _key("deallocate", vm_id)
        self._operations.forget(_key("start", vm_id))
        if not self._operations.under_way(key):
            vm = await self._find(vm_id)
            if vm is None or vm.power == "deallocated":
                return True
            if vm.power == "deallocating":
                return False
        machines = self._clients.compute(at.subscription_id).virtual_machines
        return (
            await self._operations.advance(
                key,
                lambda: gone(
                    f"deallocating worker {at.name}", machines.begin_deallocate(at.group, at.name)
                ),
            )
            or False
        )

    @override
    async def delete(self, vm_id: ArmId) -> bool:
        key = _key("delete", vm_id)
        if not self._operations.under_way(key):
            vm = await self._find(vm_id)
            doubt = "" if vm is None else self._ownership.doubt(vm_id, vm.tags)
            if doubt:
                raise PermanentError(
                    f"VM {vm_id} may be somebody else's: {doubt}", reason="NotOurs"
                )
            if vm is None and await self._find_interface(vm_id) is None:
                return True
        return await self._operations.advance(key, lambda: self._remove(vm_id)) or False

    async def _find(self, vm_id: ArmId) -> _Vm | None:
        at = address(vm_id)
        machines = self._clients.compute(at.subscription_id).virtual_machines
        call = machines.get(at.group, at.name, expand="instanceView")
        body = await find(reading(vm_id), call)
        return None if body is None else msgspec.convert(body, _Vm)

    async def _find_interface(self, vm_id: ArmId) -> Body | None:
        """Return the interface that a launch left without a VM, where it is ours.

        It carries the tags of its VM, the seal too, and is called alike.
        """
        at = address(vm_id)
        interfaces = self._clients.network(at.subscription_id).network_interfaces
        body = await find(f"reading interface {at.name}", interfaces.get(at.group, at.name))
        tags = {} if body is None else msgspec.convert(body.get("tags") or {}, dict[str, str])
        return body if self._ours(vm_id, tags) else None

    async def _launch(self, wanted: WorkerWanted) -> WorkerSeen:
        at = address(wanted.vm_id)
        interfaces = self._clients.network(at.subscription_id).network_interfaces
        call = interfaces.begin_create_or_update(at.group, at.name, encoded(interface_body(wanted)))
        await ended(f"making interface {at.name}", call)
        machines = self._clients.compute(at.subscription_id).virtual_machines
        body = encoded(machine_body(wanted, throwaway_key()))
        launching = machines.begin_create_or_update(at.group, at.name, body)
        await ended(f"launching worker {at.name}", launching)
        return WorkerSeen(wanted.vm_id, wanted.id, "running", None)

    async def _remove(self, vm_id: ArmId) -> bool:
        at = address(vm_id)
        machines = self._clients.compute(at.subscription_id).virtual_machines
        await gone(f"deleting worker {at.name}", machines.begin_delete(at.group, at.name))
        if await self._find_interface(vm_id) is None:
            return True
        interfaces = self._clients.network(at.subscription_id).network_interfaces
        return await gone(
            f"deleting interface {at.name}", interfaces.begin_delete(at.group, at.name)
        )

    def _ours(self, vm_id: ArmId, tags: Mapping[str, str]) -> bool:
        return self._ownership.owns(vm_id, tags)


def throwaway_key() -> str:
    """Return a public key in OpenSSH's form whose private half nobody has."""
    public = Ed25519PrivateKey.generate().public_key()
    return public.public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    ).decode()


def interface_body(wanted: WorkerWanted) -> Body:
    """Return the worker's interface: one address of the worker subnet, none that is public."""
    configuration: Body = {
        "primary": True,
        "privateIPAllocationMethod": "Dynamic",
        "subnet": {"id": wanted.region.worker_subnet_id},
    }
    return {
        "location": wanted.region.region,
        "tags": dict(wanted.tags),
        "properties": {"ipConfigurations": [{"name": "worker", "properties": configuration}]},
    }


def machine_body(wanted: WorkerWanted, public_key: str) -> Body:
    """Return the worker VM; what it is called, its interface and its OS disk are called too."""
    at = address(wanted.vm_id)
    interface = arm_id(at.subscription_id, at.group, "Microsoft.Network/networkInterfaces", at.name)
    keys: Body = {
        "path": f"/home/{_ADMINISTRATOR}/.ssh/authorized_keys",
        "keyData": public_key,
    }
    return {
        "location": wanted.region.region,
        "tags": dict(wanted.tags),
        "properties": {
            "hardwareProfile": {"vmSize": wanted.region.worker_size},
            "storageProfile": {
                "imageReference": image_reference(wanted.region.worker_image),
                "osDisk": {
                    "name": at.name,
                    "createOption": "FromImage",
                    "deleteOption": "Delete",
                    "managedDisk": {"storageAccountType": "StandardSSD_LRS"},
                },
            },
            "osProfile": {
                "computerName": at.name[:63],
                "adminUsername": _ADMINISTRATOR,
                "linuxConfiguration": {
                    "disablePasswordAuthentication": True,
                    "provisionVMAgent": True,
                    "ssh": {"publicKeys": [keys]},
                },
            },
            "networkProfile": {
                "networkInterfaces": [
                    {"id": interface, "properties": {"primary": True, "deleteOption": "Delete"}}
                ]
            },
        },
    }


def image_reference(image: str) -> Body:
    """Return ``publisher:offer:sku:version``, or an image's ARM id, as a VM names its image."""
    if image.startswith("/"):
        return {"id": image}
    publisher, offer, sku, version = image.split(":")
    return {"publisher": publisher, "offer": offer, "sku": sku, "version": version}


def _seen(vm: _Vm) -> WorkerSeen:
    held = vm.properties
    times = [status.time for status in held.instance_view.statuses if status.time is not None]
    return WorkerSeen(
        vm_id=ArmId(vm.id),
        id=WorkerId(_worker_of(vm)),
        state=_state(vm),
        changed_at=max(times, default=held.time_created),
        failure=_failure(held) if held.provisioning_state.lower() == "failed" else None,
    )


def _worker_of(vm: _Vm) -> str:
    return tag_value(vm.tags, WORKER_TAG) or ""


def _state(vm: _Vm) -> WorkerState:
    provisioning = vm.properties.provisioning_state.lower()
    if provisioning in {"failed", "deleting"}:
        # What is being deleted keeps its power state until it has gone.
        return "failed" if provisioning == "failed" else "deleting"
    return "creating" if provisioning == "creating" else _STATES.get(vm.power, "creating")


def _failure(held: _Properties) -> str:
    statuses = (status for status in held.instance_view.statuses if "failed" in status.code.lower())
    said = next(statuses, _Status(code="ProvisioningState/failed"))
    return f"{said.code.rsplit('/', 1)[-1]}: {said.message}".rstrip(": ")


def _key(verb: str, vm_id: ArmId) -> str:
    return f"{verb} {vm_id.lower()}"
