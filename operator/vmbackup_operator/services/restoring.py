"""Recovery points of repositories as workers bring them back: planned, held, made readable."""

from __future__ import annotations

from typing_extensions import override

from vmbackup_core.ids import RunId
from vmbackup_core.repository.control.chains.holds import Purpose
from vmbackup_core.repository.control.points.points import RecoveryPoint
from vmbackup_core.repository.opened import OpenedRepository
from vmbackup_core.repository.opened_restore import Archived, Restores, RestoreWork
from vmbackup_core.stores.archive_tier import Priority
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.repositories.keys import find_key
from vmbackup_operator.repositories.ports import Secrets
from vmbackup_operator.services.opened_repositories import PACKS_A_TURN, OpenedRepositories
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

    @override
    async def look_at_archived(
        self, repository: BackupRepository, point: RecoveryPoint, holder: RunId
    ) -> Archived | Waiting:
        def of_opened(opened: OpenedRepository) -> Archived:
            return Restores(opened.work).look_at_archived(point, holder)

        key = await find_key(self._secrets, repository)
        return await self._opened.use(repository, key, ("look at archived", holder), of_opened)

    @override
    async def bring_back(
        self,
        repository: BackupRepository,
        point: RecoveryPoint,
        holder: RunId,
        priority: Priority,
    ) -> Archived | Waiting:
        tier = self._opened.tier(repository)

        def of_opened(opened: OpenedRepository) -> Archived:
            return Restores(opened.work).bring_back(tier, point, holder, priority, PACKS_A_TURN)

        key = await find_key(self._secrets, repository)
        what = ("bring back", holder)
        return await self._opened.use(repository, key, what, of_opened)

    @override
    async def remove_copies(self, repository: BackupRepository, holder: RunId) -> int | Waiting:
        def of_opened(opened: OpenedRepository) -> int:
            return Restores(opened.work).remove_copies(holder)

        key = await find_key(self._secrets, repository)
        return await self._opened.use(repository, key, ("remove copies", holder), of_opened)
