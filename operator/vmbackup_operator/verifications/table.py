"""The pipeline of a verification, in the order in which it is taken."""

from __future__ import annotations

from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.sessions.step import Step, Table
from vmbackup_operator.sessions.steps.holds import release_holds
from vmbackup_operator.sessions.steps.launching import launch_worker
from vmbackup_operator.sessions.steps.region import prepare_region
from vmbackup_operator.sessions.steps.releasing import release_worker
from vmbackup_operator.sessions.steps.revoking import revoke_access
from vmbackup_operator.verifications.accepting import accept
from vmbackup_operator.verifications.exporting import export_samples
from vmbackup_operator.verifications.verifying import read_back

STEPS: Table[BackupSession] = (
    Step("Accepted", accept),
    Step("EnvironmentReady", prepare_region, each_attempt=True),
    Step("WorkerReady", launch_worker, uses_worker=True),
    Step("ExportGranted", export_samples, each_attempt=True),
    Step("DataVerified", read_back, uses_worker=True),
    Step("AccessRevoked", revoke_access, even_after_failure=True),
    # What follows it never turns success into failure.
    Step("HoldsReleased", release_holds, even_after_failure=True, decides_outcome=True),
    Step("WorkerReleased", release_worker, even_after_failure=True),
)
