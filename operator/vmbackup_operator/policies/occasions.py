"""What a policy's status says of its schedule, retention and occasion, and what follows; pure.

A rule holds from when it was first seen: no edit, and no end of a pause, makes a slot due that lay
before. Times ahead of now come from a clock that was wrong for a while, and are not believed.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec.structs import replace

from vmbackup_core.retention.in_force import LiveRule
from vmbackup_core.retention.rules import Retention
from vmbackup_operator.model.backup_policy import (
    BackupPolicy,
    BackupPolicyStatus,
    Occasion,
    Rule,
    StandingArchive,
    StandingRetention,
    Trigger,
)
from vmbackup_operator.model.metadata import (
    MAX_TRIGGER,
    NEW_CHAIN_ANNOTATION,
    TRIGGER_ANNOTATION,
)
from vmbackup_operator.policies.schedule import Due, starts_before
from vmbackup_operator.policies.turns import last_of

#: So far two clocks that are right may differ: an older look may have been by another one.
CLOCKS_DIFFER = timedelta(minutes=5)

#: A trigger's sessions that found no room for so long are skipped: "now" does not mean tomorrow.
TRIGGER_HOLDS_FOR = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Change:
    """What a look makes of the status, before any session is made.

    *ended* says why the occasion before ends although VMs may have had no turn. *begins* tells that
    the status' occasion was not there before. *missed* slots will never be due, nor *blacked_out*
    ones, for the blackout windows, the last of which is named. *ignored* says why a trigger is
    recorded without acting on it.
    """

    status: BackupPolicyStatus
    ended: str | None = None
    begins: bool = False
    missed: int = 0
    blacked_out: int = 0
    last_blacked_out: datetime | None = None
    ignored: str | None = None


def believed(status: BackupPolicyStatus, now: datetime) -> BackupPolicyStatus:
    """Return *status* without what is ahead of *now*; slots then count from *now* on."""
    limit = now + CLOCKS_DIFFER
    rule, occasion, retention = status.rule, status.occasion, status.retention
    archive = status.archive
    if retention is not None and retention.since > limit:
        status = replace(status, retention=None)
    if archive is not None and max(archive.since, archive.retention_since) > limit:
        status = replace(status, archive=None)
    if status.last_slot is not None and status.last_slot > limit:
        status = replace(status, rule=None, last_slot=None)
    if rule is not None and rule.since > limit:
        status = replace(status, rule=None)
    if occasion is not None and _moment(occasion) > limit:
        status = replace(status, occasion=replace(occasion, ended=True, passed_over=()))
    return status


def with_rule(
    policy: BackupPolicy, status: BackupPolicyStatus, now: datetime
) -> BackupPolicyStatus:
    """Return *status* with the rule that slots are counted by, and since when it holds.

    A suspended policy has none, so that its pause leaves nothing to catch up with.
    """
    schedule, rule = policy.spec.schedule, status.rule
    if schedule is None or policy.spec.suspend:
        return replace(status, rule=None)
    if rule is not None and (rule.cron, rule.time_zone) == (schedule.cron, schedule.time_zone):
        return status
    since = _first_seen(policy, now).replace(microsecond=0)
    return replace(status, rule=Rule(schedule.cron, schedule.time_zone, since))


def with_retention(
    policy: BackupPolicy, status: BackupPolicyStatus, now: datetime
) -> BackupPolicyStatus:
    """Return *status* with the retention that the policy says, and since when it says so."""
    return replace(status, retention=_standing(status.retention, policy.spec.rule, now))


def _standing(
    before: StandingRetention | None, said: Retention, now: datetime
) -> StandingRetention:
    """Return what stands of a policy that says so, and of which *before* stood."""
    moment = now.replace(microsecond=0)
    if before is None:
        return StandingRetention.of(LiveRule(said, moment))
    if before.said == said:
        return before
    return StandingRetention.of(before.live.replaced_by(said, moment))


def with_archive(
    policy: BackupPolicy, status: BackupPolicyStatus, now: datetime
) -> BackupPolicyStatus:
    """Return *status* with what the policy says of archives, and since when it says each of it."""
    said, standing, moment = policy.spec.archive, status.archive, now.replace(microsecond=0)
    rule = policy.spec.archive_rule
    if said is None or rule is None:
        return replace(status, archive=None)
    if standing is None:
        zone = rule.time_zone
        standing = StandingArchive(
            said.repository_ref, said.points, moment, said.retention, moment, zone
        )
    if (standing.repository_ref, standing.points) != (said.repository_ref, said.points):
        where, points = said.repository_ref, said.points
        standing = replace(standing, repository_ref=where, points=points, since=moment)
    standing = standing.with_standing(_standing(standing.standing, rule, now))
    return replace(status, archive=standing)


def with_new_chain(policy: BackupPolicy, status: BackupPolicyStatus) -> BackupPolicyStatus:
    """Return *status* with the trigger that the annotation for new chains has been used up by.

    That is the first one of its value. Where the trigger is put back to that value later, nobody
    has asked for new chains again; where the annotation was changed in between, somebody has.
    """
    named = policy.metadata.annotations.get(NEW_CHAIN_ANNOTATION, "")[:MAX_TRIGGER]
    used, trigger = status.new_chain, status.trigger
    if used is not None and used.token != named:
        used = None
    if used is None and named and trigger is not None and trigger.token == named:
        used = trigger
    return replace(status, new_chain=used)


def _first_seen(policy: BackupPolicy, now: datetime) -> datetime:
    """Return since when the policy's schedule is known to hold.

    The API server has seen one that was never edited when it was created.
    """
    created = policy.metadata.creation_timestamp
    if policy.status.appliance_id is not None or policy.metadata.generation > 1 or created is None:
        return now
    return min(created, now)


def handled_until(status: BackupPolicyStatus) -> datetime | None:
    """Return the moment behind which slots are due; None where no schedule holds."""
    if status.rule is None:
        return None
    return max(status.rule.since, status.last_slot or status.rule.since)


def changed(policy: BackupPolicy, status: BackupPolicyStatus, due: Due, now: datetime) -> Change:
    """Return what the look at *now* makes of *status*: at most one occasion begins, or ends.

    The newest occasion takes over. A slot goes first; a trigger that came with it takes over at the
    next look.
    """
    ignored: str | None = None
    trigger = _new_trigger(policy, status, now)
    if trigger is not None:
        ignored = _why_ignored(policy, trigger)
        if ignored is not None:
            status, trigger = replace(status, trigger=trigger), None
    if due.passed is not None:
        missed = status.missed_slots + due.missed
        blacked_out = status.blacked_out_slots + due.blacked_out
        status = replace(
            status, last_slot=due.passed, missed_slots=missed, blacked_out_slots=blacked_out
        )
    change = Change(
        status,
        missed=due.missed,
        blacked_out=due.blacked_out,
        last_blacked_out=due.last_blacked_out,
        ignored=ignored or None,
    )
    if due.slot is not None:
        return _taken_over(change, _of_slot(policy, status, due.slot))
    if trigger is not None:
        change = dataclasses.replace(change, status=replace(status, trigger=trigger))
        return _taken_over(change, _of_trigger(status, trigger))
    return dataclasses.replace(change, ended=_why_over(policy, status.occasion, now))


def _taken_over(change: Change, begins: Occasion) -> Change:
    """Return *change* where *begins* is the occasion, whatever was under way."""
    before = change.status.occasion
    ended = None if before is None or before.ended else f"{name_of_occasion(begins)} took over"
    status = replace(change.status, occasion=begins)
    return dataclasses.replace(change, status=status, ended=ended, begins=True)


def _new_trigger(policy: BackupPolicy, status: BackupPolicyStatus, now: datetime) -> Trigger | None:
    """Return the annotation where it differs from what was last seen of it, else None."""
    if not is_trigger_new(policy, status):
        return None
    return Trigger(_token(policy), _later(status.trigger, now))


def is_trigger_new(policy: BackupPolicy, status: BackupPolicyStatus) -> bool:
    """Tell whether the annotation's value is another one than the status has."""
    return _token(policy) != ("" if status.trigger is None else status.trigger.token)


