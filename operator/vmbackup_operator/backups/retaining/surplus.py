"""Which snapshot sets go, by the rules that recovery points of a repository go by; pure.

Like these, each set says itself with which retention it was taken, and what that had to wait for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from vmbackup_core.ids import RunId
from vmbackup_core.retention.in_force import LiveRule, Stamp, next_stamp, rules_in_force
from vmbackup_core.retention.keeping import InForce, keep
from vmbackup_core.retention.rules import Retention
from vmbackup_operator.sessions.snapshot_sets import SetSeen


@dataclass(frozen=True, slots=True)
class Keeping:
    """By what the sets of a VM and policy are judged *now*.

    *live* is what the policy says, None where there is none; *delay* how long a retention waits
    that keeps less.
    """

    live: LiveRule | None
    delay: timedelta
    now: datetime


def stamp_behind(
    sets: Iterable[SetSeen], retention: Retention, delay: timedelta, now: datetime
) -> Stamp:
    """Return what a set says that is taken with *retention* behind *sets* of its VM and policy."""
    return next_stamp(retention, _newest_stamp(sets), delay, now)


def surplus_by(sets: Sequence[SetSeen], keeping: Keeping, own: RunId | None) -> list[SetSeen]:
    """Return those of a VM's and policy's *sets* that nothing keeps; never *own*, none at fault.

    Of sets that say nothing, without a policy that does, none goes.
    """
    whole = [each for each in sets if each.fault is None]
    rules = _rules_of(whole, keeping)
    if not rules:
        return []
    kept = keep([each.created_at for each in whole], rules, keeping.now)
    return [each for place, each in enumerate(whole) if place not in kept and each.run_id != own]


def _rules_of(sets: Sequence[SetSeen], keeping: Keeping) -> Sequence[InForce]:
    stamp, live = _newest_stamp(sets), keeping.live
    if stamp is not None:
        return rules_in_force(live, stamp, keeping.delay, keeping.now)
    return () if live is None else (InForce(live.retention),)


def _newest_stamp(sets: Iterable[SetSeen]) -> Stamp | None:
    """Return what the newest of *sets* says that says anything."""
    said = [each for each in sets if each.fault is None and each.stamp is not None]
    return None if not said else max(said, key=lambda each: each.created_at).stamp
