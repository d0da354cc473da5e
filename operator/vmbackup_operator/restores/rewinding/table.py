"""The pipeline of a rewind, in the order in which it is taken."""

from __future__ import annotations

from vmbackup_operator.model.restore_session import RestoreSession
from vmbackup_operator.restores.rehydrating import bring_packs_back, remove_copies
from vmbackup_operator.restores.rewinding.accepting import accept
from vmbackup_operator.restores.rewinding.confirming import await_word
from vmbackup_operator.restores.rewinding.copying import create_disks, keep_today
from vmbackup_operator.restores.rewinding.removing import remove_remains
from vmbackup_operator.restores.rewinding.rewriting import (
    attach_disks,
    detach_disks,
    release_writer,
    rewrite_disks,
)
from vmbackup_operator.restores.rewinding.stopping import start_machine, stop_machine
from vmbackup_operator.restores.rewinding.swapping import put_back, swap_disks
from vmbackup_operator.restores.undo import session_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Step, Table
from vmbackup_operator.sessions.steps.holds import release_holds
from vmbackup_operator.sessions.steps.launching import launch_worker
from vmbackup_operator.sessions.steps.region import prepare_region
from vmbackup_operator.sessions.undo_record import UndoRecord
from vmbackup_operator.sessions.undoing import take_last_steps

_SWAPPING: Table[RestoreSession] = (
    Step("SwapConfirmed", await_word),
    Step("DisksSwapped", swap_disks),
    Step("DisksPutBack", put_back, even_after_failure=True),
    Step("VirtualMachineStarted", start_machine, even_after_failure=True),
    Step("RemainsRemoved", remove_remains, even_after_failure=True, decides_outcome=True),
)

STEPS: Table[RestoreSession] = (
    Step("Accepted", accept),
    Step("VirtualMachineStopped", stop_machine),
    Step("SnapshotsReady", keep_today),
    Step("DisksCreated", create_disks),
    *_SWAPPING,
)

#: The same of a point whose snapshots are gone. The VM runs until there is a worker, and the worker
#: is given back before anybody is asked for a word.
REWRITING: Table[RestoreSession] = (
    Step("Accepted", accept),
    Step("PacksRehydrated", bring_packs_back, each_attempt=True),
    Step("EnvironmentReady", prepare_region, each_attempt=True),
    Step("WorkerReady", launch_worker, uses_worker=True),
    Step("VirtualMachineStopped", stop_machine),
    Step("SnapshotsReady", keep_today),
    Step("DisksCreated", create_disks),
    Step("DisksAttached", attach_disks, each_attempt=True, uses_worker=True),
    Step("DataRestored", rewrite_disks, uses_worker=True),
    Step("DisksDetached", detach_disks, even_after_failure=True),
    Step("CopiesRemoved", remove_copies, even_after_failure=True),
    Step("HoldsReleased", release_holds, even_after_failure=True),
    Step("WorkerReleased", release_writer, even_after_failure=True),
    *_SWAPPING,
)


def table_of(session: RestoreSession) -> Table[RestoreSession]:
    """Return the steps of the rewind: they differ once it is known what the new disks are made of.

    What comes before that is the same.
    """
    rewound = session.status.rewound
    return REWRITING if rewound is not None and rewound.rewritten else STEPS


async def undo(ground: Ground, record: UndoRecord) -> bool:
    """Undo what is left of a rewind that has gone; True once nothing is."""
    session = session_of(record)
    return await take_last_steps(table_of(session), ground, session)
