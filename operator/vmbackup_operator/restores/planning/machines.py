"""The VM of a plan: as the recorded one was, made of the plan's disks and interfaces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vmbackup_core.errors import PermanentError
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.environments.bodies import Body, bodies_at, body_at, text_at
from vmbackup_operator.model.restore_session import Patch, RestoreTarget
from vmbackup_operator.restores.planning.merge_patch import patched
from vmbackup_operator.restores.planning.places import Place, id_in
from vmbackup_operator.restores.planning.planned import DiskWanted, InterfaceWanted, MachineWanted
from vmbackup_operator.restores.planning.rules import MACHINE_TREE, Fate
from vmbackup_operator.restores.planning.sifting import sift, told
from vmbackup_operator.restores.planning.tagging import check_tags, restored_tags

_SUBJECT = "virtual machine"
_PATCH = "spec.overrides.virtualMachine"
_OS = "os"


@dataclass(frozen=True, slots=True)
class MachinePlan:
    """A VM to make, and what of the recorded one is not set again."""

    wanted: MachineWanted
    not_restored: tuple[str, ...]


def plan_machine(
    recorded: Body,
    target: RestoreTarget,
    patch: Patch,
    disks: Sequence[DiskWanted],
    interfaces: Sequence[InterfaceWanted],
) -> MachinePlan:
    """Return the VM that is made of *recorded*, with *disks*, and *interfaces* in their order."""
    sifted = sift(recorded, MACHINE_TREE, _holding(recorded, target))
    notes = sifted.told(_SUBJECT)
    body = sifted.body | {
        "tags": restored_tags(sifted.body, target),
        "properties": dict(body_at(sifted.body, "properties")),
    }
    notes += _aim(body, target)
    notes += _leave_missing_disks(body, disks)
    body = patched(body, patch, MACHINE_TREE, _PATCH)
    _check_security(body)
    check_tags(body, _SUBJECT)
    body["location"] = target.region
    _attach(body, disks)
    _connect(body, interfaces)
    name = target.vm_name or text_at(recorded, "name")
    identity = id_in(target, "Microsoft.Compute/virtualMachines", name)
    return MachinePlan(MachineWanted(identity, body), tuple(notes))


def _holding(recorded: Body, target: RestoreTarget) -> frozenset[Fate]:
    """Return which of the rules' conditions hold; a zone of one's own leaves the recorded set."""
    holding = Place.of_target(target).holding(Place.of(recorded))
    if target.zone is not None and not body_at(recorded, "properties", "virtualMachineScaleSet"):
        return holding - {"group"}
    return holding


def _aim(body: Body, target: RestoreTarget) -> list[str]:
    """Have *body* be what the target wants, and return what is told of it."""
    properties = body_at(body, "properties")
    if target.zone is not None:
        body["zones"] = [target.zone]
    if target.vm_size is None:
        return []
    hardware = dict(body_at(properties, "hardwareProfile"))
    notes = []
    if "vmSizeProperties" in hardware and text_at(hardware, "vmSize") != target.vm_size:
        del hardware["vmSizeProperties"]
        why = "it was chosen for the recorded size"
        notes.append(told(_SUBJECT, "properties.hardwareProfile.vmSizeProperties", why))
    properties["hardwareProfile"] = hardware | {"vmSize": target.vm_size}
    return notes


def _leave_missing_disks(body: Body, disks: Sequence[DiskWanted]) -> list[str]:
    """Take data disks out of *body* that the point does not have, and return what is told."""
    properties = body_at(body, "properties")
    profile = dict(body_at(properties, "storageProfile"))
    there = {disk.position for disk in disks}
    items = bodies_at(profile, "dataDisks")
    profile["dataDisks"] = [item for item in items if _position(item) in there]
    properties["storageProfile"] = profile
    why = "the point has no such disk"
    return [
        told(_SUBJECT, f"properties.storageProfile.dataDisks, LUN {_position(item)}", why)
        for item in items
        if _position(item) not in there
    ]


def _check_security(body: Body) -> None:
    """Refuse a confidential VM: what it keeps for itself is in no snapshot."""
    kind = text_at(body, "properties", "securityProfile", "securityType")
    if folded(kind) == "confidentialvm":
        raise PermanentError(
            "a confidential VM cannot be made of a recovery point: its guest state is in no "
            f"snapshot. Restore its disks (mode Disks), or have {_PATCH} set another securityType",
            reason="SecurityTypeNotSupported",
        )


def _attach(body: Body, disks: Sequence[DiskWanted]) -> None:
    """Have *body* attach *disks*, each as its LUN was attached before."""
    properties = _object(body, "properties")
    profile = _object(properties, "storageProfile")
    by_position = {disk.position: disk for disk in disks}
    settings = {_position(item): item for item in bodies_at(profile, "dataDisks")}
    unknown = sorted(settings.keys() - by_position.keys())
    if unknown:
        message = f"{_PATCH} names a data disk at LUN {unknown[0]}, which the point does not have"
        raise PermanentError(message, reason="PatchNotAllowed")
    if _OS not in by_position:
        message = "the point has no OS disk, so no VM can be made of it: restore its disks"
        raise PermanentError(message, reason="NoOsDisk")
    profile["osDisk"] = _attached(_object(profile, "osDisk"), by_position.pop(_OS))
    profile["dataDisks"] = [
        _attached(settings.get(position, {"lun": int(position)}), disk)
        for position, disk in by_position.items()
    ]


def _attached(settings: Body, disk: DiskWanted) -> Body:
    return settings | {"createOption": "Attach", "managedDisk": {"id": disk.id}}


def _connect(body: Body, interfaces: Sequence[InterfaceWanted]) -> None:
    """Have *body* use *interfaces*, with what it says of each; one of several is the primary."""
    profile = _object(_object(body, "properties"), "networkProfile")
    settings = bodies_at(profile, "networkInterfaces")
    if len(settings) != len(interfaces):
        raise PermanentError(
            f"{_PATCH} names {len(settings)} network interfaces; the VM has {len(interfaces)}",
            reason="PatchNotAllowed",
        )
    connected = [each | {"id": nic.id} for each, nic in zip(settings, interfaces, strict=True)]
    if len(connected) > 1 and not any(_is_primary(each) for each in connected):
        first = connected[0]
        connected[0] = first | {"properties": {**body_at(first, "properties"), "primary": True}}
    profile["networkInterfaces"] = list(connected)


def _is_primary(interface: Body) -> bool:
    return body_at(interface, "properties").get("primary") is True


def _object(body: Body, name: str) -> Body:
    """Return the object *name* of *body*, made where there is none; a patch may have broken it."""
    found = body.setdefault(name, {})
    if not isinstance(found, dict):
        message = f"{_PATCH} makes {name} something that is no object"
        raise PermanentError(message, reason="PatchNotAllowed")
    return found


def _position(item: Body) -> str:
    return str(item.get("lun"))
