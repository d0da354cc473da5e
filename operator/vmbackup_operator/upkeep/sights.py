"""How far the log had been read at which time: what tells how long something has been expiring.

What has stopped to count is deleted a day after this cluster first saw that, by its own clock. The
entry that says it has a number in the log, so a few pairs of number and time serve for all of them;
pure.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from vmbackup_operator.model.backup_repository import Sight

#: What is older than the wait is told by one pair alone.
WAIT: Final = timedelta(hours=24)
#: Pairs within the wait lie so far apart at least: six of them, the one before and one to come.
APART: Final = timedelta(hours=4)
MOST: Final = 8


def with_sight(sights: tuple[Sight, ...], number: int, now: datetime) -> tuple[Sight, ...]:
    """Return *sights* with one of the log read up to *number* at *now*, if that tells more.

    Those ahead of *now* are dropped, and those of a log that went further, which had another
    history. Every one that is left tells of entries that no older one tells of.
    """
    now = now.replace(microsecond=0)
    kept = [each for each in sights if each.time <= now and each.number <= number]
    if kept and (kept[-1].number == number or now - kept[-1].time < APART):
        return tuple(kept)
    old = [each for each in kept if now - each.time >= WAIT]
    return (*old[-1:], *kept[len(old) :], Sight(number, now))[-MOST:]
