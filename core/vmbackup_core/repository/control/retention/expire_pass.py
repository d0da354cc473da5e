"""What a pass of expire lets go, over all that a repository holds: planned, nothing is written."""

from __future__ import annotations

from collections.abc import Callable

from vmbackup_core.ids import ChainId, RunId
from vmbackup_core.repository.control.log.log import Log
from vmbackup_core.repository.control.log.log_entries import Expiring
from vmbackup_core.repository.control.retention.expire_plan import (
    JudgedPoint,
    Letting,
    entry_of,
    judge_points,
    plan_pointless,
)
from vmbackup_core.repository.control.retention.hurt_points import HurtPoints
from vmbackup_core.repository.control.retention.point_book import PointBook
from vmbackup_core.stores.port import Store


def plan_expire_points(log: Log, book: PointBook, letting: Letting) -> list[Expiring]:
    """Return the points that their rules no longer keep.

    Raise HistoryRolledBack, and NotUnderstood where a point is. A VM of which a point cannot be
    read now waits; a damaged point goes by order of a person alone.
    """
    log.read().check_history()
    judged = judge_expire_points(log, book, letting)
    return [entry_of(each.counted.entry) for each in judged if not each.whys]


def judge_expire_points(log: Log, book: PointBook, letting: Letting) -> list[JudgedPoint]:
    """Return each point that counts and opens with all that keeps it; where nothing does, it goes.

    Raise NotUnderstood where one is. A VM of which a point cannot be read now is left out.
    """
    state = log.read().state
    counted = book.counted(log.control, state)
    return judge_points(counted, letting, HurtPoints(log.control, state).is_hurt)


def plan_expire_commits(
    log: Log, data: Store, chain: ChainId, has_ended: Callable[[RunId], bool]
) -> list[Expiring]:
    """Return the commits of *chain* whose runs made no point."""
    reading = log.read()
    reading.check_history()
    return list(plan_pointless(log.control, data, reading.state, chain, has_ended))
