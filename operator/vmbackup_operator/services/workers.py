"""Worker VMs: an Ubuntu VM with one interface in the worker subnet and no way in.

VM, interface and OS disk have one name, and go together: the VM's deletion takes both along, and
what a launch that failed left of them is found by that name. The key that Azure wants for a login
is made for each VM and its private half thrown away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typing_extensions import override

from vmbackup_core.ids import WorkerId
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.arm_tags import has_tags, merged_tags, tag_value
from vmbackup_operator.environments.bodies import Body, body_at, text_at
from vmbackup_operator.model.nulls import read_as
from vmbackup_operator.naming import WORKER_TAG, ArmId, arm_id
from vmbackup_operator.ownership import Ownership
from vmbackup_operator.services.arm_resources import ArmResources, encoded
from vmbackup_operator.services.operations import Operations
from vmbackup_operator.services.resource_kinds import ResourceKind, address
from vmbackup_operator.sessions.ports import Workers
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
    zones: tuple[str, ...] = ()
    properties: _Properties = _Properties()

    @property
    def power(self) -> str:
        """The power state, empty while the VM is being made."""
        codes = (folded(status.code) for status in self.properties.instance_view.statuses)
        return next((code.removeprefix(_POWER) for code in codes if code.startswith(_POWER)), "")


#: What a worker is made of, in the order in which it goes.
_PARTS: Mapping[str, ResourceKind] = {
    "Microsoft.Compute/virtualMachines": "VirtualMachine",
    "Microsoft.Network/networkInterfaces": "NetworkInterface",
    "Microsoft.Compute/disks": "Disk",
}


class AzureWorkers(Workers):
    """The appliance's worker VMs; they are looked at by lists of their group."""

    def __init__(
        self, resources: ArmResources, operations: Operations, ownership: Ownership
    ) -> None:
        self._resources = resources
        self._operations = operations
        self._ownership = ownership

    @override
    async def of_group(self, subscription_id: str, resource_group: str) -> Sequence[WorkerSeen]:
        found = await self._resources.of_group("VirtualMachine", subscription_id, resource_group)
        workers = [
            replace(
                _seen(body),
                doubt=self._ownership.doubt(_id(body), _tags(body)),
                outdated=not has_tags(_tags(body), self._ownership.sealed_tag(_id(body))),
            )
            for body in found
            if tag_value(_tags(body), WORKER_TAG) and self._may_be_ours(body)
        ]
        return sorted(workers, key=lambda worker: worker.id)

    @override
    async def find(self, vm_id: ArmId) -> WorkerSeen | None:
        body = await self._proven(vm_id)
        return None if body is None else _seen(body)

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
        if not self._operations.under_way(key):
            power = await self._power(vm_id)
            if power in {None, "running", "starting", "deallocating", "stopping"}:
                return power == "running"
        machines = self._resources.clients.compute(at.subscription_id).virtual_machines

        async def begin() -> bool:
            call = machines.begin_start(at.group, at.name, polling=self._resources.following())
            await self._resources.carry_out(f"starting worker {at.name}", vm_id, call)
            return True

        return await self._operations.advance(key, begin) or False

    @override
    async def deallocate(self, vm_id: ArmId) -> bool:
        at = address(vm_id)
        key = _key("deallocate", vm_id)
        if not self._operations.under_way(key):
            power = await self._power(vm_id)
            if power in {None, "deallocated"}:
                return True
            if power == "deallocating":
                return False
        machines = self._resources.clients.compute(at.subscription_id).virtual_machines

        async def begin() -> bool:
            call = machines.begin_deallocate(at.group, at.name, polling=self._resources.following())
            what = f"deallocating worker {at.name}"
            await self._resources.carry_out(what, vm_id, call, missing_is_fine=True)
            return True

        return await self._operations.advance(key, begin) or False

    @override
    async def delete(self, vm_id: ArmId) -> bool:
        key = _key("delete", vm_id)
        if not self._operations.under_way(key):
            await self._proven(vm_id)
            if not await self._parts_left(vm_id):
                return True
        return await self._operations.advance(key, lambda: self._remove(vm_id)) or False

    @override
    async def seal(self, vm_id: ArmId) -> bool:
        key = _key("seal", vm_id)
        if not self._operations.under_way(key):
            vm = await self._proven(vm_id)
            if vm is None or has_tags(_tags(vm), self._ownership.sealed_tag(vm_id)):
                return True
        return await self._operations.advance(key, lambda: self._seal(vm_id)) or False

    async def _seal(self, vm_id: ArmId) -> bool:
        """Seal the interface, then the VM: what is behind the VM's seal is sealed as well."""
        at, parts = address(vm_id), await self._parts_left(vm_id)
        clients, what = self._resources.clients, f"sealing worker {address(vm_id).name} anew"
        interface, vm = parts.get("NetworkInterface"), parts.get("VirtualMachine")
        if interface is not None:
            update = clients.network(at.subscription_id).network_interfaces.update_tags
            call = update(at.group, at.name, encoded(self._sealed(interface, vm_id)))
            await self._resources.carry_out(what, _id(interface), call)
        if vm is not None:
            begin = clients.compute(at.subscription_id).virtual_machines.begin_update
            sealed = encoded(self._sealed(vm, vm_id))
            begun = begin(at.group, at.name, sealed, polling=self._resources.following())
            await self._resources.carry_out(what, vm_id, begun)
        return True

    def _sealed(self, body: Body, vm_id: ArmId) -> Body:
        return {"tags": {**merged_tags(_tags(body), self._ownership.sealed_tag(vm_id))}}

    async def _power(self, vm_id: ArmId) -> str | None:
        """Return the VM's power state, empty while it is being made; None where there is no VM."""
        body = await self._proven(vm_id)
        return None if body is None else read_as(body, _Vm).power

    async def _proven(self, vm_id: ArmId) -> Body | None:
        """Return the VM, or None; raise PermanentError where it does not prove to be ours."""
        return await proven_worker(self._resources, self._ownership, vm_id)

    async def _parts_left(self, vm_id: ArmId) -> Mapping[ResourceKind, Body]:
        """Return the VM, and what is ours of its interface and disk, as far as they are there."""
        found = await asyncio.gather(
            *(
                self._resources.find_listed(kind, _part_id(vm_id, resource_type))
                for resource_type, kind in _PARTS.items()
            )
        )
        return {
            kind: body
            for kind, body in zip(_PARTS.values(), found, strict=True)
            if body is not None and self._may_go(kind, vm_id, body)
        }

    def _may_go(self, kind: ResourceKind, vm_id: ArmId, body: Body) -> bool:
        """Tell whether what is called as the VM went with it, or was made for it alone.

        Azure gives an OS disk none of its VM's tags: it is known by its name, and by having no VM.
        """
        match kind:
            case "VirtualMachine":
                return True
            case "Disk":
                return not body.get("managedBy")
            case _:
                # An interface carries the tags of its VM, the seal too.
                if self._ownership.lacks_key(_tags(body)):
                    self._ownership.check_ours(vm_id, _tags(body))
                return self._ownership.owns(vm_id, _tags(body))

    async def _launch(self, wanted: WorkerWanted) -> WorkerSeen:
        interface = _part_id(wanted.vm_id, "Microsoft.Network/networkInterfaces")
        await self._resources.put(
            "NetworkInterface", interface, interface_body(wanted), shows=False
        )
        body = machine_body(wanted, throwaway_key())
        await self._resources.put("VirtualMachine", wanted.vm_id, body, shows=False)
        return WorkerSeen(wanted.vm_id, wanted.id, "running", None)

    async def _remove(self, vm_id: ArmId) -> bool:
        """Delete the VM, which takes the rest along; then what it did not have or did not take."""
        if "VirtualMachine" in await self._parts_left(vm_id):
            await self._resources.delete("VirtualMachine", vm_id)
            for resource_type in _PARTS:
                self._resources.forget(_part_id(vm_id, resource_type))
        left = await self._parts_left(vm_id)
        for resource_type, kind in _PARTS.items():
            if kind in left:
                await self._resources.delete(kind, _part_id(vm_id, resource_type))
        return True

    def _may_be_ours(self, body: Body) -> bool:
        tags = _tags(body)
        return self._ownership.owns(_id(body), tags) or self._ownership.lacks_key(tags)


