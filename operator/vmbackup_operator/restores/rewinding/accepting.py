"""Accepted: the rewind may be done, the VM is claimed, and what is made of it written down."""

from __future__ import annotations

import asyncio
from itertools import chain

from msgspec.structs import replace

from vmbackup_core.repository.opened_restore import RestoreWork
from vmbackup_operator.arm_ids import folded, is_within_group
from vmbackup_operator.model.display import counted
from vmbackup_operator.model.restore_session import RestoreSession, RestoreSessionStatus
from vmbackup_operator.model.rewound import Rewound
from vmbackup_operator.naming import ArmId, subscription_of
from vmbackup_operator.reconciling.outcome import Done, Failed, Waiting
from vmbackup_operator.restores.accepting import find_point
from vmbackup_operator.restores.counting import find_counted
from vmbackup_operator.restores.earlier import earlier_record
from vmbackup_operator.restores.planned import work_of
from vmbackup_operator.restores.quotas import quotas_of_disk, short_quota
from vmbackup_operator.restores.retained import find_retained, members_of
from vmbackup_operator.restores.rewinding.nearing import find_nearer
from vmbackup_operator.restores.rewinding.planning import (
    ids_used,
    made_ids,
    plan_rewind,
    written_disks,
)
from vmbackup_operator.restores.rewinding.undo import record_of
from vmbackup_operator.sessions.findings import resolved_of, restored_of, run_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.rewind_ports import MachineNow
from vmbackup_operator.sessions.seen import PointOfSet
from vmbackup_operator.sessions.step import Taken
from vmbackup_operator.sessions.steps.claiming import claim_for
from vmbackup_operator.sessions.undo_record import UndoRecord

#: How soon a VM is looked at again whose power is on its way from one state to another.
_LOOK_AGAIN_S = 10.0
_INSTEAD = (
    "with source Snapshots a rewind is made of it alone, and so is one to a point of no "
    "repository; without source a worker writes what differs, and mode Disks restores beside the VM"
)


async def accept(ground: Ground, session: RestoreSession) -> Taken:
    """Find the point and the VM, claim the VM, and record what is made; nothing is made yet."""
    if session.status.restored is None:
        return await find_point(ground, session)
    refused = _refused_by_settings(ground, session)
    if refused is not None:
        return Taken(session.status, refused)
    if session.status.rewound is not None:
        return await _hold(ground, session, session.status.rewound)
    return await _begin(ground, session)


async def _begin(ground: Ground, session: RestoreSession) -> Taken:
    """Plan what is made, or go on with what an earlier session of the name has begun."""
    earlier = await earlier_record(ground, session)
    if earlier is not None and earlier.rewound is not None:
        return await _go_on(ground, session, earlier, earlier.rewound)
    point = await find_counted(ground, session)
    if not isinstance(point, PointOfSet):
        return Taken(session.status, point)
    machine = await ground.rewound_machines.find(point.virtual_machine_id)
    if machine is None:
        message = f"there is no virtual machine {point.virtual_machine_id}: restore it instead"
        return Taken(session.status, Failed("VirtualMachineNotFound", message))
    return await _plan(ground, session, point, machine)


async def _plan(
    ground: Ground, session: RestoreSession, point: PointOfSet, machine: MachineNow
) -> Taken:
    if machine.power == "changing" or not machine.settled:
        message = f"{machine.name} is being started or stopped, or Azure is at it"
        return Taken(session.status, Waiting(_LOOK_AGAIN_S, message))
    found = await find_retained(ground, session, point, _INSTEAD)
    if isinstance(found, Failed) and not _may_be_written(session):
        return Taken(session.status, found)
    rewritten = isinstance(found, Failed)
    sources = await find_nearer(ground, point, machine) if isinstance(found, Failed) else found
    run = run_of(session)
    rewound = plan_rewind(machine, point, sources, session.spec, run, rewritten=rewritten)
    refused = (
        _refused_ids(ground, session, rewound)
        or await _too_many_disks(ground, machine, rewound)
        or await _taken_name(ground, rewound)
        or await _short_quota(ground, machine, rewound)
    )
    if refused is not None:
        return Taken(session.status, refused)
    # While they are named nobody deletes them.
    named = {each.disk: sources[each.disk] for each in rewound.disks if each.is_of_retained}
    resolved = replace(resolved_of(session), retained=members_of(named))
    status = replace(session.status, resolved=resolved)
    if rewritten:
        restored = replace(restored_of(session), disks=written_disks(rewound))
        status = replace(status, restored=restored)
    return await _claim(ground, session, rewound, status)


def _may_be_written(session: RestoreSession) -> bool:
    """Tell whether a worker may write the disks: it takes hours where Azure's copies take minutes.

    Of a point that is in a repository, unless the session asks for snapshots by name.
    """
    in_repository = restored_of(session).recovery_point.repository is not None
    return in_repository and session.spec.source is None


async def _claim(
    ground: Ground, session: RestoreSession, rewound: Rewound, status: RestoreSessionStatus
) -> Taken:
    """Claim the VM by the record of what is made, before anything is."""
    status = replace(status, rewound=rewound)
    waiting = await claim_for(ground, record_of(replace(session, status=status)))
    if waiting is not None:
        return Taken(session.status, waiting)
    if rewound.rewritten:
        # What is read of the repository is held next; the record that undoes it is there.
        return Taken(status, Waiting(0, "its snapshot set is not there: a worker writes it"))
    return Taken(status, Done(_accepted(rewound)))


