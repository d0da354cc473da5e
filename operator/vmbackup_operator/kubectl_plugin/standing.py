"""What is protected and what needs somebody's attention, from the objects of a place; pure.

How policies stand is computed as the metrics compute it, so that an alert and this say the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from vmbackup_operator.arm_ids import folded
from vmbackup_operator.metrics.protection import protection
from vmbackup_operator.model.backup_policy import BackupPolicy
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.conditions import Condition, find_condition
from vmbackup_operator.model.display import counted
from vmbackup_operator.model.kinds import Resource
from vmbackup_operator.model.region_environment import RegionEnvironment
from vmbackup_operator.model.restore_session import RestoreSession
from vmbackup_operator.model.session import Session
from vmbackup_operator.sessions.ended import ended_session

#: So long a restore that failed is news.
_NEWS_FOR = timedelta(days=1)
_LONG = 12


@dataclass(frozen=True, slots=True)
class Objects:
    """All that a place holds, as far as the user may see it."""

    policies: tuple[BackupPolicy, ...] = ()
    sessions: tuple[BackupSession, ...] = ()
    restores: tuple[RestoreSession, ...] = ()
    repositories: tuple[BackupRepository, ...] = ()
    environments: tuple[RegionEnvironment, ...] = ()


class PolicyStanding(msgspec.Struct, frozen=True, rename="camel"):
    """How one policy stands: docs/kubectl.md promises these fields."""

    namespace: str
    name: str
    suspended: bool
    ready: bool
    reason: str
    virtual_machines: int
    unprotected: int
    without_recovery_point: int
    late: int
    failing: int
    active: int
    last_success: datetime | None
    next_start: datetime | None
    rpo_seconds: int | None


class Attention(msgspec.Struct, frozen=True, rename="camel"):
    """One thing that somebody should look at: docs/kubectl.md promises these fields."""

    kind: str
    namespace: str
    name: str
    reason: str
    message: str


class Standing(msgspec.Struct, frozen=True, rename="camel"):
    """What ``status`` answers: docs/kubectl.md promises these fields."""

    policies: tuple[PolicyStanding, ...]
    under_way: int
    attention: tuple[Attention, ...]
    left_out: tuple[str, ...]


def standing_of(there: Objects, now: datetime, left_out: Iterable[str] = ()) -> Standing:
    """Return how what is *there* stands at *now*."""
    backups = {
        policy.metadata.key: [each for each in there.sessions if _is_of(policy, each)]
        for policy in there.policies
    }
    policies = tuple(
        _policy(policy, backups[policy.metadata.key], now)
        for policy in sorted(there.policies, key=lambda each: each.metadata.key)
    )
    unfinished = [
        each for each in (*there.sessions, *there.restores) if each.status.outcome is None
    ]
    return Standing(policies, len(unfinished), tuple(_attention(there, policies, now)),
                    tuple(left_out))  # fmt: skip


def _is_of(policy: BackupPolicy, session: BackupSession) -> bool:
    """Tell whether the session is a backup of the policy's, as its status counts them."""
    named = session.spec.policy_ref
    return (
        session.spec.type == "Backup"
        and named is not None
        and named.name == policy.metadata.name
        and session.metadata.namespace == policy.metadata.namespace
    )


def _policy(policy: BackupPolicy, backups: list[BackupSession], now: datetime) -> PolicyStanding:
    ended = [found for each in backups if (found := ended_session(each)) is not None]
    seen = protection(policy, ended, now)
    ready = find_condition(policy.status.conditions, "Ready")
    rpo = None if seen is None or seen.rpo is None else int(seen.rpo.total_seconds())
    return PolicyStanding(
        namespace=policy.metadata.namespace,
        name=policy.metadata.name,
        suspended=policy.spec.suspend,
        ready=ready is not None and ready.status == "True",
        reason="NotLookedAt" if ready is None else ready.reason,
        virtual_machines=0 if seen is None else seen.machines,
        unprotected=0 if seen is None else seen.unprotected,
        without_recovery_point=0 if seen is None else seen.without_point,
        late=0 if seen is None else seen.late,
        failing=0 if seen is None else seen.failing,
        active=sum(each.status.outcome is None for each in backups),
        last_success=policy.status.last_success_time,
        next_start=None if policy.spec.suspend else policy.status.next_start,
        rpo_seconds=rpo,
    )


