"""Restoring by a worker what an opened repository holds: held, planned, let go.

Thin, as `opened` is: each method is one algorithm of docs/repository-format.md, done by `control`.
"""

from __future__ import annotations

from vmbackup_core.ids import RunId
from vmbackup_core.repository.control.chains.holds import Purpose
from vmbackup_core.repository.control.restore import restore_plan
from vmbackup_core.repository.control.restore.restore_plan import RestoreDisk, RestoreWork
from vmbackup_core.repository.opened_log import OpenedLog

__all__ = ["RestoreDisk", "RestoreWork", "Restores"]


class Restores:
    """What workers are given to bring a point back."""

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
