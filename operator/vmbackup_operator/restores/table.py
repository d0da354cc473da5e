"""The pipeline of a restore session, in the order in which it is taken."""

from __future__ import annotations

from vmbackup_operator.model.restore_session import RestoreSession
from vmbackup_operator.restores.accepting import accept
from vmbackup_operator.restores.creating import create_disks
from vmbackup_operator.restores.finishing import finish
from vmbackup_operator.restores.granting import grant_access
from vmbackup_operator.restores.rehydrating import bring_packs_back, remove_copies
from vmbackup_operator.restores.removing import remove_remains
from vmbackup_operator.restores.revoking import revoke_access
from vmbackup_operator.restores.undo import session_of
from vmbackup_operator.restores.writing import restore_data
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Step, Table
from vmbackup_operator.sessions.steps.holds import release_holds
from vmbackup_operator.sessions.steps.launching import launch_worker
from vmbackup_operator.sessions.steps.region import prepare_region
from vmbackup_operator.sessions.steps.releasing import release_worker
from vmbackup_operator.sessions.undo_record import UndoRecord
from vmbackup_operator.sessions.undoing import take_last_steps

STEPS: Table[RestoreSession] = (
    Step("Accepted", accept),
    Step("PacksRehydrated", bring_packs_back, each_attempt=True),
    Step("EnvironmentReady", prepare_region, each_attempt=True),
    Step("WorkerReady", launch_worker, uses_worker=True),
    Step("DisksCreated", create_disks, each_attempt=True),
    Step("AccessGranted", grant_access, each_attempt=True),
    Step("DataRestored", restore_data, uses_worker=True),
    Step("AccessRevoked", revoke_access, even_after_failure=True),
    Step("VirtualMachineCreated", finish),
    # What follows it never turns success into failure.
    Step("RemainsRemoved", remove_remains, even_after_failure=True, decides_outcome=True),
    Step("CopiesRemoved", remove_copies, even_after_failure=True),
    Step("HoldsReleased", release_holds, even_after_failure=True),
    Step("WorkerReleased", release_worker, even_after_failure=True),
)


async def undo(ground: Ground, record: UndoRecord) -> bool:
    """Undo what is left of a restore that has gone; True once nothing is."""
    return await take_last_steps(STEPS, ground, session_of(record))
