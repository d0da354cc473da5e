"""What people are told of a retention that keeps less than the one before; pure.

It is told at once, and takes effect after a delay: who reads it can still put it back.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from vmbackup_core.retention.rules import UTC_NAME, Retention, covers
from vmbackup_operator.model.backup_policy import BackupPolicyStatus


def shortened(before: BackupPolicyStatus, after: BackupPolicyStatus) -> bool:
    """Tell whether the retention of *after* lets go what that of *before* keeps.

    A policy that is seen for the first time has none before.
    """
    if before.retention is None or after.retention is None:
        return False
    return not covers(after.retention.said, before.retention.said)


def warning(
    before: BackupPolicyStatus, after: BackupPolicyStatus, delay: timedelta | None, now: datetime
) -> str:
    """Return what is told of a retention that is shortened; *delay* is None where nobody knows."""
    if before.retention is None or after.retention is None:
        raise AssertionError("a retention is shortened that was there before")
    change = f"{_in_words(before.retention.said)} → {_in_words(after.retention.said)}"
    if delay is None:
        stays = "for the BackupRepository's retentionChangeDelayDays"
    else:
        stays = f"until {now + delay:%Y-%m-%d %H:%MZ} at least"
    return (
        f"the retention keeps less than before ({change}): recovery points that only the one "
        f"before keeps stay {stays}; where that was not meant, put it back by then"
    )


def _in_words(rule: Retention) -> str:
    days = f" in {rule.time_zone}" if rule.has_periods and rule.time_zone != UTC_NAME else ""
    return f"{rule}{days}"
