"""Restoring what an opened repository holds: held, planned, brought back from Archive, let go.

Thin, as `opened` is: each method is one algorithm of docs/repository-format.md, done by `control`.
"""

from __future__ import annotations

from vmbackup_core.ids import RunId
from vmbackup_core.repository.control.chains.holds import Purpose
from vmbackup_core.repository.control.points.points import RecoveryPoint
from vmbackup_core.repository.control.restore import rehydrating, restore_plan
from vmbackup_core.repository.control.restore.rehydrating import Archived
from vmbackup_core.repository.control.restore.restore_plan import RestoreDisk, RestoreWork
from vmbackup_core.repository.opened_log import OpenedLog
from vmbackup_core.stores.archive_tier import ArchiveTier, Priority

__all__ = ["Archived", "RestoreDisk", "RestoreWork", "Restores"]


class Restores:
    """What workers are given to bring a point back, and what can be read of it."""

    def __init__(self, work: OpenedLog) -> None:
        self._work = work

    def plan(
        self, vm_id: str, run: RunId, holder: RunId, purpose: Purpose = "restore"
    ) -> RestoreWork:
        """Return what restores the point that *run* made of the VM, held for the run *holder*.

        Also of a repository that is another's. Nothing but holds is written; `let_go` releases
        them. Planned twice it is held once. Raise PointGone where it counts no longer,
        CorruptRepository where it or a manifest of it is damaged.
        """
        with self._work.of_anybody() as log:
            data = self._work.places.data
            return restore_plan.plan(log, data, vm_id, run, holder, purpose)

    def let_go(self, holder: RunId) -> None:
        """Delete the holds of the run *holder*; twice is once."""
        with self._work.of_anybody() as log:
            restore_plan.let_go(log.control, holder)

    def look_at_archived(self, point: RecoveryPoint, run: RunId) -> Archived:
        """Return what of *point* is in the Archive tier, and how far its copies for *run* are."""
        with self._work.of_anybody() as log:
            data = self._work.places.data
            return rehydrating.look_at_archived(log.control, data, point, run)

    def bring_back(
        self,
        tier: ArchiveTier,
        point: RecoveryPoint,
        run: RunId,
        priority: Priority,
        most: int | None = None,
    ) -> Archived:
        """Have what of *point* is in the tier copied to where *run* can read it, in hours.

        Return how far that is. Twice is once, and no more than *most* copies are begun. They stay
        until `remove_copies`: nothing else deletes them.
        """
        with self._work.of_anybody() as log:
            data = self._work.places.data
            return rehydrating.bring_back(
                log.control, data, tier, point, run, priority=priority, most=most
            )

    def remove_copies(self, run: RunId) -> int:
        """Delete the copies that were made for *run*; return how many."""
        return rehydrating.remove_copies(self._work.places.data, run)
