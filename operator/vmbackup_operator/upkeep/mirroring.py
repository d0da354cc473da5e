"""The job Mirror: a RecoveryPoint object for each of a VM's newest points, and for no other.

Whoever deletes such an object deletes no data: it comes back here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.display import counted
from vmbackup_operator.model.recovery_point import RecoveryPoint
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.sessions.point_mirror import mirror_of
from vmbackup_operator.upkeep.asking import find_user_key
from vmbackup_operator.upkeep.ports import JobDone, Mirrored
from vmbackup_operator.upkeep.surroundings import Surroundings


@dataclass(frozen=True, slots=True)
class Changes:
    """Which objects are to come and which are to go."""

    made: tuple[RecoveryPoint, ...]
    deleted: tuple[RecoveryPoint, ...]


async def mirror(around: Surroundings, repository: BackupRepository) -> JobDone | Waiting:
    """Have the objects of the repository be those of its newest points.

    The objects are listed before the log is read: a point counts before its object is made, so one
    that is listed and does not count by then has stopped to.
    """
    key = await find_user_key(around, repository)
    there = await around.point_objects.of_repository(repository.metadata.key)
    listed = frozenset(each.spec.run_id for each in there)
    found = await around.points.newest(repository, key, listed)
    if isinstance(found, Waiting):
        return found
    changes = changes_of(there, found, repository, around.appliance_id)
    for each in changes.made:
        await around.point_objects.ensure(each)
    for each in changes.deleted:
        await around.point_objects.delete(each)
    return JobDone(_said(found, changes))


def changes_of(
    there: Sequence[RecoveryPoint],
    found: Mirrored,
    repository: BackupRepository,
    appliance_id: str,
) -> Changes:
    """Return how the objects that are *there* come to be those of what was *found*."""
    wanted = [mirror_of(point, repository, appliance_id) for point in found.points]
    names, stay = {each.metadata.name for each in there}, {each.metadata.name for each in wanted}
    return Changes(
        made=tuple(each for each in wanted if each.metadata.name not in names),
        deleted=tuple(
            each
            for each in there
            if each.metadata.name not in stay and each.spec.run_id not in found.unseen
        ),
    )


def _said(found: Mirrored, changes: Changes) -> str:
    said = [f"{counted(len(found.points), 'RecoveryPoint')} shown"]
    if changes.made:
        said.append(f"{len(changes.made)} made")
    if changes.deleted:
        said.append(f"{len(changes.deleted)} removed")
    if found.unseen:
        said.append(f"{counted(len(found.unseen), 'point')} could not be looked at")
    return ", ".join(said)
