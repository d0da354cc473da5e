"""BackupRepository objects that stand for one repository: one of them has its upkeep done."""

from __future__ import annotations

from vmbackup_core.ids import RepositoryId
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.conditions import is_true
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.upkeep.ports import Repositories


class Twins:
    """Which objects stand for which repository, as far as this process has looked at them.

    Who is not known yet does the work twice, which harms nothing.
    """

    def __init__(self) -> None:
        self._of: dict[ObjectKey, RepositoryId] = {}

    def note(self, repository: BackupRepository) -> None:
        """Take in what the object stands for."""
        found = repository.status.repository_id
        if found is None:
            self.forget(repository.metadata.key)
        else:
            self._of[repository.metadata.key] = found

    def forget(self, key: ObjectKey) -> None:
        """Take in that the object has gone."""
        self._of.pop(key, None)

    def all_of(self, repository: BackupRepository) -> frozenset[ObjectKey]:
        """Return the objects of the same repository, *repository* among them."""
        found = repository.status.repository_id
        same = (key for key, each in self._of.items() if found is not None and each == found)
        return frozenset({repository.metadata.key, *same})

    async def keeper(
        self, repositories: Repositories, repository: BackupRepository
    ) -> ObjectKey | None:
        """Return the object by which upkeep is done in place of *repository*; None: by itself.

        That is the first one by name, if it is able to.
        """
        own = repository.metadata.key
        for key in sorted(self.all_of(repository) - {own}):
            if key > own:
                return None
            other = await repositories.find(key)
            if other is None:
                self.forget(key)
            elif _keeps(other, repository):
                return key
        return None


def _keeps(other: BackupRepository, repository: BackupRepository) -> bool:
    """Tell whether upkeep is done by *other*, and is that of *repository*."""
    same = (other.status.repository_id, other.status.appliance_id) == (
        repository.status.repository_id,
        repository.status.appliance_id,
    )
    goes = other.metadata.deletion_timestamp is not None or other.spec.upkeep.suspend
    return same and not goes and is_true(other.status.conditions, "Ready")
