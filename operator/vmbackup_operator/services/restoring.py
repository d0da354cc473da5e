"""Recovery points of repositories as workers bring them back: planned, and held meanwhile."""

from __future__ import annotations

from typing_extensions import override

from vmbackup_core.ids import RunId
from vmbackup_core.repository.control.chains.holds import Purpose
from vmbackup_core.repository.opened import OpenedRepository
from vmbackup_core.repository.opened_restore import Restores, RestoreWork
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.repositories.keys import find_key
from vmbackup_operator.repositories.ports import Secrets
from vmbackup_operator.services.opened_repositories import OpenedRepositories
from vmbackup_operator.sessions.restore_ports import PointsToRestore


class StoredPointsToRestore(PointsToRestore):
    """Those of repositories that are opened with the keys of their Secrets."""

    def __init__(self, opened: OpenedRepositories, secrets: Secrets) -> None:
        self._opened = opened
        self._secrets = secrets

    @override
    async def plan(
        self,
        repository: BackupRepository,
        vm_id: ArmId,
        run_id: RunId,
        holder: RunId,
        purpose: Purpose = "restore",
    ) -> RestoreWork | Waiting:
        def of_opened(opened: OpenedRepository) -> RestoreWork:
            return Restores(opened.work).plan(vm_id, run_id, holder, purpose)

        key = await find_key(self._secrets, repository)
        what = ("plan a restore", vm_id, run_id, holder)
        return await self._opened.use(repository, key, what, of_opened)