def _token(policy: BackupPolicy) -> str:
    return policy.metadata.annotations.get(TRIGGER_ANNOTATION, "")[:MAX_TRIGGER]


def _why_ignored(policy: BackupPolicy, trigger: Trigger) -> str | None:
    """Return why nothing begins, empty where there is nothing to say; None where something does."""
    if not trigger.token:
        return ""
    if policy.status.appliance_id is None:
        return "it was there when the policy was first seen; change it to ask for a backup"
    if policy.spec.suspend:
        return "the policy is suspended"
    return None


def _later(before: Trigger | None, now: datetime) -> datetime:
    """Return when a value is first seen: later than the one *before*, so that no time is twice."""
    if before is None or before.first_seen > now + CLOCKS_DIFFER:
        return now
    return max(now, before.first_seen + timedelta(microseconds=1))


def _why_over(policy: BackupPolicy, occasion: Occasion | None, now: datetime) -> str | None:
    """Return why no more sessions begin on *occasion*; None where they do, or it has ended."""
    if occasion is None or occasion.ended:
        return None
    if policy.spec.suspend:
        return "the policy was suspended"
    if occasion.start_before is not None and now > occasion.start_before:
        return f"it had to start before {occasion.start_before:%Y-%m-%d %H:%M:%SZ}"
    return None


def _of_slot(policy: BackupPolicy, status: BackupPolicyStatus, slot: datetime) -> Occasion:
    schedule = policy.spec.schedule
    limit = None if schedule is None else starts_before(schedule, policy.metadata.key, slot)
    return Occasion(slot=slot, start_before=limit, after=last_of(status.occasion))


def _of_trigger(status: BackupPolicyStatus, trigger: Trigger) -> Occasion:
    limit = trigger.first_seen + TRIGGER_HOLDS_FOR
    return Occasion(trigger=trigger, start_before=limit, after=last_of(status.occasion))


def _moment(occasion: Occasion) -> datetime:
    """Return when the occasion was: its slot, or when its trigger was first seen."""
    if occasion.trigger is not None:
        return occasion.trigger.first_seen
    if occasion.slot is None:
        raise AssertionError("an occasion has a slot or a trigger")
    return occasion.slot


def name_of_occasion(occasion: Occasion) -> str:
    """Return what people call the occasion."""
    if occasion.trigger is not None:
        return f"trigger {occasion.trigger.token}"
    return f"slot {_moment(occasion):%Y-%m-%d %H:%M}Z"
