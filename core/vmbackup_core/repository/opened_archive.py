"""What an archive session does at its end in an opened repository: packs put away, chains ended.

Thin, as `opened` is, which prepares, commits and records an archive's disks as any other's.
"""

from __future__ import annotations

from collections.abc import Sequence

from vmbackup_core.ids import DiskUniqueId, RunId
from vmbackup_core.repository.control.backup import putting_away
from vmbackup_core.repository.control.backup.putting_away import PutAway
from vmbackup_core.repository.control.backup.skipping import retire_archives
from vmbackup_core.repository.control.chains.chain_header import find_archive_chain
from vmbackup_core.repository.opened_log import OpenedLog
from vmbackup_core.stores.archive_tier import ArchiveTier

__all__ = ["Archives", "PutAway"]


class Archives:
    """The chains of archive sessions."""

    def __init__(self, work: OpenedLog) -> None:
        self._work = work

    def retire(self, run: RunId, disks: Sequence[DiskUniqueId]) -> None:
        """Have all that *run* has stored of *disks* become garbage, of which no point counts.

        What is stored after it is garbage as well; twice is once. Raise ChainInUse where a point
        counts.
        """
        with self._work.of_owner() as log:
            data = self._work.places.data
            found = (find_archive_chain(log, data, disk, run) for disk in disks)
            retire_archives(log, [each.chain for each in found if each is not None])

    def put_away(self, tier: ArchiveTier, vm_id: str, run: RunId, *, most: int) -> PutAway | None:
        """Put packs of the point that *run* made of the VM into *tier*, no more than *most*.

        Return how far that is; twice is once. None where no such point counts: packs without one
        are garbage, and deleting these from the tier would cost.
        """
        state = self._work.reading().state
        log, data = self._work.log, self._work.places.data
        log.check_owner(state)
        point = putting_away.find_counted(log.control, state, vm_id, run)
        if point is None:
            return None
        return putting_away.put_away(log.control, data, tier, point, most=most)
