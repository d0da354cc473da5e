"""VirtualMachineCreated: what was asked for is there, and stays whatever becomes of the session."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from vmbackup_core.repository.opened_restore import RestoreWork
from vmbackup_operator.model.conditions import MAX_MESSAGE, cut, find_condition
from vmbackup_operator.model.display import counted
from vmbackup_operator.model.restore_session import Restored, RestoreSession
from vmbackup_operator.naming import ArmId, name_of
from vmbackup_operator.reconciling.outcome import Done, Failed, Waiting
from vmbackup_operator.restores.machine import create_machine
from vmbackup_operator.restores.planned import plan_of, work_of
from vmbackup_operator.restores.undo import record_of
from vmbackup_operator.sessions.findings import restored_of, run_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Taken


async def finish(ground: Ground, session: RestoreSession) -> Taken:
    """Give the disks what Azure takes only now, and write down that all is there."""
    said = find_condition(session.status.conditions, "AccessRevoked")
    if said is None or said.status != "True":
        message = "access to the disks has not ended: they are no disks like others yet"
        return Taken(session.status, Failed("AccessNotEnded", message))
    work = await work_of(ground, session)
    if not isinstance(work, RestoreWork):
        return Taken(session.status, work)
    planned = plan_of(session, work)
    later = [each for each in planned.disks if each.after_upload]
    changed = await asyncio.gather(
        *(ground.disks.change(each.id, run_of(session), each.after_upload) for each in later)
    )
    if not all(changed):
        return Taken(session.status, Waiting(1, "the disks get what they had"))
    unmade = await create_machine(ground, session, planned)
    if unmade is not None:
        return Taken(session.status, unmade)
    return await conclude(ground, session)


async def conclude(ground: Ground, session: RestoreSession) -> Taken:
    """Write down first that nothing is removed any more, and then how it ended."""
    restored = restored_of(session)
    concluded = replace(restored, conclusion=cut(_conclusion(restored), MAX_MESSAGE))
    status = replace(session.status, restored=concluded)
    await ground.undo_records.keep(record_of(replace(session, status=status), stored=True))
    machine = restored.virtual_machine_id
    return Taken(status, Done("not asked for" if machine is None else f"made: {machine}"))


def _conclusion(restored: Restored) -> str:
    names = ", ".join(name_of(ArmId(each.disk_id)) for each in restored.disks)
    left = f"; not set again: {len(restored.not_restored)}" if restored.not_restored else ""
    disks = f"{counted(len(restored.disks), 'disk')}: {names}{left}"
    if restored.virtual_machine_id is None:
        return f"restored {disks}"
    return f"restored {name_of(ArmId(restored.virtual_machine_id))} with {disks}"
