"""The pipeline of a session that takes a snapshot set and moves no data, in its order."""

from __future__ import annotations

from vmbackup_operator.backups.retaining.accepting import accept
from vmbackup_operator.backups.retaining.keeping import keep_set
from vmbackup_operator.backups.retaining.pruning import prune_sets
from vmbackup_operator.backups.retaining.taking import take_set
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.sessions.step import Step, Table

STEPS: Table[BackupSession] = (
    Step("Accepted", accept),
    Step("SnapshotsReady", take_set),
    Step("RecoveryPointStored", keep_set),
    Step("SnapshotsPruned", prune_sets, even_after_failure=True, decides_outcome=True),
)
