"""The VM of a restore: its network interfaces first, then the VM, which attaches the disks."""

from __future__ import annotations

from collections.abc import Sequence

from vmbackup_operator.model.restore_session import RestoreSession
from vmbackup_operator.naming import name_of
from vmbackup_operator.reconciling.outcome import Failed, Waiting
from vmbackup_operator.restores.planning.planned import InterfaceWanted, MachineWanted, Planned
from vmbackup_operator.sessions.findings import run_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.target_ports import PartToMake

_LOOK_AGAIN_S = 2.0


async def create_machine(
    ground: Ground, session: RestoreSession, planned: Planned
) -> Waiting | Failed | None:
    """Have the plan's interfaces and VM made; None once they are, or where none is asked for."""
    if planned.machine is None:
        return None
    return await _made(ground, session, planned.interfaces, "network interface") or await _made(
        ground, session, (planned.machine,), "VM"
    )


async def _made(
    ground: Ground,
    session: RestoreSession,
    wanted: Sequence[InterfaceWanted | MachineWanted],
    words: str,
) -> Waiting | Failed | None:
    """Have each of *wanted* made, one after the other; None once all are."""
    for each in wanted:
        part = PartToMake(each.id, run_of(session), each.body)
        made = await ground.machine_parts.request(part)
        if made is None:
            return Waiting(_LOOK_AGAIN_S, f"Azure makes {words} {name_of(each.id)}")
        if made.failure is not None:
            message = f"{words} {name_of(each.id)} was not made: {made.failure}"
            return Failed("VirtualMachineFailed", message)
    return None
