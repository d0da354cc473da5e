"""Looks once a day at the snapshot sets that stand alone, so that none needs a session to end.

A session judges the sets of its VM and policy. Where none comes any more (the policy is gone or
suspended, the VM has left it) the retentions still count, those that wait come to their end, and
what shows a set goes when somebody has deleted its snapshots in Azure.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from vmbackup_core.errors import VmbackupError
from vmbackup_core.ids import RunId
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.backups.retaining.keeping_sets import Counted, keep_and_let_go
from vmbackup_operator.backups.retaining.ports import SetObjects
from vmbackup_operator.naming import ArmId, subscription_of
from vmbackup_operator.reconciling.outcome import Outcome, Waiting
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.point_mirror import PointObject
from vmbackup_operator.sessions.seen import SnapshotSeen
from vmbackup_operator.sessions.snapshot_sets import SetSeen, plain_run
from vmbackup_operator.sessions.tags import SnapshotSet, TagsNotGenuine, verified_set

log = logging.getLogger(__name__)

#: How soon again, and how soon while Azure is at deleting something.
LOOK_S: Final = 24 * 3600.0
LOOK_AGAIN_S: Final = 15.0

#: Subscription and name of a resource group, in lower case.
_Place = tuple[str, str]


class StandingSets:
    """Judges all sets, and removes objects that show none."""

    def __init__(self, ground: Ground, objects: SetObjects) -> None:
        self._ground = ground
        self._objects = objects
        #: Since when each object shows nothing, by this process's own looks.
        self._empty_since_s: dict[str, float] = {}

    async def reconcile(self) -> Outcome:
        """Look at all of them; what can't be looked at is left, and said in the log."""
        places = await self._places()
        seen = [each for snapshots in places.values() for each in snapshots]
        done = True
        for counted, sets in _together(self._ground, seen).items():
            try:
                done &= await keep_and_let_go(self._ground, counted, sets) is not None
            except VmbackupError as error:
                log.warning("snapshot sets of %s are not judged: %s", counted.vm_id, error)
        waits = await self._remove_empty(places, {plain_run(each) for each in seen})
        if not done:
            return Waiting(LOOK_AGAIN_S, "snapshots are deleted")
        grace_s = self._ground.settings.sweeper.grace_seconds
        return Waiting(grace_s if waits else LOOK_S, "snapshot sets are looked at again")

    async def _places(self) -> Mapping[_Place, Sequence[SnapshotSeen]]:
        """Return the snapshots of each group of ours that could be listed."""
        found: dict[_Place, Sequence[SnapshotSeen]] = {}
        for place in self._ground.settings.snapshot_groups:
            try:
                found[_folded(place)] = await self._ground.snapshots.of_group(*place)
            except VmbackupError as error:
                log.warning("snapshot sets in %s are not seen: %s", "/".join(place), error)
        return found

    async def _remove_empty(
        self, places: Mapping[_Place, Sequence[SnapshotSeen]], runs: set[str]
    ) -> bool:
        """Remove objects of sets that are gone; tell whether others are to be looked at again.

        The object is the only one to hold what Azure said of the VM, so it goes only where no
        snapshot of the run was there in two looks, a grace period apart.
        """
        empty = [
            each
            for each in await self._shown()
            if each.run not in runs and self._is_seen(each, places) and not self._goes_on(each.run)
        ]
        now_s = self._ground.clock.monotonic_s()
        since_s = {each.uid: self._empty_since_s.get(each.uid, now_s) for each in empty}
        grace_s = self._ground.settings.sweeper.grace_seconds
        for each in empty:
            if now_s - since_s[each.uid] >= grace_s:
                await self._objects.remove(each)
                log.info("%s goes: no snapshot of run %s is there any more", each.key, each.run)
                since_s.pop(each.uid)
        self._empty_since_s = since_s
        return bool(since_s)

    async def _shown(self) -> list[PointObject]:
        """Return the objects of sets alone that are ours, of all namespaces that can be listed."""
        found: list[PointObject] = []
        for namespace in self._ground.settings.served_namespaces:
            try:
                objects = await self._objects.made_by_us(namespace)
            except VmbackupError as error:
                log.warning("what shows sets in namespace %s is not seen: %s", namespace, error)
                continue
            found += (each for each in objects if each.repository is None)
        return found

    def _is_seen(self, shown: PointObject, places: Mapping[_Place, Sequence[SnapshotSeen]]) -> bool:
        """Tell whether the group was listed in which the set would be."""
        subscription = subscription_of(ArmId(shown.virtual_machine_id))
        return _folded(self._ground.settings.snapshot_group(subscription)) in places

    def _goes_on(self, run: RunId) -> bool:
        return self._ground.book.goes_on(run)


def _together(ground: Ground, seen: Sequence[SnapshotSeen]) -> Mapping[Counted, Sequence[SetSeen]]:
    """Return the whole sets that stand alone, by what they are counted for.

    One that is being taken or dropped is left out, and one at fault, which the sessions of VMs tell
    of.
    """
    by_run: defaultdict[str, list[SnapshotSeen]] = defaultdict(list)
    for snapshot in seen:
        by_run[plain_run(snapshot)].append(snapshot)
    found: defaultdict[Counted, list[SetSeen]] = defaultdict(list)
    for run, snapshots in by_run.items():
        judged = None if ground.book.goes_on(run) else _judged(ground, snapshots)
        if judged is not None:
            counted = Counted.of(judged.policy, ArmId(folded(judged.virtual_machine_id)))
            found[counted].append(_as_seen(judged))
    return found


def _judged(ground: Ground, snapshots: Sequence[SnapshotSeen]) -> SnapshotSet | None:
    try:
        found = verified_set(ground.ring, snapshots)
    except TagsNotGenuine:
        return None
    return found if found.alone else None


def _as_seen(found: SnapshotSet) -> SetSeen:
    members = tuple(seen for seen, _ in found.members)
    return SetSeen(found.run_id, members, policy=found.policy, alone=True, stamp=found.stamp)


def _folded(place: tuple[str, str]) -> _Place:
    return folded(place[0]), folded(place[1])
