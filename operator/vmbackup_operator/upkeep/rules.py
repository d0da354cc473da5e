"""Which retention holds for the points of each policy, and since when; pure."""

from __future__ import annotations

from collections.abc import Container, Iterable
from datetime import datetime

from vmbackup_core.retention.in_force import LiveRule
from vmbackup_operator.model.backup_policy import BackupPolicy
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.policies.kept_points import live_rule_of


def policies_of(
    policies: Iterable[BackupPolicy], repositories: Container[ObjectKey]
) -> dict[tuple[str, str], BackupPolicy]:
    """Return those of *policies* that back up into one of *repositories*."""
    return {
        (each.metadata.namespace, each.metadata.name): each
        for each in policies
        if each.spec.repository_ref.key_from(each.metadata.namespace) in repositories
    }


def rules_of(
    policies: Iterable[BackupPolicy], repositories: Container[ObjectKey], now: datetime
) -> dict[tuple[str, str], LiveRule]:
    """Return the rules of those of *policies* that back up into one of *repositories*."""
    found = policies_of(policies, repositories)
    return {named: live_rule_of(policy, now) for named, policy in found.items()}