async def proven_worker(resources: ArmResources, ownership: Ownership, vm_id: ArmId) -> Body | None:
    """Return the worker VM, or None; raise PermanentError where it does not prove to be ours.

    What is called as a worker of ours is, may be somebody else's: nothing is sent to that.
    """
    body = await resources.find_listed("VirtualMachine", vm_id)
    if body is not None:
        ownership.check_ours(vm_id, _tags(body))
    return body


def _id(body: Body) -> ArmId:
    return ArmId(text_at(body, "id"))


def _tags(body: Body) -> Body:
    return body_at(body, "tags")


def _part_id(vm_id: ArmId, resource_type: str) -> ArmId:
    """Return the id of what is called as the VM and lies in its group."""
    at = address(vm_id)
    return arm_id(at.subscription_id, at.group, resource_type, at.name)


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
    interface = _part_id(wanted.vm_id, "Microsoft.Network/networkInterfaces")
    keys: Body = {
        "path": f"/home/{_ADMINISTRATOR}/.ssh/authorized_keys",
        "keyData": public_key,
    }
    return {
        "location": wanted.region.region,
        **({"zones": [wanted.zone]} if wanted.zone else {}),
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


def _seen(body: Body) -> WorkerSeen:
    vm = read_as(body, _Vm)
    held = vm.properties
    times = [status.time for status in held.instance_view.statuses if status.time is not None]
    return WorkerSeen(
        vm_id=ArmId(vm.id),
        id=WorkerId(tag_value(_tags(body), WORKER_TAG) or ""),
        state=_state(vm),
        changed_at=max(times, default=held.time_created),
        failure=_failure(held) if folded(held.provisioning_state) == "failed" else None,
        zone=next(iter(vm.zones), ""),
    )


def _state(vm: _Vm) -> WorkerState:
    provisioning = folded(vm.properties.provisioning_state)
    if provisioning in {"failed", "deleting"}:
        # What is being deleted keeps its power state until it has gone.
        return "failed" if provisioning == "failed" else "deleting"
    return "creating" if provisioning == "creating" else _STATES.get(vm.power, "creating")


def _failure(held: _Properties) -> str:
    statuses = (status for status in held.instance_view.statuses if "failed" in folded(status.code))
    said = next(statuses, _Status(code="ProvisioningState/failed"))
    return f"{said.code.rsplit('/', 1)[-1]}: {said.message}".rstrip(": ")


def _key(verb: str, vm_id: ArmId) -> str:
    return f"{verb} {folded(vm_id)}"