async def _hold(ground: Ground, session: RestoreSession, rewound: Rewound) -> Taken:
    """Have the point held for as long as a worker reads it."""
    work = await work_of(ground, session)
    if not isinstance(work, RestoreWork):
        return Taken(session.status, work)
    return Taken(session.status, Done(f"{_accepted(rewound)}; a worker writes what differs"))


def _accepted(rewound: Rewound) -> str:
    return f"{counted(len(rewound.disks), 'disk')} of {rewound.virtual_machine_id}"


async def _go_on(
    ground: Ground, session: RestoreSession, earlier: UndoRecord, rewound: Rewound
) -> Taken:
    """Go on with what an earlier session of the name has begun, or refuse to do it once more."""
    name = f"an earlier RestoreSession {session.metadata.key}"
    if earlier.stored:
        message = f"{name} has rewound the VM: make a session of another name to do so again"
        return Taken(session.status, Failed("NameTaken", message))
    point = None if earlier.restored is None else earlier.restored.recovery_point
    wanted = set(session.spec.disks)
    if point != restored_of(session).recovery_point or (
        wanted and wanted != {each.disk for each in rewound.disks}
    ):
        message = (
            f"what {name} has begun is undone, and it asked for something else: make a session of "
            "another name"
        )
        return Taken(session.status, Failed("SessionReplaced", message))
    status = replace(session.status, resolved=earlier.resolved, restored=earlier.restored)
    return await _claim(ground, session, rewound, status)


def _refused_by_settings(ground: Ground, session: RestoreSession) -> Failed | None:
    """Return why the namespace may not rewind the point's VM, or nobody may, by its id alone."""
    vm_id = ArmId(restored_of(session).recovery_point.virtual_machine_id)
    appliance = ground.settings.appliance
    if not ground.settings.may_rewind(session.metadata.namespace, vm_id):
        return _not_allowed(session, vm_id)
    if subscription_of(vm_id) != folded(appliance.subscription_id):
        message = f"{vm_id} is not in the appliance's subscription, where snapshots are retained"
        return Failed("CrossSubscriptionRefused", message)
    if is_within_group(vm_id, appliance.subscription_id, appliance.resource_group):
        # Its own snapshots would be taken for altered members of a snapshot set there.
        message = f"{vm_id} is in the appliance's own resource group, where nothing is rewound"
        return Failed("ScopeNotAllowed", message)
    return None


def _refused_ids(ground: Ground, session: RestoreSession, rewound: Rewound) -> Failed | None:
    namespace = session.metadata.namespace
    refused = (
        each for each in ids_used(rewound) if not ground.settings.may_rewind(namespace, each)
    )
    first = next(refused, None)
    return None if first is None else _not_allowed(session, first)


def _not_allowed(session: RestoreSession, resource_id: ArmId) -> Failed:
    message = (
        f"namespace {session.metadata.namespace} may not use {resource_id} in a rewind: the "
        "operator's settings name no rewindScopes for it that hold this"
    )
    return Failed("ScopeNotAllowed", message)


async def _taken_name(ground: Ground, rewound: Rewound) -> Failed | None:
    """Return which name is taken: by others, or by an earlier session of this one's name."""
    found = await asyncio.gather(*map(ground.copies.find, made_ids(rewound)))
    there = next((each for each in found if each is not None), None)
    if there is None:
        return None
    message = (
        f"{there.id} is there already, and nothing is overwritten: make a session of another name, "
        "or delete it"
    )
    return Failed("NameTaken", message)


async def _too_many_disks(ground: Ground, machine: MachineNow, rewound: Rewound) -> Failed | None:
    """Return that a worker cannot have all of the disks at once that it is to write."""
    if not rewound.rewritten:
        return None
    name = await ground.regions.worker_size(machine.region)
    appliance = ground.settings.appliance.subscription_id
    size = await ground.targets.find_size(appliance, machine.region, name)
    wanted = len(rewound.disks)
    if size is None or size.data_disks is None or wanted <= size.data_disks:
        return None  # of a size that is not to be had there, the launch tells
    message = (
        f"a worker writes {counted(wanted, 'disk')}, and {name}, the size of workers in "
        f"{machine.region}, takes {size.data_disks} at once: name fewer in spec.disks, or have "
        "worker.vmSize of the RegionEnvironment be a larger one"
    )
    return Failed("TooManyDisks", message)


async def _short_quota(ground: Ground, machine: MachineNow, rewound: Rewound) -> Failed | None:
    """Return which quota has no room for the new disks, which are beside the VM's own for a while.

    Each is of the kind of the disk whose place it takes.
    """
    usages = await ground.targets.usages(subscription_of(machine.id), machine.region)
    attached = (machine.disk_at(each.disk) for each in rewound.disks)
    wanted = chain.from_iterable(quotas_of_disk(each.body) for each in attached if each is not None)
    remedy = "delete disks that an earlier rewind has left, or name fewer in spec.disks"
    return short_quota(wanted, machine.region, usages, remedy)
