"""Accepted: the namespace may, the VM is there and claimed, and what is taken is written down."""

from __future__ import annotations

from msgspec.structs import replace

from vmbackup_operator.backups.accepting import (
    machine_in_turn,
    policy_generation,
    resolved_disks,
    resolved_machine,
    tell_unknown_luns,
)
from vmbackup_operator.backups.descriptions import keep_description
from vmbackup_operator.backups.excluding import excluded_disks
from vmbackup_operator.backups.undo import record_of
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.display import counted
from vmbackup_operator.model.session_findings import Resolved
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.other_subscriptions import subscription_refused
from vmbackup_operator.reconciling.outcome import Done, Failed
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.seen import VirtualMachineSeen
from vmbackup_operator.sessions.step import Taken
from vmbackup_operator.sessions.steps.admitting import machine_refused
from vmbackup_operator.sessions.steps.claiming import claim_for


async def accept(ground: Ground, session: BackupSession) -> Taken:
    """Check the session, claim its VM, and record what was found; nothing is made yet."""
    vm_id = ArmId(session.spec.virtual_machine_id)
    refused = machine_refused(ground, session) or subscription_refused(ground.settings, vm_id)
    if refused is not None:
        return Taken(session.status, refused)
    machine = await machine_in_turn(ground, session)
    if not isinstance(machine, VirtualMachineSeen):
        return Taken(session.status, machine)
    return await _claim(ground, session, machine)


async def _claim(ground: Ground, session: BackupSession, machine: VirtualMachineSeen) -> Taken:
    """Claim the VM by the record of what is going to be made, before anything is."""
    excluded = excluded_disks(session.spec, machine)
    disks = resolved_disks(machine, excluded)
    if isinstance(disks, Failed):
        return Taken(session.status, disks)
    resolved = Resolved(
        policy_generation=policy_generation(session),
        virtual_machine=resolved_machine(machine),
        disks=disks,
    )
    status = replace(session.status, resolved=resolved, excluded_disks=excluded)
    claimed = await claim_for(ground, record_of(replace(session, status=status)))
    if claimed is not None:
        return Taken(session.status, claimed)
    await tell_unknown_luns(ground, session, machine)
    keep_description(ground, session, machine.description)
    message = f"{machine.name} in {machine.region}, {counted(len(disks), 'disk')}"
    if excluded:
        message += f"; {counted(len(excluded), 'disk')} left out"
    return Taken(status, Done(message))
