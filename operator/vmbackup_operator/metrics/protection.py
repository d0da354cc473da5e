"""How a policy protects its VMs: what each of them would lose, and which are late; pure.

A VM is late where it has no recovery point since a slot whose starting deadline has passed. So the
policy's own schedule is the objective: no other one is configured.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from vmbackup_core.errors import PermanentError
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.backup_policy import BackupPolicy, MachinesShown
from vmbackup_operator.naming import ArmId
from vmbackup_operator.policies.machines_shown import MOST_FOUND, shown_name
from vmbackup_operator.policies.schedule import last_overdue
from vmbackup_operator.sessions.ended import Bytes, EndedSession

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Protection:
    """How a policy's VMs stand at a moment.

    *rpo* is what the VM would lose that is worst off, None where the policy has none. *moved* is of
    the newest recovery points.
    """

    machines: int
    unprotected: int
    without_point: int
    late: int
    failing: int
    rpo: timedelta | None
    moved: Bytes


@dataclass(frozen=True, slots=True)
class _Machine:
    """What the ended backups of one VM tell."""

    point: EndedSession | None
    newest: EndedSession | None

    @property
    def fails(self) -> bool:
        return self.newest is not None and self.newest.outcome == "Failed"


def protection(
    policy: BackupPolicy, backups: Iterable[EndedSession], now: datetime
) -> Protection | None:
    """Return how *policy* protects its VMs by its ended *backups*; None before it was looked at."""
    shown = policy.status.virtual_machines
    if shown is None:
        return None
    machines = _machines(shown, backups)
    pointless = [name for name, each in machines.items() if each.point is None]
    points = [each.point for each in machines.values() if each.point is not None]
    protected_since = [
        *(each.covers for each in points if each.covers is not None),
        *(_known_since(policy, shown, name) for name in pointless),
    ]
    overdue = _overdue_slot(policy, now)
    return Protection(
        machines=shown.count,
        unprotected=shown.unprotected_count,
        without_point=max(shown.count - len(points), 0),
        late=sum(1 for since in protected_since if overdue is not None and since < overdue),
        failing=sum(1 for each in machines.values() if each.fails),
        rpo=max((now - since for since in protected_since), default=None),
        moved=_sum(each.moved for each in points),
    )


def _machines(shown: MachinesShown, backups: Iterable[EndedSession]) -> Mapping[str, _Machine]:
    """Return the VMs that the policy protects, by their shown names in small letters.

    Where the status has no room for all names, those behind the last one are the VMs that have
    sessions.
    """
    by_name: dict[str, list[EndedSession]] = {folded(name): [] for name in shown.names}
    is_cut, last = shown.count > len(shown.names), max(by_name, default="")
    for each in backups:
        name = folded(shown_name(ArmId(each.vm_id or "")))
        if name in by_name:
            by_name[name].append(each)
        elif is_cut and name > last:
            by_name[name] = [each]
    return {name: _machine(each) for name, each in by_name.items()}


def _machine(backups: Sequence[EndedSession]) -> _Machine:
    points = [each for each in backups if each.covers is not None]
    turns = [each for each in backups if each.outcome != "Skipped"]
    return _Machine(
        point=max(points, key=lambda each: each.covers or _LONG_AGO, default=None),
        newest=max(turns, key=lambda each: each.ended or _LONG_AGO, default=None),
    )


def _known_since(policy: BackupPolicy, shown: MachinesShown, name: str) -> datetime:
    """Return since when the policy has known the VM that has no recovery point, at the latest.

    The status names those that were found last: where that list is full, the VM may have been found
    together with its oldest one.
    """
    found = {folded(each.name): each.since for each in shown.found}
    if name in found:
        return found[name]
    since = list(_beginnings(policy))
    if len(shown.found) >= MOST_FOUND:
        since.append(min(found.values()))
    return max(since, default=_LONG_AGO)


def _beginnings(policy: BackupPolicy) -> Iterator[datetime]:
    if policy.metadata.creation_timestamp is not None:
        yield policy.metadata.creation_timestamp
    if policy.status.rule is not None:
        yield policy.status.rule.since


def _overdue_slot(policy: BackupPolicy, now: datetime) -> datetime | None:
    """Return the newest slot whose starting deadline has passed, None where none has to be kept."""
    schedule, rule = policy.spec.schedule, policy.status.rule
    if schedule is None or rule is None or policy.spec.suspend:
        return None
    try:
        slot = last_overdue(schedule, policy.metadata.key, now)
    except PermanentError:
        return None
    return slot if slot is not None and slot > rule.since else None


def _sum(moved: Iterable[Bytes]) -> Bytes:
    every = list(moved)
    return Bytes(
        sum(each.read for each in every),
        sum(each.stored for each in every),
        sum(each.changed for each in every),
    )
