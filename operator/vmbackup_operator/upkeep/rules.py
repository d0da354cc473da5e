"""Which retention holds for the points of each policy, and since when; pure."""

from __future__ import annotations

from collections.abc import Container, Iterable
from datetime import datetime

from vmbackup_core.repository.control.points.points import Retention
from vmbackup_core.repository.control.retention.retention import LiveRule
from vmbackup_operator.model.backup_policy import BackupPolicy
from vmbackup_operator.model.metadata import ObjectKey


def rules_of(
    policies: Iterable[BackupPolicy], repositories: Container[ObjectKey], now: datetime
) -> dict[tuple[str, str], LiveRule]:
    """Return the rules of those of *policies* that back up into one of *repositories*.

    A retention that the policy's status does not have yet was edited just now.
    """
    return {
        (each.metadata.namespace, each.metadata.name): _rule_of(each, now)
        for each in policies
        if each.spec.repository_ref.key_from(each.metadata.namespace) in repositories
    }


def _rule_of(policy: BackupPolicy, now: datetime) -> LiveRule:
    said, standing = policy.spec.retention, policy.status.retention
    rule = Retention(
        last=said.last,
        daily=said.daily,
        weekly=said.weekly,
        monthly=said.monthly,
        yearly=said.yearly,
    )
    return LiveRule(rule, standing.since if standing and standing.rule == said else now)
