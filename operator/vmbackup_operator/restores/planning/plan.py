"""The plan of a restore: pure, from a point's description and the session's spec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec

from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import RunId
from vmbackup_operator.arm_ids import folded, same_id
from vmbackup_operator.environments.bodies import Body, Json, bodies_at, body_at, text_at
from vmbackup_operator.model.restore_session import (
    DiskOverride,
    InterfaceOverride,
    RestoreSessionSpec,
    RestoreTarget,
)
from vmbackup_operator.model.session_findings import position_of
from vmbackup_operator.model.vm_description import VmDescription
from vmbackup_operator.naming import ArmId
from vmbackup_operator.restores.planning.disks import DiskPlan, RecordedDisk, plan_disk
from vmbackup_operator.restores.planning.interfaces import InterfacePlan, plan_interface
from vmbackup_operator.restores.planning.machines import plan_machine
from vmbackup_operator.restores.planning.names import restored_names
from vmbackup_operator.restores.planning.planned import DiskWanted, Planned
from vmbackup_operator.restores.planning.recorded import DiskHeld
from vmbackup_operator.restores.planning.sifting import told
from vmbackup_operator.restores.planning.used_ids import names_a_storage_account, used_ids

#: The schema's bound.
MOST_TOLD = 64
#: The form of descriptions that this version reads.
_SCHEMA = 1


def plan_restore(
    description: VmDescription | None,
    disks: Sequence[DiskHeld],
    spec: RestoreSessionSpec,
    run: RunId,
) -> Planned:
    """Return what is made of the point with *disks*; the same arguments are the same plan.

    PermanentError, with a reason, where spec and point contradict each other.
    """
    known = description if description is not None and description.schema == _SCHEMA else None
    if spec.mode == "VirtualMachine":
        _check_described(known)
    chosen = _recorded_disks(known, _chosen(disks, spec))
    planned = _plan_disks(chosen, spec, run)
    made = tuple(plan.wanted for plan in planned)
    notes = [] if known is None or spec.disks else _left_out(known)
    notes += [note for plan in planned for note in plan.not_restored]
    if spec.mode == "Disks" or known is None or known.virtual_machine is None:
        return _whole(Planned(made), notes, spec.target)
    return _with_machine(known, known.virtual_machine, made, notes, spec, run)


def _left_out(description: VmDescription) -> list[str]:
    """Return what is told of disks that the VM had and its backup left out."""
    return [
        told(f"disk {each.name}", f"position {each.disk}", f"left out of the backup: {each.why}")
        for each in description.excluded_disks
    ]


def read_description(text: str) -> VmDescription | None:
    """Return what a point says of its VM; None where it is in a form that is not known here."""
    try:
        return msgspec.json.decode(text, type=VmDescription)
    except msgspec.DecodeError:
        return None


def _check_described(description: VmDescription | None) -> None:
    """Refuse a VM of a point that does not hold what Azure said of one."""
    if (
        description is None
        or description.virtual_machine is None
        or not description.network_interfaces
    ):
        raise PermanentError(
            "the point does not hold what Azure said of the VM and its network interfaces in a "
            "form that this version knows, so no VM can be made of it: restore its disks (mode "
            "Disks), or update the operator where a newer one made the point",
            reason="VirtualMachineNotDescribed",
        )


def _chosen(disks: Sequence[DiskHeld], spec: RestoreSessionSpec) -> list[DiskHeld]:
    """Return the disks that are brought back, and refuse what the spec says of others."""
    there = {position_of(disk.lun) for disk in disks}
    wanted = set(spec.disks) or there
    named = {*spec.disks, *(each.disk for each in spec.overrides.disks)}
    for missing in sorted(named - (there & wanted)):
        known = ", ".join(sorted(there & wanted if missing in there else there))
        message = f"spec names disk {missing}, which is not among those to restore: {known}"
        raise PermanentError(message, reason="DiskNotInPoint")
    return [disk for disk in disks if position_of(disk.lun) in wanted]


def _recorded_disks(
    description: VmDescription | None, disks: Sequence[DiskHeld]
) -> list[RecordedDisk]:
    """Return each disk with Azure's body of it, or with the little that its session resolved."""
    bodies: list[Body] = [] if description is None else list(description.disks)
    skus = _resolved_skus(description)
    recorded = []
    for disk in disks:
        own = next((body for body in bodies if same_id(text_at(body, "id"), disk.id)), None)
        sku: Body = {"sku": {"name": skus.get(folded(disk.id), "")}}
        recorded.append(RecordedDisk(position_of(disk.lun), disk, sku if own is None else own))
    return recorded


