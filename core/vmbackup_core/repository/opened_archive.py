"""What an archive session ends in an opened repository: chains that it began and has no use for.

Thin, as `opened` is, which prepares, commits and records an archive's disks as any other's.
"""

from __future__ import annotations

from collections.abc import Sequence

from vmbackup_core.ids import DiskUniqueId, RunId
from vmbackup_core.repository.control.backup.skipping import retire_archives
from vmbackup_core.repository.control.chains.chain_header import find_archive_chain
from vmbackup_core.repository.opened_log import OpenedLog


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
