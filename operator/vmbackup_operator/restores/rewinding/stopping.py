"""VirtualMachineStopped, and VirtualMachineStarted: its power, from what it was to what it was."""

from __future__ import annotations

from vmbackup_operator.arm_ids import same_id
from vmbackup_operator.model.restore_session import RestoreSession
from vmbackup_operator.model.rewound import Rewound
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Done, Failed, Waiting
from vmbackup_operator.sessions.findings import rewound_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.rewind_ports import MachineNow
from vmbackup_operator.sessions.step import Taken

LOOK_AGAIN_S = 2.0


async def stop_machine(ground: Ground, session: RestoreSession) -> Taken:
    """Have the VM deallocated: what its disks hold then is what they hold until it is started."""
    vm_id = ArmId(rewound_of(session).virtual_machine_id)
    if await ground.rewound_machines.deallocate(vm_id):
        return Taken(session.status, Done("deallocated"))
    return Taken(session.status, Waiting(LOOK_AGAIN_S, "the VM is being deallocated"))


async def refuse_started(ground: Ground, session: RestoreSession) -> Failed | None:
    """Return that the VM does not stand still any more, where it does not.

    What it has written since is in no snapshot of the session's, and would be set aside unseen.
    """
    vm_id = ArmId(rewound_of(session).virtual_machine_id)
    machine = await ground.rewound_machines.find(vm_id)
    if machine is None:
        return Failed("VirtualMachineNotFound", f"there is no virtual machine {vm_id} any more")
    if machine.power == "deallocated":
        return None
    message = (
        f"{machine.name} was started while it was to stand still: what it writes is in no snapshot "
        "of this session. Make another session"
    )
    return Failed("VirtualMachineStarted", message)


async def start_machine(ground: Ground, session: RestoreSession) -> Taken:
    """Start the VM where it ran before: with the new disks, or with those that it had."""
    rewound = session.status.rewound
    if rewound is None or not rewound.was_running:
        return Taken(session.status, Done("it did not run before"))
    vm_id = ArmId(rewound.virtual_machine_id)
    machine = await ground.rewound_machines.find(vm_id)
    if machine is None:
        return Taken(session.status, Done("there is no such VM any more"))
    if (
        machine.settled
        and machine.power != "running"
        and not has_all(machine, rewound, new=bool(session.status.achieved))
    ):
        message = "the VM has neither all of its own disks nor all of the new ones: not started"
        return Taken(session.status, Waiting(LOOK_AGAIN_S, message, "DisksNotInPlace"))
    if await ground.rewound_machines.start(vm_id):
        return Taken(session.status, Done("running"))
    return Taken(session.status, Waiting(LOOK_AGAIN_S, "the VM is being started"))


def has_all(machine: MachineNow, rewound: Rewound, *, new: bool) -> bool:
    """Tell whether each disk of the rewind is the *new* one, or each the VM's own, for good."""
    held = {each.position: each.id for each in machine.disks}
    return machine.settled and all(
        same_id(held.get(each.disk, ArmId("")), each.disk_id if new else each.replaced_disk_id)
        for each in rewound.disks
    )
