"""RecoveryPoint objects go with their BackupRepository: they show what can be restored from it.

No data goes. The points stay in the repository, and Mirror shows them again where another
BackupRepository stands for it. Wiring has this looked at when a BackupRepository has gone, and when
a session has ended, which may have made an object after that.
"""

from __future__ import annotations

import logging

from vmbackup_operator.model.display import counted
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.reconciling.outcome import Done, Outcome, Waiting
from vmbackup_operator.upkeep.ports import PointObjects, Repositories

log = logging.getLogger(__name__)

#: How many objects are removed in a look.
REMOVED_AT_ONCE = 100


class DepartedRepositories:
    """Looks at what is left of one BackupRepository at a time."""

    def __init__(self, repositories: Repositories, objects: PointObjects) -> None:
        self._repositories = repositories
        self._objects = objects

    async def reconcile(self, key: ObjectKey) -> Outcome:
        """Remove the objects of the BackupRepository called *key*, where there is none."""
        if await self._repositories.find(key) is not None:
            return Done()
        there = await self._objects.made_by_us(key.namespace)
        left = [each for each in there if each.repository == key]
        for each in left[:REMOVED_AT_ONCE]:
            await self._objects.remove(each)
        if len(left) > REMOVED_AT_ONCE:
            return Waiting(0, f"{counted(len(left) - REMOVED_AT_ONCE, 'RecoveryPoint')} to remove")
        if left:
            log.info("repository %s is gone, and so are its RecoveryPoints", key)
        return Done()
