"""Accepted: whether the session may and can be run, and what it is about.

Nothing is made of the VM yet. Where it is in another subscription, the way to its data is made.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from vmbackup_core.errors import PermanentError
from vmbackup_operator.backups.comparing import differences, unknown_luns
from vmbackup_operator.backups.descriptions import digest_of, keep_description
from vmbackup_operator.backups.excluding import excluded_disks
from vmbackup_operator.backups.keeping import judge
from vmbackup_operator.backups.tracking import find_predecessors, tell_full_reads
from vmbackup_operator.backups.undo import record_of
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.backup_session import BackupSession, BackupSessionStatus
from vmbackup_operator.model.display import counted
from vmbackup_operator.model.exclusions import ExcludedDisk
from vmbackup_operator.model.metadata import POLICY_GENERATION_ANNOTATION
from vmbackup_operator.model.session_findings import (
    Resolved,
    ResolvedDisk,
    ResolvedVirtualMachine,
    position_of,
)
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.archives_alone import archives_alone
from vmbackup_operator.reconciling.other_subscriptions import subscription_refused
from vmbackup_operator.reconciling.outcome import Done, Failed, Waiting
from vmbackup_operator.sessions.findings import run_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.point_mirror import mirror_of
from vmbackup_operator.sessions.results import results_of
from vmbackup_operator.sessions.seen import (
    DiskSeen,
    PointSeen,
    VirtualMachineSeen,
)
from vmbackup_operator.sessions.step import Answer, Taken
from vmbackup_operator.sessions.steps.admitting import (
    begun_too_late,
    ready_repository,
    resolved_repository,
    scope_refused,
)
from vmbackup_operator.sessions.steps.claiming import claim_for, has_claim
from vmbackup_operator.sessions.steps.crossing import open_way_across
from vmbackup_operator.sessions.steps.keeping import why_kept

#: More than a generation ever has, and few enough for the schema's 64 bits.
_GENERATION_DIGITS = 18

#: What is said of a session whose recovery point was found in the repository when it began.
ADOPTED = "the recovery point of this run exists already"


async def accept(ground: Ground, session: BackupSession) -> Taken:
    """Check the session, have the home region made ready, and record what was found."""
    refused = _refusal(ground, session)
    if refused is not None:
        return Taken(session.status, refused)
    repository = await _repository_for_backups(ground, session)
    if not isinstance(repository, BackupRepository):
        return Taken(session.status, repository)
    account = ArmId(repository.spec.storage_account_id)
    home = await ground.regions.ensure_home({account})
    if isinstance(home, Waiting):
        return Taken(session.status, home)
    vm_id = ArmId(session.spec.virtual_machine_id)
    point = await ground.points.find(repository, vm_id, run_of(session))
    if isinstance(point, Waiting):
        return Taken(session.status, point)
    if point is None:
        return await _begin(ground, session, repository)
    return await _adopt(ground, session, repository, point)


async def _repository_for_backups(
    ground: Ground, session: BackupSession
) -> BackupRepository | Answer:
    repository = await ready_repository(ground, session)
    if not isinstance(repository, BackupRepository):
        return repository
    return archives_alone(repository) or repository


async def _adopt(
    ground: Ground, session: BackupSession, repository: BackupRepository, point: PointSeen
) -> Taken:
    """Return the session with the point that its run has recorded already, and show that."""
    kept = await why_kept(ground, session, repository, point, judge)
    if isinstance(kept, Waiting):
        return Taken(session.status, kept)
    mirror = mirror_of(point, repository, ground.settings.appliance.id, kept)
    await ground.point_objects.ensure(mirror)
    return Taken(_adopted(session, point), Done(await _compared(ground, session, point)))


async def _compared(ground: Ground, session: BackupSession, point: PointSeen) -> str:
    """Return what is said of an adopted point, with what it lacks of what the session asks for."""
    try:
        machine = await ground.virtual_machines.find(ArmId(session.spec.virtual_machine_id))
    except PermanentError:
        machine = None  # the point exists, whatever has become of the VM
    differs = differences(session.spec, point, machine)
    if not differs:
        return ADOPTED
    message = f"{ADOPTED}; it {differs}"
    await ground.events.tell(session, "Warning", "PointDiffers", message)
    return message


async def _begin(ground: Ground, session: BackupSession, repository: BackupRepository) -> Taken:
    """Record the VM as it is, unless the session comes too late to begin with it."""
    machine = await machine_in_turn(ground, session)
    if not isinstance(machine, VirtualMachineSeen):
        return Taken(session.status, machine)
    vm_id = ArmId(session.spec.virtual_machine_id)
    account = ArmId(repository.spec.storage_account_id)
    apart = await open_way_across(ground, vm_id, machine.region, account)
    if apart is not None:
        return Taken(session.status, apart)
    taken = await _resolve(ground, session, repository, machine)
    if isinstance(taken.answer, Done):
        # Before anything is made.
        begun = replace(session, status=taken.status)
        claimed = await claim_for(ground, record_of(begun))
        if claimed is not None:
            return Taken(session.status, claimed)
        await tell_unknown_luns(ground, session, machine)
        await tell_full_reads(ground, session, begun.status.full_reads)
        keep_description(ground, session, machine.description)
    return taken


async def machine_in_turn(ground: Ground, session: BackupSession) -> VirtualMachineSeen | Answer:
    """Return the session's VM once it is the session's turn; what else there is to say before."""
    late = begun_too_late(session)
    if late is not None:
        return late
    vm_id = ArmId(session.spec.virtual_machine_id)
    most = ground.settings.most_backups_at_once(session.metadata.namespace)
    turn = ground.allocator.turn_of_vm(session, vm_id)
    turn = turn or ground.allocator.turn_of_namespace(session, most)
    if turn is not None and not await has_claim(ground, session, vm_id):
        return turn
    machine = await ground.virtual_machines.find(vm_id)
    if machine is None:
        message = f"there is no virtual machine {vm_id}: correct the id, or take it out"
        return Failed("VirtualMachineNotFound", message)
    return machine


async def tell_unknown_luns(
    ground: Ground, session: BackupSession, machine: VirtualMachineSeen
) -> None:
    """Say which LUNs a user's session excludes in vain.

    A policy's are for all of its VMs: one that some lack is not amiss, and it says so itself.
    """
    unknown = unknown_luns(session.spec, machine)
    if unknown and session.spec.policy_ref is None:
        message = f"excludeDataDiskLuns: {machine.name} has no data disk at LUN {unknown}"
        await ground.events.tell(session, "Warning", "UnknownLun", message)


def _refusal(ground: Ground, session: BackupSession) -> Failed | None:
    """Return why the session is not for us to run, by what it says alone."""
    vm_id = ArmId(session.spec.virtual_machine_id)
    return scope_refused(ground, session) or subscription_refused(ground.settings, vm_id)


def policy_generation(session: BackupSession) -> int:
    """Return the generation of the policy that the session was made from; 0 for a user's."""
    said = session.metadata.annotations.get(POLICY_GENERATION_ANNOTATION, "")
    return int(said) if said.isdecimal() and len(said) < _GENERATION_DIGITS else 0


