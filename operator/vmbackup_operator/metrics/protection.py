"""How a policy protects its VMs: what each of them would lose, and which are late; pure.

A VM is late where its newest recovery point is older than the policy's ``rpo``. Where there is no
such, the schedule is the objective: a VM is late without a recovery point since a slot whose
starting deadline has passed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from vmbackup_core.errors import PermanentError
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.backup_policy import BackupPolicy, MachinesShown
from vmbackup_operator.naming import ArmId
from vmbackup_operator.policies.machines_shown import is_protected, known_since, shown_name
from vmbackup_operator.policies.objective import newest_points
from vmbackup_operator.policies.schedule import last_overdue
from vmbackup_operator.sessions.ended import Bytes, EndedSession

_TICK = timedelta(microseconds=1)
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
    points = [each.point for each in machines.values() if each.point is not None]
    remembered = newest_points(policy.status.rpo)
    protected_since = [
        _covered(each, remembered.get(name)) or _known_since(policy, shown, name)
        for name, each in machines.items()
    ]
    late_since = _late_since(policy, now)
    return Protection(
        machines=shown.count,
        unprotected=shown.unprotected_count,
        without_point=max(shown.count - len(points), 0),
        late=sum(1 for since in protected_since if late_since is not None and since < late_since),
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
    protected = is_protected(shown)
    for each in backups:
        name = folded(shown_name(ArmId(each.vm_id or "")))
        if protected(name):
            by_name.setdefault(name, []).append(each)
    return {name: _machine(each) for name, each in by_name.items()}


def _machine(backups: Sequence[EndedSession]) -> _Machine:
    points = [each for each in backups if each.covers is not None]
    turns = [each for each in backups if each.outcome != "Skipped"]
    return _Machine(
        point=max(points, key=lambda each: each.covers or _LONG_AGO, default=None),
        newest=max(turns, key=lambda each: each.ended or _LONG_AGO, default=None),
    )


def _covered(machine: _Machine, remembered: datetime | None) -> datetime | None:
    """Return the moment that the VM's newest point brings back, also where its session has gone."""
    covers = None if machine.point is None else machine.point.covers
    return max((each for each in (covers, remembered) if each is not None), default=None)


def _known_since(policy: BackupPolicy, shown: MachinesShown, name: str) -> datetime:
    """Return from when a VM without a recovery point counts: its schedule's, where that decides."""
    rule = policy.status.rule
    by_schedule = None if rule is None or policy.spec.rpo is not None else rule.since
    return known_since(policy, shown, name, by_schedule) or _LONG_AGO


def _late_since(policy: BackupPolicy, now: datetime) -> datetime | None:
    """Return the moment that a point must not be older than, None where there is none such."""
    longest = policy.spec.objective
    if longest is None:
        return _overdue_slot(policy, now)
    # One that is exactly so old breaches it, as it does in the policy's status.
    return now - longest + _TICK


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
