"""How a policy's VMs stand to its ``rpo``: how old the newest recovery point may be; pure.

It follows from what sessions have stored and from what the status remembers of those whose objects
have gone, so a restart changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace

from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.backup_policy import (
    BackupPolicy,
    BackupPolicyStatus,
    MachineObjective,
    MachinesShown,
    ObjectiveShown,
)
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.conditions import Statement, with_condition, without_condition
from vmbackup_operator.model.display import counted
from vmbackup_operator.naming import ArmId
from vmbackup_operator.policies.machines_shown import is_protected, known_since, shown_name
from vmbackup_operator.policies.occasions import CLOCKS_DIFFER

#: The schema's bound on the VMs that are shown.
MOST_SHOWN = 200
#: So many VMs a condition names.
MOST_SAID = 10
CONDITION = "RPOMet"


def with_objective(
    policy: BackupPolicy,
    status: BackupPolicyStatus,
    sessions: Iterable[BackupSession],
    now: datetime,
) -> BackupPolicyStatus:
    """Return *status* with how each VM stands to the policy's ``rpo`` at *now*; nothing without.

    Before the VMs are known there is nothing to say.
    """
    longest, shown = policy.spec.objective, status.virtual_machines
    if longest is None or shown is None:
        return replace(status, rpo=None, conditions=without_condition(status.conditions, CONDITION))
    machines = _machines(policy, shown, sessions, now)
    stated = sorted(
        (_stated(each, longest, now) for each in machines),
        key=lambda each: (each.breach_time, folded(each.name)),
    )
    breached = [each for each in stated if each.state == "Breached"]
    found = ObjectiveShown(len(breached), tuple(stated[:MOST_SHOWN]))
    said = _statement(policy, stated, breached)
    generation = policy.metadata.generation
    conditions = with_condition(status.conditions, said, now=now, generation=generation)
    return replace(status, rpo=found, conditions=conditions)


def next_breach(shown: ObjectiveShown | None) -> datetime | None:
    """Return when the next VM passes its objective where nothing is stored until then."""
    machines = () if shown is None else shown.virtual_machines
    return min((each.breach_time for each in machines if each.state == "Met"), default=None)


def turned(
    before: ObjectiveShown | None, after: ObjectiveShown | None
) -> tuple[Sequence[MachineObjective], Sequence[MachineObjective]]:
    """Return the VMs that breach the objective since *before*, and those that meet it again."""
    was = {} if before is None else {folded(each.name): each for each in before.virtual_machines}
    broken, mended = [], []
    for each in () if after is None else after.virtual_machines:
        known = was.get(folded(each.name))
        if each.state == "Breached" and (known is None or known.state == "Met"):
            broken.append(each)
        if each.state == "Met" and known is not None and known.state == "Breached":
            mended.append(each)
    return broken, mended


def newest_points(shown: ObjectiveShown | None) -> Mapping[str, datetime]:
    """Return the remembered times of VMs' newest recovery points, by names in small letters."""
    return {
        folded(each.name): each.last_recovery_point_time
        for each in (() if shown is None else shown.virtual_machines)
        if each.last_recovery_point_time is not None
    }


def _machines(
    policy: BackupPolicy, shown: MachinesShown, sessions: Iterable[BackupSession], now: datetime
) -> Iterable[MachineObjective]:
    """Yield the VMs that are backed up and what of theirs decides; none is judged yet.

    No time ahead of *now* is believed.
    """
    protected, before = is_protected(shown), policy.status.rpo
    names = {folded(name): name for name in shown.names}
    limit = now + CLOCKS_DIFFER
    points = {name: at for name, at in newest_points(before).items() if at <= limit}
    known = {} if before is None else {folded(each.name): each for each in before.virtual_machines}
    for session in sessions:
        name, covers = shown_name(ArmId(session.spec.virtual_machine_id)), session.covers
        if covers is None or covers > limit or not protected(folded(name)):
            continue
        names.setdefault(folded(name), name)
        points[folded(name)] = max(covers, points.get(folded(name), covers))
    for key, name in names.items():
        point, remembered = points.get(key), known.get(key)
        since = None if remembered is None else remembered.known_since
        since = None if point else min(since or known_since(policy, shown, key) or now, now)
        yield MachineObjective(name, "Met", now, _to_the_second(point), _to_the_second(since))


def _stated(machine: MachineObjective, longest: timedelta, now: datetime) -> MachineObjective:
    since = machine.last_recovery_point_time or machine.known_since or now
    ends = since + longest
    return replace(machine, state="Breached" if ends <= now else "Met", breach_time=ends)


def _statement(
    policy: BackupPolicy, stated: Sequence[MachineObjective], breached: Sequence[MachineObjective]
) -> Statement:
    if not stated:
        return Statement(CONDITION, "True", "ObjectiveMet", "no VM is backed up")
    if not breached:
        first = stated[0]
        message = (
            f"each VM has a recovery point of the last {policy.spec.rpo}; {first.name}'s is the "
            f"first to be older, at {first.breach_time:%Y-%m-%d %H:%M:%SZ}"
        )
        return Statement(CONDITION, "True", "ObjectiveMet", message)
    message = (
        f"{len(breached)} of {counted(len(stated), 'VM')} without a recovery point of the last "
        f"{policy.spec.rpo}: {named_with_times(breached)}"
    )
    return Statement(CONDITION, "False", "ObjectiveBreached", message)


def named_with_times(machines: Sequence[MachineObjective]) -> str:
    """Return the names of *machines* with when each passed its objective, as many as one reads."""
    said = [f"{each.name} since {each.breach_time:%Y-%m-%d %H:%M:%SZ}" for each in machines]
    more = len(said) - MOST_SAID
    return ", ".join(said[:MOST_SAID]) + (f" and {more} more" if more > 0 else "")


def _to_the_second(moment: datetime | None) -> datetime | None:
    """Return it as the API server keeps it."""
    return None if moment is None else moment.replace(microsecond=0)