def _attention(
    there: Objects, policies: tuple[PolicyStanding, ...], now: datetime
) -> Iterator[Attention]:
    for policy, stands in zip(
        sorted(there.policies, key=lambda each: each.metadata.key), policies, strict=True
    ):
        yield from _of_policy(policy, stands)
    for failure in _newest_failures(there.sessions):
        yield _of_failure(failure)
    for session in (*there.sessions, *there.restores):
        yield from _of_unfinished(session)
    for restore in there.restores:
        completed = restore.status.completion_time
        if restore.status.outcome == "Failed" and completed and now - completed < _NEWS_FOR:
            yield _of_failure(restore)
    for each in there.repositories:
        yield from _unless_ready(each, each.status.conditions)
        yield from _of_upkeep(each)
    for environment in there.environments:
        yield from _unless_ready(environment, environment.status.conditions)


def _of_policy(policy: BackupPolicy, stands: PolicyStanding) -> Iterator[Attention]:
    yield from _unless_ready(policy, policy.status.conditions)
    if policy.spec.suspend:
        yield _about(policy, "Suspended", "nothing is backed up on its schedule")
    if stands.late:
        vms = counted(stands.late, "VM")
        yield _about(policy, "Late", f"{vms} without a recovery point since a slot that is over")
    shown = policy.status.virtual_machines
    lacking = () if shown is None else shown.unprotected
    for each in lacking[:_LONG]:
        yield _about(policy, each.reason, f"{each.name}: {each.message}")
    more = stands.unprotected - len(lacking[:_LONG])
    if more > 0:
        yield _about(policy, "Unprotected", f"{counted(more, 'VM')} more not backed up")


def _newest_failures(sessions: Iterable[BackupSession]) -> list[BackupSession]:
    """Return the failed sessions behind which none of the same kind and VM has ended."""
    newest: dict[tuple[str, str, str, str], BackupSession] = {}
    for each in sessions:
        ended = each.status.completion_time
        if ended is None or each.status.outcome in {None, "Skipped", "Cancelled"}:
            continue
        policy = "" if each.spec.policy_ref is None else each.spec.policy_ref.name
        vm = folded(each.spec.virtual_machine_id)
        key = (each.metadata.namespace, policy, each.spec.type, vm)
        known = newest.get(key)
        if known is None or (known.status.completion_time or ended) <= ended:
            newest[key] = each
    failed = (each for each in newest.values() if each.status.outcome == "Failed")
    return sorted(failed, key=lambda each: each.metadata.key)


def _of_failure(session: Session) -> Attention:
    failed = find_condition(session.status.conditions, "Failed")
    reason = "Failed" if failed is None else failed.reason
    return _about(session, reason, session.status.message)


def _of_unfinished(session: Session) -> Iterator[Attention]:
    """Say what a session waits for, where that is more than Azure's time."""
    status = session.status
    _, _, why = (status.phase or "").partition(": ")
    if status.outcome is None and why:
        yield _about(session, why, status.message)


def _of_upkeep(repository: BackupRepository) -> Iterator[Attention]:
    maintenance = repository.status.maintenance
    for job in () if maintenance is None else maintenance.jobs:
        if job.outcome in {"Findings", "Failed"}:
            yield _about(repository, f"{job.job}{job.outcome}", job.message)


def _unless_ready(of: Resource, conditions: tuple[Condition, ...]) -> Iterator[Attention]:
    ready = find_condition(conditions, "Ready")
    if ready is None:
        yield _about(of, "NotLookedAt", "the operator has said nothing of it")
    elif ready.status != "True":
        yield _about(of, ready.reason, ready.message)


def _about(of: Resource | Session, reason: str, message: str) -> Attention:
    return Attention(of.kind, of.metadata.namespace, of.metadata.name, reason, message)
