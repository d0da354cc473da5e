"""The pipeline of a backup session, in the order in which it is taken."""

from __future__ import annotations

from vmbackup_operator.sessions.accepting import accept
from vmbackup_operator.sessions.exporting import grant_export, is_unallotted
from vmbackup_operator.sessions.launching import is_unassigned, launch_worker
from vmbackup_operator.sessions.pruning import prune_snapshots
from vmbackup_operator.sessions.recording import record_recovery_point
from vmbackup_operator.sessions.region import prepare_region
from vmbackup_operator.sessions.releasing import release_worker
from vmbackup_operator.sessions.revoking import revoke_access
from vmbackup_operator.sessions.snapshotting import take_snapshots
from vmbackup_operator.sessions.step import Step
from vmbackup_operator.sessions.transferring import transfer

STEPS = (
    Step("Accepted", accept),
    Step("SnapshotsReady", take_snapshots),
    Step("EnvironmentReady", prepare_region, each_attempt=True),
    Step("WorkerReady", launch_worker, alone=is_unassigned),
    Step("ExportGranted", grant_export, each_attempt=True, alone=is_unallotted),
    Step("DataTransferred", transfer),
    Step("RecoveryPointStored", record_recovery_point),
    Step("AccessRevoked", revoke_access, even_after_failure=True),
    # The session's outcome is set here: what follows never turns success into failure.
    # Alone, so that no session is given a worker that this one is about to stop.
    Step("WorkerReleased", release_worker, even_after_failure=True, alone=lambda _status: True),
    Step("SnapshotsPruned", prune_snapshots, even_after_failure=True),
)

#: Behind this step the outcome is set.
LAST_BEFORE_OUTCOME = "AccessRevoked"
