"""Which retention holds for the points of each policy, and since when; pure."""

from __future__ import annotations

from collections.abc import Container, Iterable
from datetime import datetime

from vmbackup_core.repository.control.points.points import Retention
from vmbackup_core.repository.control.retention.retention import LiveRule
from vmbackup_operator.model.backup_policy import (
    ArchiveWanted,
    BackupPolicy,
    StandingArchive,
)
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.retention import Retention as Said


def rules_of(
    policies: Iterable[BackupPolicy], repositories: Container[ObjectKey], now: datetime
) -> dict[tuple[str, str], LiveRule]:
    """Return the rules of those of *policies* that back up or archive into one of *repositories*.

    A retention that the policy's status does not have yet was edited just now.
    """
    found: dict[tuple[str, str], LiveRule] = {}
    for each in policies:
        name, archive = (each.metadata.namespace, each.metadata.name), each.spec.archive
        if each.spec.repository_ref.key_from(each.metadata.namespace) in repositories:
            found[name] = _rule_of(each, now)
        elif archive is not None and (
            archive.repository_ref.key_from(each.metadata.namespace) in repositories
        ):
            found[name] = _rule_of_archives(archive, each.status.archive, now)
    return found


def _rule_of(policy: BackupPolicy, now: datetime) -> LiveRule:
    said, standing = policy.spec.retention, policy.status.retention
    return LiveRule(_stored(said), standing.since if standing and standing.rule == said else now)


def _rule_of_archives(
    wanted: ArchiveWanted, standing: StandingArchive | None, now: datetime
) -> LiveRule:
    said = wanted.retention
    known = standing is not None and standing.retention == said
    return LiveRule(_stored(said), standing.retention_since if standing and known else now)


def _stored(said: Said) -> Retention:
    return Retention(
        last=said.last,
        daily=said.daily,
        weekly=said.weekly,
        monthly=said.monthly,
        yearly=said.yearly,
    )
