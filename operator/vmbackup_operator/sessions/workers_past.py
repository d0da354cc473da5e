"""Which VMs' backups each worker wrote, as far as this process knows its whole past. Pure memory.

Whoever reads a backup back must not be who wrote it: a worker that lied would lie again.
"""

from __future__ import annotations

from vmbackup_core.ids import WorkerId
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.naming import worker_id

#: Of so many workers the past is kept: of the others, the oldest, nothing is known any more.
MOST_WORKERS = 1000


class WorkersPast:
    """The past of workers that this process has known since they were made; the newest ones."""

    def __init__(self) -> None:
        self._wrote: dict[WorkerId, set[str]] = {}

    def note(self, session: BackupSession) -> None:
        """Take in which worker the session has; an idle one that is not known stays unknown."""
        status = session.status
        if status.worker is None or status.run_id is None:
            return
        worker = status.worker.id
        if worker == worker_id(status.run_id, status.worker.attempt):
            # Made for this attempt, which holds it ever since: nobody had it before.
            self._wrote.setdefault(worker, set())
        wrote = self._wrote.get(worker)
        if wrote is not None and session.spec.type != "Verify":
            wrote.add(folded(session.spec.virtual_machine_id))
        while len(self._wrote) > MOST_WORKERS:
            del self._wrote[next(iter(self._wrote))]

    def may_have_written(self, worker: WorkerId, vm_id: str) -> bool:
        """Tell whether the worker wrote a backup of the VM, or nobody knows that it did not."""
        wrote = self._wrote.get(worker)
        return wrote is None or folded(vm_id) in wrote