async def _resolve(
    ground: Ground,
    session: BackupSession,
    repository: BackupRepository,
    machine: VirtualMachineSeen,
) -> Taken:
    """Record what later steps read instead of looking again."""
    excluded = excluded_disks(session.spec, machine)
    disks = resolved_disks(machine, excluded)
    if isinstance(disks, Failed):
        return Taken(session.status, disks)
    chosen = await find_predecessors(ground, session, repository, disks)
    if isinstance(chosen, Waiting):
        return Taken(session.status, chosen)
    resolved = Resolved(
        policy_generation=policy_generation(session),
        virtual_machine=resolved_machine(machine),
        disks=disks,
        repository=resolved_repository(repository),
        predecessors=chosen.predecessors,
    )
    status = replace(
        session.status,
        resolved=resolved,
        full_reads=chosen.full_reads,
        excluded_disks=excluded,
    )
    message = f"{machine.name} in {machine.region}, {counted(len(disks), 'disk')}"
    if chosen.predecessors:
        message += f", of {len(chosen.predecessors)} what has changed"
    if excluded:
        message += f"; {counted(len(excluded), 'disk')} left out"
    return Taken(status, Done(message))


def resolved_machine(machine: VirtualMachineSeen) -> ResolvedVirtualMachine:
    """Return what later steps read of the VM."""
    return ResolvedVirtualMachine(
        id=machine.id,
        name=machine.name,
        region=machine.region,
        unique_id=machine.unique_id,
        description_digest=digest_of(machine.description),
    )


def resolved_disks(
    machine: VirtualMachineSeen, excluded: Sequence[ExcludedDisk]
) -> tuple[ResolvedDisk, ...] | Failed:
    """Return the disks that a session is about: the VM's but for those that are *excluded*."""
    left_out = {each.disk for each in excluded}
    for unmanaged in machine.unmanaged:
        if position_of(unmanaged.lun) not in left_out:
            return Failed(
                "DiskNotSupported",
                f"disk {unmanaged.name} of {machine.name} at LUN {unmanaged.lun} is not a managed "
                "disk: leave it out by excludeDataDiskLuns, or move the VM to managed disks",
            )
    disks = tuple(_disk(each) for each in machine.disks if position_of(each.lun) not in left_out)
    if disks:
        return disks
    message = f"{machine.id} has no managed disk that is not excluded"
    return Failed("NothingToBackUp", message)


def _disk(disk: DiskSeen) -> ResolvedDisk:
    return ResolvedDisk(
        id=disk.id,
        name=disk.name,
        unique_id=disk.unique_id,
        size_bytes=disk.size_bytes,
        sku=disk.sku,
        lun=disk.lun,
    )


def _adopted(session: BackupSession, point: PointSeen) -> BackupSessionStatus:
    """Return the status of a session whose point exists: with all that its run can have left.

    Undoing finds exports, snapshots and workers by names that follow from what is recorded here.
    """
    machine = ResolvedVirtualMachine(
        id=point.virtual_machine_id,
        name=point.virtual_machine_name,
        region=point.virtual_machine_region,
        unique_id="",
    )
    found = Resolved(
        policy_generation=policy_generation(session),
        virtual_machine=machine,
        disks=tuple(
            ResolvedDisk(
                id=disk.id,
                name=disk.name,
                unique_id=disk.unique_id,
                size_bytes=disk.size_bytes,
                sku="",
                lun=disk.lun,
            )
            for disk in point.disks
        ),
    )
    return replace(
        session.status,
        resolved=found,
        recovery_point=point.run_id,
        excluded_disks=point.excluded,
        disks=results_of(point),
    )
