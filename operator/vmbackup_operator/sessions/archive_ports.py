"""What archive sessions alone need of repositories.

The contract of `sessions/ports.py` is that of these too: asking twice is asking once, not-ready is
a value, and no foreign error comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from vmbackup_core.ids import DiskUniqueId, RunId
from vmbackup_core.repository.opened_archive import PutAway
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Waiting


class ArchiveChains(Protocol):
    """The chains that archive sessions begin: each run has its own, and no other writes there."""

    async def retire(
        self, repository: BackupRepository, run_id: RunId, disks: Sequence[DiskUniqueId]
    ) -> Waiting | None:
        """Have all be garbage that the run has stored of *disks*, or stores from now on.

        PermanentError with reason ``ChainInUse``: its recovery point counts.
        """

    async def put_away(
        self, repository: BackupRepository, vm_id: ArmId, run_id: RunId
    ) -> PutAway | Waiting | None:
        """Put some more packs of the VM's point of that run into the Archive tier.

        Return how far that is, by a listing; None where no such point counts. PermanentError where
        Azure does not let it be, for want of a right (``NotAuthorized``) or of a tier.
        """
