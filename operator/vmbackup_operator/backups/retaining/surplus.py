"""Which snapshot sets go, and why others stay, by the rules of recovery points; pure.

Like these, each set says itself with which retention it was taken, and what that had to wait for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from vmbackup_core.ids import RunId
from vmbackup_core.repository.control.retention.expire_plan import Group
from vmbackup_core.retention.in_force import Stamp, next_stamp, rules_in_force
from vmbackup_core.retention.keeping import InForce, keep
from vmbackup_core.retention.rules import Retention
from vmbackup_operator.model.recovery_point import Kept
from vmbackup_operator.policies.kept_points import Keeper, Keepers, PointFacts, kept_points
from vmbackup_operator.sessions.snapshot_sets import SetSeen


@dataclass(frozen=True, slots=True)
class Keeping:
    """By what the sets of a VM and policy are judged *now*.

    *keeper* is what the policy says, None where there is none; *delay* how long a retention waits
    that keeps less.
    """

    keeper: Keeper | None
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


def whys_of(sets: Iterable[SetSeen], group: Group, keeping: Keeping) -> Mapping[RunId, Kept]:
    """Return why each of *group*'s sets is kept, and until when; nothing where nothing says so."""
    whole, keeper = [each for each in sets if each.fault is None], keeping.keeper
    stamp = _newest_stamp(whole)
    if stamp is None and keeper is not None:
        stamp = Stamp(keeper.rule.retention)
    if stamp is None:
        return {}
    namespace, policy, _ = group
    named = {} if keeper is None else {(namespace or "", policy or ""): keeper}
    facts = (PointFacts(each.run_id, each.created_at, group, stamp) for each in whole)
    return kept_points(facts, Keepers(named, keeping.delay, keeping.now))


def _rules_of(sets: Sequence[SetSeen], keeping: Keeping) -> Sequence[InForce]:
    stamp = _newest_stamp(sets)
    live = None if keeping.keeper is None else keeping.keeper.rule
    if stamp is not None:
        return rules_in_force(live, stamp, keeping.delay, keeping.now)
    return () if live is None else (InForce(live.retention),)


def _newest_stamp(sets: Iterable[SetSeen]) -> Stamp | None:
    """Return what the newest of *sets* says that says anything."""
    said = [each for each in sets if each.fault is None and each.stamp is not None]
    return None if not said else max(said, key=lambda each: each.created_at).stamp
