"""Reconciles BackupPolicies: says how they stand, and makes the sessions that they owe.

What was done on an occasion is in the policy's status, so a session's object may go at any time.
The status names an occasion before any session of it is made; of those made and not written down
yet when the operator was killed, the names tell.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec.structs import replace

from vmbackup_core.clock import Clock
from vmbackup_core.errors import PermanentError
from vmbackup_operator.model.backup_policy import BackupPolicy, BackupPolicyStatus, Occasion
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.conditions import Standing as Conditions
from vmbackup_operator.model.conditions import (
    as_ready,
    as_reconciling,
    as_stalled,
    find_condition,
    with_conditions,
)
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.naming import ArmId, name_of
from vmbackup_operator.policies.archiving import archives_owed
from vmbackup_operator.policies.history import beyond_history, with_sessions, without_turn
from vmbackup_operator.policies.machines_shown import machines_shown
from vmbackup_operator.policies.making import Made, SessionMaker
from vmbackup_operator.policies.objective import next_breach, with_objective
from vmbackup_operator.policies.occasions import (
    Change,
    believed,
    changed,
    handled_until,
    is_trigger_new,
    with_archive,
    with_new_chain,
    with_retention,
    with_rule,
)
from vmbackup_operator.policies.ports import EventLog, Policies, PolicySessions
from vmbackup_operator.policies.presence import until_discovery
from vmbackup_operator.policies.schedule import NOTHING_DUE, Due, due
from vmbackup_operator.policies.shorter_retention import shortened, warning
from vmbackup_operator.policies.standing import Finding, Standing, Surveyor, summary
from vmbackup_operator.policies.telling import Teller, named
from vmbackup_operator.policies.turns import owed
from vmbackup_operator.policies.windows_shown import (
    NO_WINDOW,
    Window,
    ended_in,
    window_at,
    window_findings,
    with_blackout,
)
from vmbackup_operator.reconciling.outcome import Done, Outcome, Waiting
from vmbackup_operator.settings import Settings

log = logging.getLogger(__name__)

#: How long a policy is not looked at where nothing is amiss or due and nobody wakes it: its own
#: changes, its sessions' ends and its repository's do. A VM that went is missed at the next slot,
#: and within a day where none comes; one that selects VMs looks for them more often, by a setting.
LOOK_AGAIN_S = 24 * 3600.0
#: The same where something is amiss: nothing tells us that somebody mended it.
AMISS_AGAIN_S = 60.0
#: How soon sessions that had no room are tried again; an ended session wakes its policy earlier.
ROOM_AGAIN_S = 15.0
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a policy found, before anything is done about it."""

    now: datetime
    standing: Standing
    schedule: Due
    change: Change
    window: Window = NO_WINDOW


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
        self._appliance_id = settings.appliance.id
        self._discovery_s = settings.discovery.interval_seconds
        self._clock = clock
        self._policies = policies
        self._sessions = sessions
        self._surveyor = surveyor
        self._events = events
        self._teller = Teller(events)
        self._maker = SessionMaker(settings.appliance.id, clock, sessions)

    async def reconcile(self, key: ObjectKey) -> Outcome:
        """Make what is due, drop what is beyond the history, and write how the policy stands."""
        policy = await self._policies.find(key)
        if policy is None or policy.metadata.deletion_timestamp is not None:
            self._surveyor.forget(key)
            return Done()
        if policy.status.appliance_id not in {None, self._appliance_id}:
            return Done()
        look = await self._look(policy)
        await self._tell_of_retention(policy, look)
        policy, status = await self._turn_over(policy, look)
        made = await self._make(policy, status.occasion, look)
        again = await self._write_standing(policy, status, look, made)
        if look.standing.trouble is not None:
            raise look.standing.trouble
        return again

    async def _look(self, policy: BackupPolicy) -> Look:
        now = self._clock.now()
        status = with_rule(policy, believed(policy.status, now), now)
        status = with_archive(policy, with_retention(policy, status, now), now)
        window = NO_WINDOW
        try:
            window = window_at(policy, now)
            standing = await self._surveyor.look(policy, asked=_is_asked(policy))
            schedule = _due(policy, status, now)
        except PermanentError as error:
            finding = Finding(error.reason, str(error))
            standing, schedule = Standing((), (finding,)), NOTHING_DUE
        change = changed(policy, status, schedule, now)
        ended = ended_in(window, status.occasion, change.ended)
        chains = with_new_chain(policy, change.status)
        change = dataclasses.replace(change, status=chains, ended=ended)
        return Look(now, standing, schedule, change, window)

    async def _tell_of_retention(self, policy: BackupPolicy, look: Look) -> None:
        """Tell people of a retention that keeps less than before, since it takes effect later.

        That comes before it is written down: after a crash it is told again.
        """
        before, after = believed(policy.status, look.now), look.change.status
        if not shortened(before, after):
            return
        delay = await self._surveyor.retention_delay(policy, look.now)
        message = warning(before, after, delay, look.now)
        await self._events.tell(policy, "Warning", "RetentionReduced", message)

    async def _turn_over(
        self, policy: BackupPolicy, look: Look
    ) -> tuple[BackupPolicy, BackupPolicyStatus]:
        """End an occasion that is over, write down one that begins, and tell people of both.

        Return the policy as it is stored and the status that it should have.
        """
        change, before = look.change, policy.status.occasion
        status = change.status
        without: Sequence[str] = ()
        if change.ended is not None and before is not None:
            without = await self._end(policy, before, look)
            if not change.begins:
                status = replace(status, occasion=replace(before, ended=True, passed_over=()))
            if before.slot is not None and before.last is None and not look.standing.machines:
                status = replace(status, missed_slots=status.missed_slots + 1)
        passed = change.missed or change.blacked_out
        if change.begins or without or passed or change.ignored:
            policy = await self._write(policy, status)
            await self._teller.of_change(policy, change, before, without)
            if change.begins and policy.status.occasion is not None:
                begins = policy.status.occasion
                await self._teller.of_occasion(policy, begins, look.standing, look.window)
        return policy, policy.status if change.begins else status

    async def _end(self, policy: BackupPolicy, occasion: Occasion, look: Look) -> Sequence[str]:
        """Make Skipped sessions for the VMs that had no turn, and return the names of those VMs.

        Where none can be backed up at all, objects would tell nothing that the policy does not.
        """
        machines = look.standing.machines
        if occasion.last is None and not machines:
            shown = policy.status.virtual_machines
            known = () if shown is None else shown.names
            named = (*policy.spec.virtual_machines.ids, *known)
            return list(dict.fromkeys(name_of(ArmId(each)) for each in named))
        skipped = await self._maker.skip(policy, machines, occasion, look.change.ended or "")
        return list(map(name_of, skipped))

    async def _make(
        self, policy: BackupPolicy, occasion: Occasion | None, look: Look
    ) -> Made | None:
        """Make the sessions that *occasion* owes, as far as there is room; None where none is.

        None is made in a blackout window. Nor is one while Azure could not be asked which VMs are
        selected: those that come first in the order of turns may be among them.
        """
        standing, machines = look.standing, look.standing.machines
        if occasion is None or occasion.ended or standing.unsure:
            return None
        if look.window.holds_back(occasion):
            return None
        if not machines:
            return Made(replace(occasion, ended=True)) if standing.meant == () else None
        made = await self._maker.begin(policy, machines, occasion)
        if made.occasion.passed_over != occasion.passed_over:
            for refused in made.refused:
                await self._events.tell(policy, "Warning", refused.reason, refused.message)
        if owed(made.occasion, machines):
            return made
        return Made(replace(made.occasion, ended=True), made.refused)

    async def _write_standing(
        self, policy: BackupPolicy, status: BackupPolicyStatus, look: Look, made: Made | None
    ) -> Outcome:
        """Write how the policy stands; then drop the sessions that its history does not keep."""
        findings = look.standing.findings
        if made is not None:
            status = replace(status, occasion=made.occasion)
            findings = (*findings, *made.refused)
        sessions = await self._sessions.of_policy(policy.metadata.key)
        findings = (*findings, *_no_turn(without_turn(look.standing.machines, sessions)))
        status = with_sessions(status, sessions, look.now)
        status = replace(status, next_start=look.schedule.next_start)
        status = with_blackout(status, look.window, look.schedule)
        finding = summary((*findings, *window_findings(status.blackout, look.schedule)))
        status = _with_machines(policy, status, look)
        status = _stated(policy, status, finding, look.now)
        status = with_objective(policy, status, sessions, look.now)
        await self._teller.of_objective(policy, status.rpo)
        await self._write(policy, status)
        await self._teller.of_machines(policy, look.standing)
        await self._teller.of_put_off(policy, policy.status.blackout, status.blackout)
        await self._archive(replace(policy, status=status), sessions)
        # That its occasion had a session is written down by now, so its object may go.
        history, machines = policy.spec.session_history, look.standing.machines
        for session in beyond_history(history, sessions, machines, look.now):
            await self._sessions.delete(session)
        if is_trigger_new(policy, status):
            return Waiting(0, "a trigger is next")
        again = _when_again(status, look, finding)
        if policy.spec.virtual_machines.selector is None:
            return again
        discovery_s = until_discovery(look.now, self._discovery_s)
        return dataclasses.replace(again, seconds=min(again.seconds, discovery_s))

    async def _archive(self, policy: BackupPolicy, sessions: Sequence[BackupSession]) -> None:
        """Have copied what the policy's sessions have stored, as far as it says so.

        Since when it says so is written down by now; a session that is there already is not made.
        """
        for session in archives_owed(policy, sessions, self._appliance_id):
            await self._sessions.create(session)
            log.info("policy %s: session %s archives", policy.metadata.key, session.metadata.name)

    async def _write(self, policy: BackupPolicy, status: BackupPolicyStatus) -> BackupPolicy:
        """Write *status* where it is not what is stored, and return the policy with it.

        It says that a generation was observed together with what was found of it: what waits for
        the policy by kstatus's rules would else take it for ready in between.
        """
        said = find_condition(status.conditions, "Ready")
        if said is not None and said.observed_generation == policy.metadata.generation:
            status = replace(status, observed_generation=policy.metadata.generation)
        status = replace(status, appliance_id=self._appliance_id)
        if status == policy.status:
            return policy
        return await self._policies.write_status(replace(policy, status=status))


