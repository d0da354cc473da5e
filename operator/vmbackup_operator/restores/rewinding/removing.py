"""RemainsRemoved: of a rewind that did not come to its end nothing is left that costs anything."""

from __future__ import annotations

import asyncio

from vmbackup_operator.model.display import counted
from vmbackup_operator.model.restore_session import RestoreSession
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Done, Waiting
from vmbackup_operator.restores.rewinding.planning import made_ids
from vmbackup_operator.restores.rewinding.stopping import LOOK_AGAIN_S, has_all
from vmbackup_operator.sessions.findings import run_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Taken


async def remove_remains(ground: Ground, session: RestoreSession) -> Taken:
    """Delete the disks and snapshots that were made, once the VM has its own disks."""
    rewound = session.status.rewound
    if session.status.achieved:
        return Taken(session.status, Done("the disks that the VM had stay, and their snapshots"))
    if rewound is None:
        return Taken(session.status, Done("nothing was made"))
    if rewound.swap_confirmed:
        machine = await ground.rewound_machines.find(ArmId(rewound.virtual_machine_id))
        if machine is not None and not has_all(machine, rewound, new=False):
            message = "the VM does not have its own disks: what was made stays until it has"
            return Taken(session.status, Waiting(LOOK_AGAIN_S, message, "DisksNotInPlace"))
    ids, run = made_ids(rewound), run_of(session)
    gone = await asyncio.gather(*(ground.copies.delete(each, run) for each in ids))
    if not all(gone):
        left = len(gone) - sum(gone)
        message = f"{counted(left, 'disk or snapshot')} to be deleted yet"
        return Taken(session.status, Waiting(LOOK_AGAIN_S, message))
    return Taken(session.status, Done("the disks and snapshots of this session are gone"))
