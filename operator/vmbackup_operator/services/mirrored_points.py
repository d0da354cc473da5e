"""What the cluster shows of a repository's recovery points."""

from __future__ import annotations

from typing_extensions import override

from vmbackup_core.ids import RunId
from vmbackup_core.repository.control.catalog import Damage
from vmbackup_core.repository.control.log_entries import Recorded
from vmbackup_core.repository.opened import OpenedRepository
from vmbackup_core.repository.primitives.user_key import UserKey
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.services.opened_repositories import OpenedRepositories
from vmbackup_operator.services.stored_points import as_seen
from vmbackup_operator.upkeep.ports import Mirrored, PointsToMirror


class StoredMirror(PointsToMirror):
    """The newest points of repositories that are kept open."""

    def __init__(self, opened: OpenedRepositories) -> None:
        self._opened = opened

    @override
    async def newest(
        self, repository: BackupRepository, key: UserKey, listed: frozenset[RunId]
    ) -> Mirrored | Waiting:
        return await self._opened.use(repository, key, ("mirror", listed), _newest)


def _newest(opened: OpenedRepository) -> Mirrored:
    unseen: set[RunId] = set()

    def damaged(entry: Recorded, _error: Damage) -> None:
        unseen.add(entry.run)

    points = [as_seen(each.point) for each in opened.mirrored(damaged)]
    return Mirrored(points, frozenset(unseen))
