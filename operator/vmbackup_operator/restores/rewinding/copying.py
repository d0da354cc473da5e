"""SnapshotsReady and DisksCreated: what the disks hold today, and the disks that replace them."""

from __future__ import annotations

import asyncio
from functools import partial

from msgspec.structs import replace

from vmbackup_core.errors import PermanentError
from vmbackup_operator.arm_ids import same_id
from vmbackup_operator.model.display import counted
from vmbackup_operator.model.restore_session import RestoreSession
from vmbackup_operator.model.rewound import RewoundDisk
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Done, Waiting
from vmbackup_operator.restores.copies import make_copy
from vmbackup_operator.restores.rewinding.bodies import disk_body, snapshot_body
from vmbackup_operator.restores.rewinding.confirming import ask_for_word
from vmbackup_operator.restores.rewinding.nearing import still_there
from vmbackup_operator.restores.rewinding.stopping import LOOK_AGAIN_S, refuse_started
from vmbackup_operator.sessions.findings import rewound_of, run_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.rewind_ports import CopyToMake, MachineNow
from vmbackup_operator.sessions.step import Taken


async def keep_today(ground: Ground, session: RestoreSession) -> Taken:
    """Have a snapshot of each of the VM's own disks, once it stands still."""
    refused = await refuse_started(ground, session)
    if refused is not None:
        return Taken(session.status, refused)
    run, disks = run_of(session), rewound_of(session).disks
    body = snapshot_body(session.spec.target.region, ground.settings.tags)

    def wanted(disk: RewoundDisk) -> CopyToMake:
        return CopyToMake(ArmId(disk.snapshot_id), run, ArmId(disk.replaced_disk_id), body)

    made = await asyncio.gather(
        *(make_copy(ground, ArmId(each.snapshot_id), run, partial(wanted, each)) for each in disks)
    )
    if not all(made):
        return Taken(session.status, Waiting(LOOK_AGAIN_S, "snapshots of today are being taken"))
    return Taken(session.status, Done(f"of today: {counted(len(made), 'snapshot')}"))


async def create_disks(ground: Ground, session: RestoreSession) -> Taken:
    """Have each disk made of its snapshot; where that is all, say what has them swapped."""
    run, rewound = run_of(session), await still_there(ground, rewound_of(session))
    session = replace(session, status=replace(session.status, rewound=rewound))
    machine = await ground.rewound_machines.find(ArmId(rewound.virtual_machine_id))
    made = await asyncio.gather(
        *(
            make_copy(ground, ArmId(each.disk_id), run, partial(_new_disk, session, machine, each))
            for each in rewound.disks
        )
    )
    whole = [each for each in made if each is not None]
    if len(whole) < len(made):
        return Taken(session.status, Waiting(LOOK_AGAIN_S, "Azure makes the disks"))
    status = session.status
    if not rewound.rewritten:
        status = await ask_for_word(ground, session, whole)
    return Taken(status, Done(f"made: {counted(len(whole), 'disk')}"))


def _new_disk(session: RestoreSession, machine: MachineNow | None, disk: RewoundDisk) -> CopyToMake:
    """Return the disk to make, as the VM's own at its place is."""
    today = None if machine is None else machine.disk_at(disk.disk)
    if today is None or not same_id(today.id, disk.replaced_disk_id):
        message = f"the VM has another disk at {disk.disk} than {disk.replaced_disk_id}, or none"
        raise PermanentError(message, reason="OtherDiskAttached")
    body = disk_body(today.body, disk.size_gib, session.spec.target)
    source = ArmId(disk.source_snapshot_id)
    return CopyToMake(ArmId(disk.disk_id), run_of(session), source, body)
