"""The catalogs of repositories, for whoever must know of all recovery points that there are."""

from __future__ import annotations

from typing_extensions import override

from vmbackup_core.errors import PermanentError
from vmbackup_core.repository.control.log.heads import HistoryRolledBack
from vmbackup_core.repository.opened import OpenedRepository
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.repositories.keys import find_key
from vmbackup_operator.repositories.ports import Secrets
from vmbackup_operator.services.opened_repositories import OpenedRepositories
from vmbackup_operator.sweeping.ports import RepositoryCatalogs
from vmbackup_operator.sweeping.things import Catalog


class StoredCatalogs(RepositoryCatalogs):
    """Reads the logs of repositories that are kept open, from where they were left."""

    def __init__(self, opened: OpenedRepositories, secrets: Secrets) -> None:
        self._opened = opened
        self._secrets = secrets

    @override
    async def read(self, repository: BackupRepository) -> Catalog | Waiting:
        key = await find_key(self._secrets, repository)
        return await self._opened.use(repository, key, "catalog", _read)


def _read(opened: OpenedRepository) -> Catalog:
    """Return the log's word; an earlier state of it knows less than there is."""
    reading = opened.reading()
    if reading.lost_head is not None:
        raise PermanentError(str(HistoryRolledBack(reading.lost_head)), reason="HistoryRolledBack")
    runs = frozenset(entry.run for entry in reading.state.counted.values())
    return Catalog(opened.repository_id, runs)
