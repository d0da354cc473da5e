"""The pipeline of an archive session, in the order in which it is taken."""

from __future__ import annotations

from vmbackup_operator.archives.accepting import accept
from vmbackup_operator.archives.committing import commit_disks
from vmbackup_operator.archives.copying import copy_disks
from vmbackup_operator.archives.recording import record_recovery_point
from vmbackup_operator.archives.retiring import retire_remains
from vmbackup_operator.archives.tiering import tier_packs
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.sessions.step import Step, Table
from vmbackup_operator.sessions.steps.holds import release_holds
from vmbackup_operator.sessions.steps.launching import launch_worker
from vmbackup_operator.sessions.steps.region import prepare_region
from vmbackup_operator.sessions.steps.releasing import release_worker

STEPS: Table[BackupSession] = (
    Step("Accepted", accept),
    Step("EnvironmentReady", prepare_region, each_attempt=True),
    Step("WorkerReady", launch_worker, uses_worker=True),
    Step("DataArchived", copy_disks, uses_worker=True),
    Step("Committed", commit_disks),
    Step("RecoveryPointStored", record_recovery_point),
    # Neither this nor what follows turns success into failure: the point counts.
    Step("PacksTiered", tier_packs, even_after_failure=True),
    Step("RemainsRemoved", retire_remains, even_after_failure=True, decides_outcome=True),
    Step("HoldsReleased", release_holds, even_after_failure=True),
    Step("WorkerReleased", release_worker, even_after_failure=True),
)
