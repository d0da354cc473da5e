"""The pipeline of a backup, in the order in which it is taken."""

from __future__ import annotations

from vmbackup_operator.backups.accepting import accept
from vmbackup_operator.backups.committing import commit_disks
from vmbackup_operator.backups.exporting import export_snapshots
from vmbackup_operator.backups.pruning import prune_snapshots
from vmbackup_operator.backups.recording import record_recovery_point
from vmbackup_operator.backups.releasing import release_bases
from vmbackup_operator.backups.snapshotting import take_snapshots
from vmbackup_operator.backups.transferring import transfer
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.sessions.step import Step, Table
from vmbackup_operator.sessions.steps.launching import launch_worker
from vmbackup_operator.sessions.steps.region import prepare_region
from vmbackup_operator.sessions.steps.releasing import release_worker
from vmbackup_operator.sessions.steps.revoking import revoke_access

STEPS: Table[BackupSession] = (
    Step("Accepted", accept),
    Step("SnapshotsReady", take_snapshots),
    Step("EnvironmentReady", prepare_region, each_attempt=True),
    Step("WorkerReady", launch_worker, uses_worker=True),
    Step("ExportGranted", export_snapshots, each_attempt=True),
    Step("DataTransferred", transfer, uses_worker=True),
    Step("Committed", commit_disks),
    Step("RecoveryPointStored", record_recovery_point),
    # What follows it never turns success into failure.
    Step("AccessRevoked", revoke_access, even_after_failure=True, decides_outcome=True),
    Step("WorkerReleased", release_worker, even_after_failure=True),
    Step("SnapshotsPruned", prune_snapshots, even_after_failure=True),
    Step("HoldsReleased", release_bases, even_after_failure=True),
)
