"""Which recovery points of a policy are copied into its archive repository, and by which sessions.

Pure. What was archived is told by the sessions that did so: each bears the period that its point is
the first of, so that one that failed is made up for by the next point of the same period.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo

from vmbackup_core.retention.periods import zone_of
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.backup_policy import (
    ArchivedPoints,
    ArchiveWanted,
    BackupPolicy,
    StandingArchive,
)
from vmbackup_operator.model.backup_session import (
    ArchiveSpec,
    BackupSession,
    BackupSessionSpec,
)
from vmbackup_operator.model.metadata import (
    APPLIANCE_LABEL,
    ARCHIVE_PERIOD_ANNOTATION,
    EXCLUDE_FROM_CLUSTER_BACKUP,
    POLICY_LABEL,
    Metadata,
)
from vmbackup_operator.model.references import LocalReference, ObjectReference
from vmbackup_operator.model.retention import SessionRetention
from vmbackup_operator.naming import (
    ArmId,
    policy_label,
    recovery_point_name,
    session_name_of_archive,
)

#: How a period is written, by the moment in the policy's own time zone.
_PERIODS: Mapping[ArchivedPoints, str] = {
    "Weekly": "%G-W%V",
    "Monthly": "%Y-%m",
    "Yearly": "%Y",
}


def archives_owed(
    policy: BackupPolicy, sessions: Sequence[BackupSession], appliance_id: str
) -> list[BackupSession]:
    """Return the archive sessions that *policy* owes for what its *sessions* have stored.

    One for each VM at a time, and as many as the policy may have sessions at once; the oldest
    points first. A policy that is suspended owes none.
    """
    wanted, standing = policy.spec.archive, policy.status.archive
    if wanted is None or standing is None or policy.spec.suspend:
        return []
    archives = [each for each in sessions if each.spec.type == "Archive"]
    running = {_vm(each) for each in archives if each.status.outcome is None}
    named = {each.metadata.name for each in archives}
    room = policy.spec.max_concurrent_sessions - len(running)
    owed: list[BackupSession] = []
    for session, period in _selected(policy, standing, sessions, archives):
        made = _session(policy, wanted, session, period, appliance_id)
        if made is None or made.metadata.name in named or _vm(session) in running:
            continue
        if len(owed) >= room:
            break
        running.add(_vm(session))
        owed.append(made)
    return owed


def period_of(points: ArchivedPoints, moment: datetime, zone: tzinfo) -> str | None:
    """Return which period of *zone* a moment is in; None where every point is one by itself."""
    form = _PERIODS.get(points)
    return None if form is None else moment.astimezone(zone).strftime(form)


def _selected(
    policy: BackupPolicy,
    standing: StandingArchive,
    sessions: Iterable[BackupSession],
    archives: Sequence[BackupSession],
) -> Iterator[tuple[BackupSession, str]]:
    """Yield the backups whose points are archived, with their periods, the oldest first."""
    zone = zone_of(policy.spec.rule.time_zone)
    done = {
        (_vm(each), each.metadata.annotations.get(ARCHIVE_PERIOD_ANNOTATION, ""))
        for each in archives
        if each.status.outcome in {None, "Succeeded"}
    }
    stored = [each for each in sessions if _is_stored_since(each, standing.since)]
    for session in sorted(stored, key=_taken_at):
        period = period_of(standing.points, _taken_at(session), zone)
        key = _vm(session), period or str(session.status.recovery_point)
        if key not in done:
            yield session, key[1]


def _is_stored_since(session: BackupSession, since: datetime) -> bool:
    status = session.status
    ended = status.completion_time
    return (
        session.spec.type == "Backup"
        and status.outcome == "Succeeded"
        and status.taken_at is not None
        and ended is not None
        and ended >= since
    )


def _session(
    policy: BackupPolicy,
    wanted: ArchiveWanted,
    backup: BackupSession,
    period: str,
    appliance_id: str,
) -> BackupSession | None:
    """Return the session that copies what *backup* stored; None where it does not say what."""
    metadata, status, resolved = policy.metadata, backup.status, backup.status.resolved
    machine = None if resolved is None else resolved.virtual_machine
    if machine is None or status.recovery_point is None:
        return None
    vm_id, run = ArmId(backup.spec.virtual_machine_id), status.recovery_point
    source = backup.spec.stored_in.key_from(metadata.namespace)
    point = recovery_point_name(machine.name, _taken_at(backup), run)
    target = wanted.repository_ref.key_from(metadata.namespace)
    return BackupSession(
        metadata=Metadata(
            name=session_name_of_archive(metadata.name, vm_id, run),
            namespace=metadata.namespace,
            labels={
                POLICY_LABEL: policy_label(metadata.name),
                APPLIANCE_LABEL: appliance_id,
                **EXCLUDE_FROM_CLUSTER_BACKUP,
            },
            annotations={ARCHIVE_PERIOD_ANNOTATION: period},
        ),
        spec=BackupSessionSpec(
            virtual_machine_id=vm_id,
            repository_ref=ObjectReference(target.name, target.namespace),
            type="Archive",
            policy_ref=LocalReference(metadata.name),
            archive=ArchiveSpec(ObjectReference(point, source.namespace)),
            retention=SessionRetention.of(wanted.retention.rule_in(policy.spec.rule.time_zone)),
            retry_limit=policy.spec.retry.limit,
            retry_backoff_seconds=policy.spec.retry.backoff_seconds,
        ),
    )


def _vm(session: BackupSession) -> str:
    return folded(session.spec.virtual_machine_id)


def _taken_at(session: BackupSession) -> datetime:
    return session.status.taken_at or datetime.min.replace(tzinfo=UTC)