def _resolved_skus(description: VmDescription | None) -> Mapping[str, str]:
    """Return the SKU of each disk as the backup's session resolved it, by the disk's folded id."""
    if description is None or not isinstance(description.resolved, dict):
        return {}
    resolved = bodies_at(description.resolved, "disks")
    return {folded(text_at(each, "id")): text_at(each, "sku") for each in resolved}


def _plan_disks(
    recorded: Sequence[RecordedDisk], spec: RestoreSessionSpec, run: RunId
) -> list[DiskPlan]:
    overrides = {each.disk: each for each in spec.overrides.disks}
    asked = [overrides.get(each.position, DiskOverride(each.position)) for each in recorded]
    names = restored_names(
        [(each.position, each.disk.name) for each in recorded],
        [each.name for each in asked],
        run,
        "disks",
    )
    return [
        plan_disk(each, name, spec.target, override)
        for each, name, override in zip(recorded, names, asked, strict=True)
    ]


def _with_machine(
    description: VmDescription,
    machine: Body,
    disks: tuple[DiskWanted, ...],
    notes: list[str],
    spec: RestoreSessionSpec,
    run: RunId,
) -> Planned:
    body, missing = _with_interfaces_there(machine, description)
    interfaces = _plan_interfaces(body, description, spec, run)
    wanted = tuple(plan.wanted for plan in interfaces)
    planned = plan_machine(body, spec.target, spec.overrides.virtual_machine, disks, wanted)
    said = [*planned.not_restored, *missing]
    said += [note for plan in interfaces for note in plan.not_restored]
    return _whole(Planned(disks, wanted, planned.wanted), [*said, *notes], spec.target)


def _with_interfaces_there(machine: Body, description: VmDescription) -> tuple[Body, list[str]]:
    """Return the VM's body with those of its interfaces alone that the point describes."""
    path = ("properties", "networkProfile")
    profile = body_at(machine, *path)
    kept: list[Json] = []
    notes = []
    for each in bodies_at(profile, "networkInterfaces"):
        if _interface(description, text_at(each, "id")) is not None:
            kept.append(each)
        else:
            why = "the point does not hold what Azure said of it"
            notes.append(told("virtual machine", "properties.networkProfile", why, each.get("id")))
    properties = {
        **body_at(machine, "properties"),
        "networkProfile": {**profile, "networkInterfaces": kept},
    }
    return machine | {"properties": properties}, notes


def _interface(description: VmDescription, identity: str) -> Body | None:
    bodies: Sequence[Body] = description.network_interfaces
    return next((body for body in bodies if same_id(text_at(body, "id"), identity)), None)


def _plan_interfaces(
    machine: Body, description: VmDescription, spec: RestoreSessionSpec, run: RunId
) -> list[InterfacePlan]:
    """Return the plan of each of the VM's interfaces, in its order."""
    listed = bodies_at(machine, "properties", "networkProfile", "networkInterfaces")
    found = [_interface(description, text_at(each, "id")) for each in listed]
    recorded = [body for body in found if body is not None]
    overrides = {each.index: each for each in spec.overrides.network_interfaces}
    for index in sorted(overrides.keys() - set(range(len(recorded)))):
        message = f"spec.overrides names network interface {index}; the VM has {len(recorded)}"
        raise PermanentError(message, reason="InterfaceNotInPoint")
    asked = [overrides.get(index, InterfaceOverride(index)) for index in range(len(recorded))]
    names = restored_names(
        [(str(index), text_at(body, "name")) for index, body in enumerate(recorded)],
        [each.name for each in asked],
        run,
        "network interfaces",
    )
    return [
        plan_interface(body, name, spec.target, override)
        for body, name, override in zip(recorded, names, asked, strict=True)
    ]


def _whole(planned: Planned, notes: Sequence[str], target: RestoreTarget) -> Planned:
    """Return the plan with what is told of it, and every id that it uses, each once."""
    subscription = f"/subscriptions/{target.subscription_id}"
    ids = [ArmId(f"{subscription}/resourceGroups/{target.resource_group}")]
    for disk in planned.disks:
        ids += [disk.id, *used_ids([disk.body, disk.after_upload])]
    for interface in planned.interfaces:
        ids += [interface.id, *used_ids([interface.body])]
    machine = planned.machine
    if machine is not None:
        ids += [machine.id, *used_ids([machine.body])]
        if names_a_storage_account(machine.body):
            ids.append(ArmId(subscription))
    once = {folded(each): each for each in ids}
    return replace(planned, not_restored=_bounded(notes), ids_used=tuple(once.values()))


def _bounded(notes: Sequence[str]) -> tuple[str, ...]:
    """Return as many of the notes as a status takes."""
    if len(notes) <= MOST_TOLD:
        return tuple(notes)
    left = len(notes) - MOST_TOLD + 1
    return (*notes[: MOST_TOLD - 1], f"and {left} more: see docs/restoring.md")
