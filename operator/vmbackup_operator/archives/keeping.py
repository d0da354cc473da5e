"""What a policy says of how long its archives are kept; pure."""

from __future__ import annotations

from datetime import datetime

from vmbackup_core.retention.in_force import Stamp
from vmbackup_core.retention.rules import Retention
from vmbackup_operator.model.backup_policy import BackupPolicy
from vmbackup_operator.model.recovery_point import Kept
from vmbackup_operator.policies.keeping import kept_until
from vmbackup_operator.policies.kept_points import PointFacts, keeper_of_archives, newest_kept
from vmbackup_operator.sessions.seen import PointSeen
from vmbackup_operator.sessions.steps.keeping import MadeBy


def judge(point: PointSeen, stamp: Stamp, by: MadeBy) -> Kept:
    """Return why the newest archive is kept, and until when."""
    facts = PointFacts(point.run_id, point.created_at, by.group, stamp)
    keeper = None if by.policy is None else keeper_of_archives(by.policy, by.now)
    return newest_kept(facts, keeper, by.delay, by.now)


def end_of(rule: Retention, policy: BackupPolicy | None, taken_at: datetime) -> datetime:
    """Return when the archive of a moment is no longer kept.

    One more is made at the first slot of each period that the policy archives; at each slot, where
    it archives all, or none any more.
    """
    if policy is None:
        return kept_until(rule, None, taken_at)
    archive, schedule = policy.spec.archive, policy.spec.schedule
    return kept_until(rule, schedule, taken_at, "All" if archive is None else archive.points)
