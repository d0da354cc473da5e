"""Which retentions count for a VM's points while one that keeps less waits.

A retention that keeps more counts at once. One that keeps less waits for a delay, so that a slip
of the hand, or a thief who may edit a policy, deletes nothing before somebody can have noticed.
What it waits for is written on the points themselves: where a policy is deleted and made again, or
the cluster is gone, nothing of it is forgotten. What no point was made with, since nothing was
backed up while a policy said so, the policy remembers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from vmbackup_core.retention.keeping import InForce
from vmbackup_core.retention.rules import Retention, covers, longest

#: So many retentions a point says to count beside its own; of more, two are made one.
HELD_MOST: Final = 8


#: What a policy said before that is not remembered: no shorter one waits for longer.
LONGEST_DELAY: Final = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class LiveRule:
    """What a policy says, since when it says so, and what it said *before*, each until when."""

    retention: Retention
    since: datetime
    before: tuple[InForce, ...] = ()

    def replaced_by(self, retention: Retention, now: datetime) -> LiveRule:
        """Return what the policy says that says *retention* from *now* on."""
        ended = [InForce(self.retention, now), *self.before]
        lately = [each for each in ended if _end(each) + LONGEST_DELAY > now]
        _, *before = _without_covered([InForce(retention), *lately])
        return LiveRule(retention, now, _at_most(before, HELD_MOST))

    def waiting(self, delay: timedelta, now: datetime) -> list[InForce]:
        """Return what the policy said before, each until *delay* behind its end."""
        # A change that lies ahead of now was written by a clock that went wrong.
        return [InForce(each.retention, min(_end(each), now) + delay) for each in self.before]


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a point says: the retention that it was made with, and those that it had to wait for."""

    retention: Retention
    held: tuple[InForce, ...] = ()


def rules_in_force(
    live: LiveRule | None, stamp: Stamp, delay: timedelta, now: datetime
) -> tuple[InForce, ...]:
    """Return the retentions that count for a group whose newest point has *stamp*.

    Without a live policy these are the stamp's. What a policy says counts at once; the stamp's
    counts beside it until the policy has said so for *delay*, where it keeps anything more, and so
    does what the policy said before, for *delay* from when it said something else.
    """
    if live is None:
        first, waiting = InForce(stamp.retention), list(stamp.held)
    else:
        waits = InForce(stamp.retention, live.since + delay)
        first = InForce(live.retention)
        waiting = [waits, *live.waiting(delay, now), *stamp.held]
    return _without_covered([first, *(each for each in waiting if _counts(each, now))])


def next_stamp(
    retention: Retention, before: Stamp | None, delay: timedelta, now: datetime
) -> Stamp:
    """Return what a point says that is made with *retention* behind the one with stamp *before*.

    That one's retention counts for *delay* more, where it keeps anything that this one does not.
    """
    if before is None:
        return Stamp(retention)
    waits = InForce(before.retention, now + delay)
    still = [each for each in (waits, *before.held) if _counts(each, now)]
    _, *held = _without_covered([InForce(retention), *still])
    return Stamp(retention, _at_most(held, HELD_MOST))


def _counts(rule: InForce, now: datetime) -> bool:
    return rule.until is None or rule.until > now


def _without_covered(rules: Iterable[InForce]) -> tuple[InForce, ...]:
    """Return *rules* without those that another one keeps all of, for as long; the first stays."""
    first, *others = rules
    left = [first]
    for each in sorted(others, key=_end, reverse=True):
        if not any(covers(one.retention, each.retention) for one in left):
            left.append(each)
    return tuple(left)


def _at_most(held: Sequence[InForce], most: int) -> tuple[InForce, ...]:
    """Return *held*, those that end first made one where they are too many: that keeps more."""
    left = sorted(held, key=_end, reverse=True)
    while len(left) > most:
        longer, shorter = left[-2], left[-1]
        left[-2:] = [InForce(longest(longer.retention, shorter.retention), longer.until)]
    return tuple(left)


def _end(rule: InForce) -> datetime:
    if rule.until is None:
        raise AssertionError("what waits has an end")
    return rule.until
