"""What is told of policies, repositories and sessions; pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from vmbackup_operator.metrics.facts import Facts
from vmbackup_operator.metrics.families import Sample
from vmbackup_operator.metrics.protection import Protection, protection
from vmbackup_operator.model.backup_policy import BackupPolicy
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.backup_session import TAKES_SNAPSHOTS
from vmbackup_operator.model.conditions import find_condition, is_true
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.session import Session
from vmbackup_operator.sessions.ended import EndedSession, moved, type_of

#: So many reasons of sessions stand alone: Azure's own codes are among them, which are many.
MOST_REASONS = 50
#: What the others are called together.
OTHER = "Other"

Labels = tuple[str, ...]


def policies_told(facts: Facts) -> Iterator[Sample]:
    """Yield what is told of each policy."""
    by_policy: defaultdict[ObjectKey, list[EndedSession]] = defaultdict(list)
    for each in facts.ended:
        if each.policy is not None and each.type in TAKES_SNAPSHOTS:
            by_policy[each.policy].append(each)
    for policy in facts.policies:
        key = policy.metadata.key
        labels = (key.namespace, key.name)
        values = {**_of_policy(policy)}
        found = protection(policy, by_policy[key], facts.now)
        if found is not None:
            values |= _of_protection(found)
        for name, value in values.items():
            if value is not None:
                yield Sample(f"vmbackup_policy_{name}", value, labels)


def _of_policy(policy: BackupPolicy) -> Mapping[str, float | None]:
    status, objective = policy.status, policy.spec.objective
    return {
        "rpo_objective_seconds": None if objective is None else objective.total_seconds(),
        "ready": is_true(status.conditions, "Ready"),
        "suspended": policy.spec.suspend,
        "last_success_timestamp_seconds": _seconds(status.last_success_time),
        "next_start_timestamp_seconds": _seconds(status.next_start),
    }


def _of_protection(found: Protection) -> Mapping[str, float | None]:
    return {
        "virtual_machines": found.machines,
        "unprotected_virtual_machines": found.unprotected,
        "virtual_machines_without_recovery_point": found.without_point,
        "rpo_seconds": None if found.rpo is None else found.rpo.total_seconds(),
        "rpo_breached_virtual_machines": found.late,
        "failing_virtual_machines": found.failing,
        "last_read_bytes": found.moved.read,
        "last_stored_bytes": found.moved.stored,
        "last_changed_bytes": found.moved.changed,
    }


def repositories_told(facts: Facts) -> Iterator[Sample]:
    """Yield what is told of each repository."""
    proofs = _proofs(facts.ended)
    for repository in facts.repositories:
        key, status = repository.metadata.key, repository.status
        labels = (key.namespace, key.name)
        stored = None if status.maintenance is None else status.maintenance.stored_bytes
        machines = proofs[key].values()
        read_back = [each.old_read for each in machines if each.old_read is not None]
        values = {
            "ready": is_true(status.conditions, "Ready"),
            "recovery_points": status.recovery_points,
            "stored_bytes": stored,
            "oldest_proof_timestamp_seconds": _seconds(min(read_back, default=None)),
            "unproven_virtual_machines": sum(not each.is_proven for each in machines),
        }
        for name, value in values.items():
            if value is not None:
                yield Sample(f"vmbackup_repository_{name}", value, labels)
        yield from _upkeep_told(repository, labels)


def _upkeep_told(repository: BackupRepository, labels: tuple[str, str]) -> Iterator[Sample]:
    maintenance = repository.status.maintenance
    for job in () if maintenance is None else maintenance.jobs:
        last = _seconds(job.last_success_time)
        if last is not None:
            name = "vmbackup_repository_upkeep_last_success_timestamp_seconds"
            yield Sample(name, last, (*labels, job.job))
        findings = job.outcome == "Findings"
        yield Sample("vmbackup_repository_upkeep_findings", findings, (*labels, job.job))


@dataclass(slots=True)
class _Proof:
    """Whether anything of a VM was read back, and when old packs of it were the last time."""

    is_proven: bool = False
    old_read: datetime | None = None


def _proofs(ended: Sequence[EndedSession]) -> defaultdict[ObjectKey, defaultdict[str, _Proof]]:
    """Return of each repository the VMs that have points in it or were read back, by their ids."""
    proofs: defaultdict[ObjectKey, defaultdict[str, _Proof]] = defaultdict(
        lambda: defaultdict(_Proof)
    )
    for each in ended:
        tells = each.covers is not None or each.proves is not None
        if each.repository is None or each.vm_id is None or not tells:
            continue
        proof = proofs[each.repository][each.vm_id]
        proof.is_proven = proof.is_proven or each.proves is not None
        if each.proves == "old" and each.began is not None:
            proof.old_read = max(each.began, proof.old_read or each.began)
    return proofs


def sessions_told(facts: Facts) -> Iterator[Sample]:
    """Yield how many sessions have ended, how, and what those do that have not."""
    ended = Counter[Labels](
        (each.key.namespace, each.type, each.outcome, each.reason) for each in facts.ended
    )
    for labels, number in _with_few_reasons(ended).items():
        yield Sample("vmbackup_ended_sessions", number, labels)
    at = Counter[Labels](
        (each.metadata.namespace, type_of(each), *_at_and_why(each, facts.now))
        for each in facts.unfinished
    )
    for labels, number in _with_few_reasons(at).items():
        yield Sample("vmbackup_unfinished_sessions", number, labels)
    read, stored = Counter[Labels](), Counter[Labels]()
    for session in facts.unfinished:
        so_far = moved(session)
        read[session.metadata.namespace, type_of(session)] += so_far.read
        stored[session.metadata.namespace, type_of(session)] += so_far.stored
    for what, counts in (("read", read), ("stored", stored)):
        for labels, number in counts.items():
            yield Sample(f"vmbackup_unfinished_sessions_{what}_bytes", number, labels)


def _at_and_why(session: Session, now: datetime) -> tuple[str, str]:
    """Return the step that the session is at, and what is said of it; where it pauses, why."""
    status = session.status
    if status.retry_time is not None and status.retry_time > now and status.errors:
        return status.errors[-1].step, status.errors[-1].reason
    step = "Accepted" if status.step is None else status.step.condition
    said = find_condition(status.conditions, step)
    return step, "InProgress" if said is None else said.reason


def _with_few_reasons(counts: Counter[Labels]) -> Counter[Labels]:
    """Return *counts*, by labels of which the last is a reason, with the rarest ones together."""
    by_reason = Counter[str]()
    for labels, number in counts.items():
        by_reason[labels[-1]] += number
    order = sorted(by_reason, key=lambda reason: (-by_reason[reason], reason))
    alone = set(order[:MOST_REASONS])
    told = Counter[Labels]()
    for labels, number in counts.items():
        told[(*labels[:-1], labels[-1] if labels[-1] in alone else OTHER)] += number
    return told


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
