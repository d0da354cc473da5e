"""Reconciles BackupPolicies: says how they stand, and creates the sessions that they owe."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from vmbackup_core.clock import Clock
from vmbackup_core.errors import PermanentError
from vmbackup_operator.model.backup_policy import BackupPolicy, BackupPolicyStatus
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.conditions import Standing as Conditions
from vmbackup_operator.model.conditions import (
    as_ready,
    as_reconciling,
    as_stalled,
    with_conditions,
)
from vmbackup_operator.model.metadata import FINALIZER, MAX_TRIGGER, TRIGGER_ANNOTATION, ObjectKey
from vmbackup_operator.naming import ArmId, same_id
from vmbackup_operator.policies.ports import EventLog, Policies, PolicySessions
from vmbackup_operator.policies.schedule import Due, due
from vmbackup_operator.policies.standing import Finding, Standing, Surveyor, summary
from vmbackup_operator.policies.wanted import Occasion, is_adoptable, wanted_session
from vmbackup_operator.reconciling.outcome import Done, Outcome, Waiting
from vmbackup_operator.settings import Settings

log = logging.getLogger(__name__)

#: How long a policy is not looked at where nothing is due and nobody wakes it.
LOOK_AGAIN_S = 300.0
#: How soon sessions that had no room are tried again; an ended session wakes its policy earlier.
ROOM_AGAIN_S = 15.0
#: The schema's bound on the names of running sessions in status.
MOST_ACTIVE = 100


@dataclass(frozen=True, slots=True)
class Owed:
    """What came of an occasion: the sessions that are still to be created, and what went wrong."""

    pending: tuple[ArmId, ...] = ()
    refused: tuple[Finding, ...] = ()


class PolicyReconciler:
    """Looks at one policy at a time."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        policies: Policies,
        sessions: PolicySessions,
        surveyor: Surveyor,
        events: EventLog,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._policies = policies
        self._sessions = sessions
        self._surveyor = surveyor
        self._events = events
        self._creating = asyncio.Lock()

    async def reconcile(self, key: ObjectKey) -> Outcome:
        """Create what is due, drop what is beyond the history, and write how the policy stands."""
        policy = await self._policies.find(key)
        if policy is None or policy.metadata.deletion_timestamp is not None:
            return Done()
        if policy.status.appliance_id not in {None, self._settings.appliance.id}:
            return Done()
        now = self._clock.now()
        try:
            standing = await self._surveyor.look(policy)
            schedule = self._due(policy, now)
        except PermanentError as error:
            standing, schedule = Standing((), (Finding(error.reason, str(error)),)), _NOTHING_DUE
        again = await self._seen_to(policy, standing, schedule, now)
        if standing.trouble is not None:
            raise standing.trouble
        return again

    async def _seen_to(
        self, policy: BackupPolicy, standing: Standing, schedule: Due, now: datetime
    ) -> Outcome:
        status = policy.status
        token = policy.metadata.annotations.get(TRIGGER_ANNOTATION, "")[:MAX_TRIGGER]
        refused: list[Finding] = []
        pending: list[ArmId] = []
        if token and token != status.last_handled_trigger:
            owed = await self._create(policy, standing, Occasion(token=token))
            refused += owed.refused
            pending += owed.pending
            # Without its repository a policy can't act: the trigger waits for it.
            if not owed.pending and standing.machines:
                status = replace(status, last_handled_trigger=token)
        if schedule.slot is not None:
            owed = await self._create(policy, standing, Occasion(slot=schedule.slot))
            refused += owed.refused
            pending += owed.pending
            if not owed.pending and standing.machines:
                status = replace(status, last_slot=schedule.slot)
                status = await self._missed(policy, status, schedule)
        elif schedule.missed:
            status = replace(status, last_slot=schedule.passed)
            status = await self._missed(policy, status, schedule)
        status = await self._with_sessions(policy, status)
        status = replace(status, next_slot=None if policy.spec.suspend else schedule.next_slot)
        finding = summary((*standing.findings, *refused))
        await self._write(policy, _stated(policy, status, finding, now))
        return _when_again(schedule, now, waits_for_room=bool(pending))

    def _due(self, policy: BackupPolicy, now: datetime) -> Due:
        schedule, status = policy.spec.schedule, policy.status
        if schedule is None:
            return _NOTHING_DUE
        created = policy.metadata.creation_timestamp or now
        found = due(schedule, policy.metadata.key, max(created, status.last_slot or created), now)
        if policy.spec.suspend:
            return Due(None, 0, None, found.next_slot, None)
        return found

    async def _missed(
        self, policy: BackupPolicy, status: BackupPolicyStatus, schedule: Due
    ) -> BackupPolicyStatus:
        """Count slots that no session will ever be created for, and say so."""
        if not schedule.missed:
            return status
        message = f"{schedule.missed} slots passed without a session: their deadlines are over"
        await self._events.tell(policy, "Warning", "SlotsMissed", message)
        return replace(status, missed_slots=status.missed_slots + schedule.missed)

    async def _create(self, policy: BackupPolicy, standing: Standing, occasion: Occasion) -> Owed:
        """Create the sessions of *occasion* as far as there is room for them."""
        # Two policies that are due at one moment must see each other's sessions of a VM.
        async with self._creating:
            return await self._created(policy, standing, occasion)

    async def _created(self, policy: BackupPolicy, standing: Standing, occasion: Occasion) -> Owed:
        pending: list[ArmId] = []
        refused: list[Finding] = []
        active = await self._sessions.unfinished()
        room = policy.spec.max_concurrent_sessions - sum(_is_of(policy, each) for each in active)
        for vm_id in standing.machines:
            wanted = wanted_session(policy, vm_id, occasion, self._settings.appliance.id)
            found = await self._sessions.find(wanted.metadata.key)
            if found is None and (room <= 0 or _is_busy(active, vm_id)):
                pending.append(vm_id)
                continue
            if found is None:
                found = await self._sessions.create(wanted)
                room -= 1
                log.info("policy %s: session %s for %s", policy.metadata.key,
                         wanted.metadata.name, occasion)  # fmt: skip
            if not is_adoptable(found, wanted):
                message = f"BackupSession {wanted.metadata.key} is there and is another one"
                refused.append(Finding("AdoptionRefused", message))
        return Owed(tuple(pending), tuple(refused))

    async def _with_sessions(
        self, policy: BackupPolicy, status: BackupPolicyStatus
    ) -> BackupPolicyStatus:
        """Return *status* with what the policy's sessions tell; those beyond the history go."""
        sessions = await self._sessions.of_policy(policy.metadata.key)
        for session in beyond_history(policy, sessions):
            await self._sessions.delete(session)
        active = sorted(each.metadata.name for each in sessions if each.status.outcome is None)
        ends = [
            each.status.completion_time
            for each in sessions
            if each.status.outcome == "Succeeded" and each.status.completion_time is not None
        ]
        if status.last_success_time is not None:
            ends.append(status.last_success_time)
        newest = max(sessions, key=_age_key, default=None)
        return replace(
            status,
            active_sessions=tuple(active[:MOST_ACTIVE]),
            last_success_time=max(ends, default=None),
            last_session=status.last_session if newest is None else newest.metadata.name,
        )

    async def _write(self, policy: BackupPolicy, status: BackupPolicyStatus) -> None:
        status = replace(
            status,
            appliance_id=self._settings.appliance.id,
            observed_generation=policy.metadata.generation,
        )
        if status != policy.status:
            await self._policies.write_status(replace(policy, status=status))


