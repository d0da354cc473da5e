"""The chains of archive sessions, in repositories opened with the keys of their Secrets."""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import override

from vmbackup_core.ids import DiskUniqueId, RunId
from vmbackup_core.repository.opened import OpenedRepository
from vmbackup_core.repository.opened_archive import Archives, PutAway
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.repositories.keys import find_key
from vmbackup_operator.repositories.ports import Secrets
from vmbackup_operator.services.opened_repositories import PACKS_A_TURN, OpenedRepositories
from vmbackup_operator.sessions.archive_ports import ArchiveChains


class StoredArchiveChains(ArchiveChains):
    """Those of repositories that are opened with the keys of their Secrets."""

    def __init__(self, opened: OpenedRepositories, secrets: Secrets) -> None:
        self._opened = opened
        self._secrets = secrets

    @override
    async def retire(
        self, repository: BackupRepository, run_id: RunId, disks: Sequence[DiskUniqueId]
    ) -> Waiting | None:
        def work(opened: OpenedRepository) -> None:
            Archives(opened.work).retire(run_id, disks)

        key = await find_key(self._secrets, repository)
        return await self._opened.use(repository, key, ("retire", run_id), work)

    @override
    async def put_away(
        self, repository: BackupRepository, vm_id: ArmId, run_id: RunId
    ) -> PutAway | Waiting | None:
        tier = self._opened.tier(repository)

        def work(opened: OpenedRepository) -> PutAway | None:
            return Archives(opened.work).put_away(tier, vm_id, run_id, most=PACKS_A_TURN)

        key = await find_key(self._secrets, repository)
        return await self._opened.use(repository, key, ("put away", run_id), work)
