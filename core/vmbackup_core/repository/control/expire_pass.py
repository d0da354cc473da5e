"""What a pass of expire lets go, over all that a repository holds: planned, nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from vmbackup_core.ids import ChainId, RunId
from vmbackup_core.repository.control.catalog import Damage, newest_first, opened_points
from vmbackup_core.repository.control.expire_plan import (
    CountedPoint,
    Letting,
    plan_pointless,
    plan_points,
)
from vmbackup_core.repository.control.log import Log
from vmbackup_core.repository.control.log_entries import Expiring, Recorded
from vmbackup_core.repository.control.points import RecoveryPoint
from vmbackup_core.repository.primitives.failures import NotUnderstood
from vmbackup_core.repository.primitives.identities import VmId
from vmbackup_core.stores.port import ObjectUnreadable, Store


def _never(_point: RecoveryPoint) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class ExpireRules:
    """What decides about points and commits besides the log.

    *has_ended* tells that no session and no claim has a run any more; *is_hurt*, that blocks of a
    point are lost.
    """

    letting: Letting
    has_ended: Callable[[RunId], bool]
    is_hurt: Callable[[RecoveryPoint], bool] = _never


def plan_expire(
    log: Log, data: Store, chains: Iterable[ChainId], rules: ExpireRules
) -> list[Expiring]:
    """Return the points and commits of *chains* that no longer need to count.

    Raise HistoryRolledBack, and NotUnderstood where a point is. A VM of which a point cannot be
    read now waits; a damaged point goes by order of a person alone.
    """
    reading = log.read()
    reading.check_history()
    wait: set[VmId] = set()

    def damaged(entry: Recorded, error: Damage) -> None:
        if isinstance(error, NotUnderstood):
            raise error
        if isinstance(error, ObjectUnreadable):
            wait.add(entry.vm)

    state, control = reading.state, log.control
    entries = {entry.point: entry for entry in newest_first(state.counted.values())}
    opened = list(opened_points(control, entries.values(), damaged))
    counted = [
        CountedPoint(entries[each.vm, each.point.run_id], each.point, rules.is_hurt(each.point))
        for each in opened
        if each.vm not in wait
    ]
    planned = plan_points(counted, rules.letting)
    for chain in chains:
        planned += plan_pointless(control, data, state, chain, rules.has_ended)
    return planned
