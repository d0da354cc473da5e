"""Which rules of live policies decide in a repository; pure."""

from __future__ import annotations

from collections.abc import Container, Iterable
from datetime import datetime

from vmbackup_core.retention.in_force import LiveRule
from vmbackup_operator.model.backup_policy import BackupPolicy
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.policies.kept_points import Keeper, keeper_of_archives, keeper_of_backups


def keepers_of(
    policies: Iterable[BackupPolicy], repositories: Container[ObjectKey], now: datetime
) -> dict[tuple[str, str], Keeper]:
    """Return what those of *policies* say that back up or archive into one of *repositories*."""
    found: dict[tuple[str, str], Keeper] = {}
    for each in policies:
        named, archive = (each.metadata.namespace, each.metadata.name), each.spec.archive
        archives = None if archive is None else archive.repository_ref.key_from(named[0])
        if each.spec.stored_in.key_from(named[0]) in repositories:
            found[named] = keeper_of_backups(each, now)
        elif archives in repositories and (keeper := keeper_of_archives(each, now)):
            found[named] = keeper
    return found


def rules_of(
    policies: Iterable[BackupPolicy], repositories: Container[ObjectKey], now: datetime
) -> dict[tuple[str, str], LiveRule]:
    """Return the rules of those of *policies* that back up or archive into *repositories*."""
    found = keepers_of(policies, repositories, now)
    return {named: keeper.rule for named, keeper in found.items()}
