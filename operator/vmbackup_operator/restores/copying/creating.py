"""DisksCreated and VirtualMachineCreated: what Azure makes of the snapshots, and of the disks."""

from __future__ import annotations

import asyncio
from functools import partial

from vmbackup_operator.model.display import counted
from vmbackup_operator.model.restore_session import RestoreSession
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Done, Waiting
from vmbackup_operator.restores.copies import make_copy
from vmbackup_operator.restores.copying.bodies import disk_body
from vmbackup_operator.restores.copying.planned import planned_of
from vmbackup_operator.restores.finishing import conclude
from vmbackup_operator.restores.machine import create_machine
from vmbackup_operator.restores.planning.planned import DiskWanted, Planned
from vmbackup_operator.sessions.findings import resolved_of, run_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.rewind_ports import CopyToMake
from vmbackup_operator.sessions.step import Taken

_LOOK_AGAIN_S = 2.0


async def create_disks(ground: Ground, session: RestoreSession) -> Taken:
    """Have each disk of the plan made of its retained snapshot."""
    planned = await planned_of(ground, session)
    if not isinstance(planned, Planned):
        return Taken(session.status, planned)
    run, retained = run_of(session), resolved_of(session).retained
    sources = {each.disk: ArmId(each.snapshot_id) for each in retained}

    def wanted(disk: DiskWanted) -> CopyToMake:
        return CopyToMake(disk.id, run, sources[disk.position], disk_body(disk))

    made = await asyncio.gather(
        *(make_copy(ground, each.id, run, partial(wanted, each)) for each in planned.disks)
    )
    if not all(made):
        return Taken(session.status, Waiting(_LOOK_AGAIN_S, "Azure makes the disks"))
    return Taken(session.status, Done(f"made: {counted(len(made), 'disk')}"))


async def finish(ground: Ground, session: RestoreSession) -> Taken:
    """Have the VM made, where one is asked for, and write down that all is there."""
    planned = await planned_of(ground, session)
    if not isinstance(planned, Planned):
        return Taken(session.status, planned)
    unmade = await create_machine(ground, session, planned)
    if unmade is not None:
        return Taken(session.status, unmade)
    return await conclude(ground, session)