_NOTHING_DUE = Due(None, 0, None, None, None)


def beyond_history(policy: BackupPolicy, sessions: Sequence[BackupSession]) -> list[BackupSession]:
    """Return the ended sessions that the policy's history does not keep, counted per VM.

    One that still has something to undo stays: its object is what that is known from.
    """
    history = policy.spec.session_history
    ended: dict[tuple[str, bool], list[BackupSession]] = defaultdict(list)
    for session in sessions:
        if session.status.outcome is not None and FINALIZER not in session.metadata.finalizers:
            succeeded = session.status.outcome == "Succeeded"
            ended[session.spec.virtual_machine_id.lower(), succeeded].append(session)
    surplus: list[BackupSession] = []
    for (_, succeeded), group in ended.items():
        keep = history.succeeded if succeeded else history.failed
        surplus += sorted(group, key=_age_key, reverse=True)[keep:]
    return surplus


def _age_key(session: BackupSession) -> tuple[datetime, str]:
    created = session.metadata.creation_timestamp or datetime.min.replace(tzinfo=UTC)
    return (created, session.metadata.name)


def _is_of(policy: BackupPolicy, session: BackupSession) -> bool:
    reference = session.spec.policy_ref
    return (
        reference is not None
        and reference.name == policy.metadata.name
        and session.metadata.namespace == policy.metadata.namespace
    )


def _is_busy(active: Sequence[BackupSession], vm_id: ArmId) -> bool:
    """Tell whether a session of the VM is under way, whoever asked for it: Forbid."""
    return any(same_id(each.spec.virtual_machine_id, vm_id) for each in active)


def _when_again(schedule: Due, now: datetime, *, waits_for_room: bool) -> Waiting:
    if waits_for_room:
        return Waiting(ROOM_AGAIN_S, "sessions wait for room")
    until = timedelta(seconds=LOOK_AGAIN_S)
    if schedule.next_start is not None:
        until = min(until, max(schedule.next_start - now, timedelta(0)))
    return Waiting(until.total_seconds(), "nothing is due")


def _stated(
    policy: BackupPolicy, status: BackupPolicyStatus, finding: Finding | None, now: datetime
) -> BackupPolicyStatus:
    """Return *status* with how the policy stands."""
    conditions = with_conditions(
        status.conditions,
        _standing(finding, suspended=policy.spec.suspend),
        now=now,
        generation=policy.metadata.generation,
    )
    return replace(status, conditions=conditions)


def _standing(finding: Finding | None, *, suspended: bool) -> Conditions:
    if finding is not None:
        say = as_reconciling if finding.passing else as_stalled
        return say(finding.reason, finding.message)
    if suspended:
        return as_ready("suspended: no slot starts a session", "Suspended")
    return as_ready()
