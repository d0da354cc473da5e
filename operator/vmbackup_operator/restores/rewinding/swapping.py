"""DisksSwapped, and DisksPutBack: the VM has all of the new disks, or all of its own."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from vmbackup_operator.model.conditions import MAX_MESSAGE, cut
from vmbackup_operator.model.display import counted
from vmbackup_operator.model.restore_session import RestoreSession
from vmbackup_operator.model.rewound import Rewound
from vmbackup_operator.naming import ArmId, name_of
from vmbackup_operator.reconciling.outcome import Done, Failed, Waiting
from vmbackup_operator.restores.rewinding.stopping import LOOK_AGAIN_S, has_all
from vmbackup_operator.restores.rewinding.undo import record_of
from vmbackup_operator.sessions.findings import restored_of, rewound_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.rewind_ports import DiskPlace, MachineNow
from vmbackup_operator.sessions.step import Taken


async def swap_disks(ground: Ground, session: RestoreSession) -> Taken:
    """Have each new disk at its place; once all are, nothing takes them away any more."""
    rewound = rewound_of(session)
    vm_id = ArmId(rewound.virtual_machine_id)
    machine = await ground.rewound_machines.find(vm_id)
    if machine is None:
        message = f"there is no virtual machine {vm_id} any more"
        return Taken(session.status, Failed("VirtualMachineNotFound", message))
    if has_all(machine, rewound, new=True):
        return await _conclude(ground, session, rewound, machine)
    if machine.power != "deallocated" and machine.settled:
        message = f"{machine.name} was started while its disks were to be swapped"
        return Taken(session.status, Failed("VirtualMachineStarted", message))
    if await ground.rewound_machines.swap(vm_id, list(places(rewound))):
        return await _conclude(ground, session, rewound, machine)
    return Taken(session.status, Waiting(LOOK_AGAIN_S, "the VM's disks are being swapped"))


async def _conclude(
    ground: Ground, session: RestoreSession, rewound: Rewound, machine: MachineNow
) -> Taken:
    """Write down first that the new disks stay, and then how it ended."""
    kept = ", ".join(
        name_of(ArmId(name))
        for each in rewound.disks
        for name in (each.replaced_disk_id, each.snapshot_id)
    )
    conclusion = (
        f"rewound {machine.name}: {counted(len(rewound.disks), 'disk')}; next backup: "
        f"{rewound.next_backup}; kept until you delete them: {kept}"
    )
    restored = replace(restored_of(session), conclusion=cut(conclusion, MAX_MESSAGE))
    status = replace(session.status, restored=restored)
    await ground.undo_records.keep(record_of(replace(session, status=status), stored=True))
    return Taken(status, Done(f"swapped: {counted(len(rewound.disks), 'disk')}"))


async def put_back(ground: Ground, session: RestoreSession) -> Taken:
    """Have the VM's own disks at their places, where the rewind did not come to its end."""
    rewound = session.status.rewound
    if session.status.achieved:
        return Taken(session.status, Done("the new disks stay"))
    if rewound is None or not rewound.swap_confirmed:
        return Taken(session.status, Done("none was swapped"))
    vm_id = ArmId(rewound.virtual_machine_id)
    machine = await ground.rewound_machines.find(vm_id)
    if machine is None or has_all(machine, rewound, new=False):
        return Taken(session.status, Done("the VM has its own disks"))
    if not machine.settled:
        return Taken(session.status, Waiting(LOOK_AGAIN_S, "Azure is at the VM"))
    # A crash may have fallen between the record that the new ones stay and the status that says so.
    await ground.undo_records.keep(record_of(session))
    # Somebody may have started it in between, and a VM that runs keeps its OS disk.
    stopped = await ground.rewound_machines.deallocate(vm_id)
    if stopped and await ground.rewound_machines.swap(vm_id, list(places(rewound, back=True))):
        return Taken(session.status, Done("the VM has its own disks again"))
    return Taken(session.status, Waiting(LOOK_AGAIN_S, "the VM gets its own disks again"))


def places(rewound: Rewound, *, back: bool = False) -> Iterator[DiskPlace]:
    """Yield where each new disk is to be, or, *back*, each of the VM's own."""
    for each in rewound.disks:
        old, new = ArmId(each.replaced_disk_id), ArmId(each.disk_id)
        yield DiskPlace(
            position=each.disk,
            disk_id=old if back else new,
            instead_of=new if back else old,
            caching=each.caching,
            delete_option=each.delete_option,
            write_accelerator=each.write_accelerator,
        )
