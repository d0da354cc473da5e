"""What archive sessions alone need of repositories.

The contract of `sessions/ports.py` is that of these too: asking twice is asking once, not-ready is
a value, and no foreign error comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from vmbackup_core.ids import DiskUniqueId, RunId
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.reconciling.outcome import Waiting


class ArchiveChains(Protocol):
    """The chains that archive sessions begin: each run has its own, and no other writes there."""

    async def retire(
        self, repository: BackupRepository, run_id: RunId, disks: Sequence[DiskUniqueId]
    ) -> Waiting | None:
        """Have all be garbage that the run has stored of *disks*, or stores from now on.

        PermanentError with reason ``ChainInUse``: its recovery point counts.
        """
