"""What a policy does at its next slots, with which VMs, and why not with others; pure.

Slots, jitter and turns are those by which the operator itself goes (`policies`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice

import msgspec

from vmbackup_core.errors import PermanentError
from vmbackup_core.redaction import shown
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.kubectl_plugin.machines import machine_ids, protected_names
from vmbackup_operator.kubectl_plugin.moments import minute, soon
from vmbackup_operator.kubectl_plugin.tables import Table, rendered
from vmbackup_operator.kubectl_plugin.terminal import Terminal
from vmbackup_operator.model.backup_policy import BackupPolicy, Occasion
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.display import counted
from vmbackup_operator.naming import ArmId
from vmbackup_operator.policies.machines_shown import shown_name
from vmbackup_operator.policies.occasions import handled_until, name_of_occasion
from vmbackup_operator.policies.schedule import jitter_of, slots_after, starts_before
from vmbackup_operator.policies.turns import last_of, owed


class PlannedSlot(msgspec.Struct, frozen=True, rename="camel"):
    """A slot ahead: docs/kubectl.md promises these fields."""

    slot: datetime
    start: datetime
    start_before: datetime


class PlannedMachine(msgspec.Struct, frozen=True, rename="camel"):
    """What becomes of a VM at the next slot: docs/kubectl.md promises these fields."""

    name: str
    what: str
    why: str


class Plan(msgspec.Struct, frozen=True, rename="camel"):
    """What ``policy plan`` answers: docs/kubectl.md promises these fields."""

    namespace: str
    name: str
    notes: tuple[str, ...]
    slots: tuple[PlannedSlot, ...]
    machines: tuple[PlannedMachine, ...]
    not_named: int


def plan_of(
    policy: BackupPolicy, sessions: Sequence[BackupSession], now: datetime, slots: int
) -> Plan:
    """Return what *policy* does at its next *slots*, given the *sessions* of its namespace."""
    ahead = () if policy.spec.suspend else tuple(islice(_slots_ahead(policy, now), slots))
    named = policy.status.virtual_machines
    there = 0 if named is None else named.count + named.unprotected_count
    machines = tuple(_machines(policy, sessions))
    return Plan(
        namespace=policy.metadata.namespace,
        name=policy.metadata.name,
        notes=tuple(_notes(policy, ahead)),
        slots=ahead,
        machines=machines,
        not_named=max(there - len(machines), 0),
    )


def _slots_ahead(policy: BackupPolicy, now: datetime) -> Iterator[PlannedSlot]:
    """Yield the slots that have not started: one whose jitter still runs is ahead, too."""
    schedule = policy.spec.schedule
    if schedule is None:
        return
    key = policy.metadata.key
    jitter = jitter_of(schedule, key)
    handled = handled_until(policy.status)
    behind = now - jitter if handled is None else max(handled, now - jitter)
    for slot in slots_after(schedule, behind):
        yield PlannedSlot(slot, slot + jitter, starts_before(schedule, key, slot))


def _notes(policy: BackupPolicy, ahead: Sequence[PlannedSlot]) -> Iterator[str]:
    status, spec = policy.status, policy.spec
    if status.appliance_id is None:
        yield "the operator has not looked at it yet: which VMs it means is not known"
    if spec.suspend:
        yield "it is suspended: nothing begins until spec.suspend is false"
    elif spec.schedule is None:
        yield "it has no schedule: kubectl vmbackup run begins its backups"
    elif not ahead:
        yield "its schedule has no slot ahead"
    occasion = status.occasion
    if occasion is not None and not occasion.ended:
        until = occasion.start_before
        limit = "" if until is None else f"; what has no session by {minute(until)} is skipped"
        yield f"under way: {name_of_occasion(occasion)}{limit}"


def _machines(policy: BackupPolicy, sessions: Sequence[BackupSession]) -> Iterator[PlannedMachine]:
    """Yield the VMs in the order of their turns, and behind them those that have none."""
    busy = {
        folded(shown_name(ArmId(each.spec.virtual_machine_id))): each.metadata.name
        for each in sessions
        if each.status.outcome is None and each.spec.type == "Backup"
    }
    room = policy.spec.max_concurrent_sessions
    for place, name in enumerate(_in_turns(policy, machine_ids(policy, sessions).values())):
        session = busy.get(folded(name))
        if policy.spec.suspend:
            yield PlannedMachine(name, "no backup", "the policy is suspended")
        elif session is not None:
            yield PlannedMachine(name, "waits", f"until session {session} has ended")
        elif place >= room:
            why = f"in its turn: {room} at once (maxConcurrentSessions)"
            yield PlannedMachine(name, "backup", why)
        else:
            yield PlannedMachine(name, "backup", "")
    named = policy.status.virtual_machines
    for each in () if named is None else named.unprotected:
        yield PlannedMachine(each.name, "no backup", f"{each.reason}: {each.message}")


def _in_turns(policy: BackupPolicy, ids: Iterable[ArmId]) -> list[str]:
    """Return the names of the VMs that are backed up, in the order in which they are begun.

    Those whose ids are not known here come last, in the order of their names.
    """
    occasion = Occasion(after=last_of(policy.status.occasion))
    known = [shown_name(each) for each in owed(occasion, ids)]
    there = {folded(name) for name in known}
    return known + [name for name in protected_names(policy) if folded(name) not in there]


def slots_table(plan: Plan, now: datetime) -> Table:
    """Return the slots, one a line."""
    rows = tuple(
        (minute(each.slot), minute(each.start), soon(each.start, now), minute(each.start_before))
        for each in plan.slots
    )
    head = ("SLOT", "STARTS", "", "NOT LATER THAN")
    return Table(head, rows, spare=("", "NOT LATER THAN"))


def machines_table(plan: Plan) -> Table:
    """Return the VMs, one a line."""
    rows = tuple((each.name, each.what, each.why) for each in plan.machines)
    return Table(("VM", "NEXT SLOT", "WHY"), rows)


def plan_text(plan: Plan, now: datetime, terminal: Terminal) -> str:
    """Return what ``policy plan`` answers, as people read it."""
    notes = "".join(f"{plan.name}: {shown(each)}\n" for each in plan.notes)
    tables = (table for table in (slots_table(plan, now), machines_table(plan)) if table.rows)
    parts = [notes, *(rendered(table, terminal) for table in tables)]
    if plan.not_named:
        parts.append(f"and {counted(plan.not_named, 'VM')} that the status does not name\n")
    return "\n".join(part for part in parts if part)


def checked_count(slots: int) -> int:
    """Return *slots* where so many can be shown."""
    if not 1 <= slots <= _MOST_SLOTS:
        raise PermanentError(f"--slots {slots}: from 1 to {_MOST_SLOTS}", reason="Misunderstood")
    return slots


_MOST_SLOTS = 100
