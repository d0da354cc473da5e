"""The job Mirror: a RecoveryPoint object for each of a VM's newest points, and for no other.

Whoever deletes such an object deletes no data: it comes back here. The job goes on in pieces, so
that backups have their turn at the repository in between; what it has found lies in memory, and
after a crash it begins anew.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vmbackup_core.errors import PermanentError, VmbackupError
from vmbackup_core.ids import RunId
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.display import counted
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.recovery_point import NOT_LOOKED_AT, Kept
from vmbackup_operator.policies.kept_points import Keeper, Keepers, PointFacts, kept_points
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.repositories.keys import find_key
from vmbackup_operator.sessions.point_mirror import PointObject, mirror_of
from vmbackup_operator.sessions.seen import PointSeen
from vmbackup_operator.upkeep.ports import GoOn, JobDone, Mirrored
from vmbackup_operator.upkeep.rules import keepers_of
from vmbackup_operator.upkeep.surroundings import Surroundings

#: How many objects are removed in a piece.
REMOVED_AT_ONCE = 100
#: After so many that the cluster did not take, as in a namespace with a quota, no more are tried.
REFUSED_MOST = 20


@dataclass
class Mirroring:
    """How far the job is: the objects that there were at its beginning, and what was found since.

    *shown* are the runs of those that need nothing more, with their VMs; *gone* the objects that
    are to go, as soon as all VMs were looked at. *after* is the VM behind which it goes on, None
    behind the last one. *told* are those that say anew why they are kept.
    """

    there: Sequence[PointObject] | None = None
    shown: Mapping[RunId, str] = field(default_factory=dict)
    gone: Sequence[PointObject] | None = None
    after: str | None = ""
    newest: set[RunId] = field(default_factory=set)
    unseen: set[RunId] = field(default_factory=set)
    made: set[RunId] = field(default_factory=set)
    refused: dict[RunId, PermanentError] = field(default_factory=dict)
    left_out: set[RunId] = field(default_factory=set)
    removed: int = 0
    told: int = 0
    policies: Mapping[tuple[str, str], Keeper] | None = None
    objects: Mapping[RunId, Sequence[PointObject]] = field(default_factory=dict)


async def mirror(
    around: Surroundings, repository: BackupRepository, so_far: Mirroring
) -> JobDone | GoOn | Waiting:
    """Do a piece of the job: have the objects be those of the newest points.

    The objects are listed before the log is read: a point counts before its object is made, so one
    that is listed and does not count by then has stopped to.
    """
    if so_far.there is None:
        so_far.there = await around.point_objects.made_by_us(repository.metadata.namespace)
        so_far.shown = _shown(so_far.there)
        so_far.objects = _by_runs(so_far.there, repository.metadata.key)
    if so_far.after is not None:
        key = await find_key(around.secrets, repository)
        found = await around.points.newest(repository, key, so_far.shown, so_far.after)
        if isinstance(found, Waiting):
            return found
        await _keep_in_sight(around, repository, found, so_far)
        _take_in(found, so_far)
    elif not await _remove_some(around, repository, so_far):
        return _done(so_far)
    return GoOn("", _said(so_far))


def _shown(there: Sequence[PointObject]) -> Mapping[RunId, str]:
    """Return the runs whose objects need nothing more, with their VMs."""
    return {each.run: each.virtual_machine_id for each in there if each.named and each.whole}


def _by_runs(
    there: Sequence[PointObject], repository: ObjectKey
) -> Mapping[RunId, Sequence[PointObject]]:
    """Return the objects of *repository* by their points."""
    found: defaultdict[RunId, list[PointObject]] = defaultdict(list)
    for each in there:
        if each.repository == repository:
            found[each.run].append(each)
    return dict(found)


async def _keep_in_sight(
    around: Surroundings, repository: BackupRepository, found: Mirrored, so_far: Mirroring
) -> None:
    """Make the objects that are missing, and have the others say why their points are kept."""
    kept = await _why_kept(around, repository, found.facts, so_far)
    await _make(around, repository, found.missing, kept, so_far)
    for run, said in kept.items():
        for each in so_far.objects.get(run, ()):
            if each.whole and said != each.kept:
                await around.point_objects.show(each, said)
                so_far.told += 1


async def _why_kept(
    around: Surroundings,
    repository: BackupRepository,
    facts: Sequence[PointFacts],
    so_far: Mirroring,
) -> Mapping[RunId, Kept]:
    """Return why points are kept; of none of them where the policies cannot be read now.

    A policy that is not read is not taken for gone, and no object has to wait for it.
    """
    now = around.clock.now()
    try:
        if so_far.policies is None:
            policies = await around.policies.all_readable()
            so_far.policies = keepers_of(policies, around.twins.all_of(repository), now)
    except VmbackupError:
        return {}
    keepers = Keepers(so_far.policies, repository.retention_change_delay(now), now)
    # In a thread: of thousands of VMs that are known, a piece has as many points.
    return await asyncio.to_thread(kept_points, facts, keepers)


async def _make(
    around: Surroundings,
    repository: BackupRepository,
    missing: Sequence[PointSeen],
    kept: Mapping[RunId, Kept],
    so_far: Mirroring,
) -> None:
    """Make the objects; one that the cluster does not take keeps none of the others away."""
    for point in missing:
        if len(so_far.refused) >= REFUSED_MOST:
            so_far.left_out.add(point.run_id)
            continue
        try:
            why = kept.get(point.run_id, NOT_LOOKED_AT)
            made = mirror_of(point, repository, around.appliance_id, why)
            await around.point_objects.ensure(made)
        except PermanentError as error:
            so_far.refused[point.run_id] = error
        else:
            so_far.made.add(point.run_id)


def _take_in(found: Mirrored, so_far: Mirroring) -> None:
    so_far.after = found.after
    so_far.newest |= found.newest
    so_far.unseen |= found.unseen


async def _remove_some(
    around: Surroundings, repository: BackupRepository, so_far: Mirroring
) -> bool:
    """Remove the next objects that are to go; tell whether there were any."""
    if so_far.gone is None:
        there, newest = so_far.there or (), frozenset(so_far.newest)
        so_far.gone = unwanted(there, newest, repository.metadata.key)
    some = so_far.gone[so_far.removed : so_far.removed + REMOVED_AT_ONCE]
    for each in some:
        await around.point_objects.remove(each)
        so_far.removed += 1
    return bool(some)


def unwanted(
    there: Sequence[PointObject], newest: frozenset[RunId], repository: ObjectKey
) -> list[PointObject]:
    """Return the objects of *repository* that are of none of its *newest* points."""
    ours = (each for each in there if each.repository == repository)
    return [each for each in ours if not each.named or each.run not in newest]


def _done(so_far: Mirroring) -> JobDone:
    """Return what the job came to; raise what the cluster said of an object that it refused."""
    said = _said(so_far)
    if so_far.refused:
        first = next(iter(so_far.refused.values()))
        number = len(so_far.refused) + len(so_far.left_out)
        message = f"{counted(number, 'RecoveryPoint')} not made: {first}; {said}"
        raise PermanentError(message, reason=first.reason)
    return JobDone(said)


def _said(so_far: Mirroring) -> str:
    shown = so_far.newest - so_far.unseen - so_far.left_out - so_far.refused.keys()
    said = [f"{counted(len(shown), 'RecoveryPoint')} shown"]
    if so_far.made:
        said.append(f"{len(so_far.made)} made")
    if so_far.told:
        said.append(f"{so_far.told} kept for other reasons or times than before")
    if so_far.removed:
        said.append(f"{so_far.removed} removed")
    if so_far.unseen:
        said.append(f"{counted(len(so_far.unseen), 'point')} could not be looked at")
    return ", ".join(said)