def _is_asked(policy: BackupPolicy) -> bool:
    """Tell whether somebody changed the policy, or asked for a backup, since the look before."""
    is_changed = policy.status.observed_generation != policy.metadata.generation
    return is_changed or is_trigger_new(policy, policy.status)


def _due(policy: BackupPolicy, status: BackupPolicyStatus, now: datetime) -> Due:
    """Return what the schedule has due; nothing without one, or while the policy is suspended."""
    schedule, handled = policy.spec.schedule, handled_until(status)
    if schedule is None or handled is None:
        return NOTHING_DUE
    return due(schedule, policy.metadata.key, handled, now)


def _no_turn(without: Sequence[ArmId]) -> tuple[Finding, ...]:
    """Say which VMs had no turn the last time, if any."""
    if not without:
        return ()
    names = named([name_of(each) for each in without])
    message = (
        f"{names} had no turn the last time, and come first the next time. If this "
        "repeats: raise maxConcurrentSessions or the region's worker.maxCount, or let the schedule "
        "leave more time"
    )
    return (Finding("NoTurn", message, passing=True, blocking=False),)


def _with_machines(
    policy: BackupPolicy, status: BackupPolicyStatus, look: Look
) -> BackupPolicyStatus:
    """Return *status* with the VMs that the policy means, where that is known."""
    meant = look.standing.meant
    if meant is None:
        return status
    discovers = policy.spec.virtual_machines.selector is not None
    before = status.virtual_machines
    shown = machines_shown(before, meant, look.now, discovers=discovers)
    return replace(status, virtual_machines=shown)


def _when_again(status: BackupPolicyStatus, look: Look, finding: Finding | None) -> Waiting:
    occasion, window = status.occasion, look.window
    turns = [window.until, window.begins, look.schedule.look_again, next_breach(status.rpo)]
    if occasion is not None and not occasion.ended and look.standing.machines:
        if not window.holds_back(occasion):
            return Waiting(ROOM_AGAIN_S, "sessions wait for room")
        if occasion.start_before is not None:
            turns.append(occasion.start_before + _SECOND)
    amiss = finding is not None and not finding.notice
    until = timedelta(seconds=AMISS_AGAIN_S if amiss else LOOK_AGAIN_S)
    until = min(
        [until, *(max(each - look.now, timedelta(0)) for each in turns if each is not None)]
    )
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
    if finding is not None and not finding.notice:
        say = as_reconciling if finding.passing else as_stalled
        return say(finding.reason, finding.message)
    if suspended:
        return as_ready("suspended: no session begins", "Suspended")
    if finding is not None:
        return as_ready(finding.message, finding.reason)
    return as_ready()
