"""Verifying what an opened repository holds: which VMs are due, jobs for workers, their answers.

Thin, as `opened` is: each method is one algorithm of docs/repository-format.md, done by `control`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from vmbackup_core.ids import ChainId, CommitSlot, RunId
from vmbackup_core.repository.control.verify import verify_due, verify_judging, verify_plan
from vmbackup_core.repository.control.verify.verify_work import (
    Judged,
    VerifyAsked,
    VerifyWork,
    VmDue,
)
from vmbackup_core.repository.data.verify_told import (
    VerifyTold,
)
from vmbackup_core.repository.opened_log import OpenedLog

_NEVER: Mapping[str, datetime] = {}


class Verification:
    """What workers are asked to read back, and what of their answers is logged."""

    def __init__(self, work: OpenedLog) -> None:
        self._work = work

    def due(
        self,
        new_within: timedelta,
        all_within: timedelta,
        now: datetime,
        verified: Mapping[str, datetime] = _NEVER,
    ) -> list[VmDue]:
        """Return the VMs of which something is to be read, the longest due first.

        *verified* says when the old packs of a VM, by its ARM id in lower case, were last read in
        turn; where it has none, the VM's oldest point stands for that. Cheap: no data is read.
        """
        with self._work.of_anybody() as log:
            return verify_due.due(log, new_within, all_within, now, verified)

    def plan(self, vm_id: str, asked: VerifyAsked) -> VerifyWork | None:
        """Return the next job of the VM, whose manifest is held from now on; None: nothing is due.

        Nothing but holds is written; `let_go` releases them.
        """
        with self._work.of_owner() as log:
            return verify_plan.plan(log, self._work.places.data, vm_id, asked)

    def sampled(self, vm_id: str) -> dict[ChainId, CommitSlot]:
        """Return in which slot each chain of the VM was compared last, of those that were."""
        with self._work.of_anybody() as log:
            return verify_plan.sampled(log, vm_id)

    def judge(self, work: VerifyWork, told: VerifyTold | None) -> Judged:
        """Log what is believed of a worker's answer to *work*; None where it asked no worker.

        What is said to be lost is read here first (S27), and no more of it than a bounded number.
        """
        with self._work.of_owner() as log:
            return verify_judging.judge(log, self._work.places.data, work, told)

    def let_go(self, run: RunId) -> None:
        """Delete the holds of *run*; twice is once."""
        with self._work.of_anybody() as log:
            verify_plan.let_go(log.control, run)
