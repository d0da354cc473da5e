"""When a pass begins, and why none does; pure.

A slot of the schedule asks for one, and so does another value of the annotation. A schedule holds
from when it was first seen, so no edit and no end of a pause makes a slot due that lay before.
Times ahead of now come from a clock that was wrong for a while, and are not believed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec.structs import replace

from vmbackup_core.errors import PermanentError
from vmbackup_operator.model.backup_policy import Rule, Schedule
from vmbackup_operator.model.backup_repository import (
    BackupRepository,
    Maintenance,
    RunningJob,
    StandingDelay,
    UpkeepWanted,
)
from vmbackup_operator.model.conditions import MAX_MESSAGE, cut, is_true
from vmbackup_operator.model.metadata import MAX_TRIGGER, UPKEEP_ANNOTATION, ObjectKey
from vmbackup_operator.policies.occasions import CLOCKS_DIFFER
from vmbackup_operator.policies.schedule import NOTHING_DUE, Due, due, slots_after
from vmbackup_operator.upkeep.passes import begun

#: By up to so much a repository begins after its slot, always by the same: not all at once.
JITTER_S = 1800
#: However late it is, the newest slot is caught up with: what it asks for is never out of date.
_NO_DEADLINE_S = 100 * 365 * 24 * 3600

SUSPENDED = "spec.upkeep.suspend is true: nothing is done, and nothing is deleted"
NOT_READY = (
    "a pass is due, and begins once the repository is Ready: its conditions say what it needs"
)


@dataclass(frozen=True, slots=True)
class Occasion:
    """What a look makes of the maintenance before any work; *begins* tells that a pass does."""

    maintenance: Maintenance
    begins: bool = False


def occasion_of(repository: BackupRepository, now: datetime) -> Occasion:
    """Return what is due of the repository's upkeep at *now*."""
    before = believed(repository.status.maintenance or Maintenance(), now)
    before = _with_rule(repository.spec.upkeep, before, now)
    before = _with_delay(repository.spec.upkeep, before, now)
    token = repository.metadata.annotations.get(UPKEEP_ANNOTATION, "")[:MAX_TRIGGER]
    if repository.spec.upkeep.suspend:
        return Occasion(_paused(before, token))
    try:
        scheduled, refused = _due(repository, before, now), ""
    except PermanentError as error:
        scheduled, refused = NOTHING_DUE, cut(f"no pass begins: {error}", MAX_MESSAGE)
    before = replace(before, next_time=scheduled.next_start, message=refused)
    if before.running is not None:
        return Occasion(before)
    if not token:
        before = replace(before, handled_upkeep="")
    if scheduled.slot is None and token == before.handled_upkeep:
        return Occasion(before)
    if not is_true(repository.status.conditions, "Ready"):
        return Occasion(replace(before, message=NOT_READY))
    last = scheduled.slot or before.last_slot
    return Occasion(begun(replace(before, last_slot=last, handled_upkeep=token), now), begins=True)


def _paused(before: Maintenance, token: str) -> Maintenance:
    """Return *before* while upkeep is suspended: what is due goes by, and no trouble gets older."""
    running = before.running
    if running is not None:
        running = replace(running, trouble_since=None)
    return replace(before, next_time=None, message=SUSPENDED, handled_upkeep=token, running=running)


def believed(maintenance: Maintenance, now: datetime) -> Maintenance:
    """Return *maintenance* without what is ahead of *now*."""
    limit = now + CLOCKS_DIFFER
    slot, rule, running = maintenance.last_slot, maintenance.rule, maintenance.running
    if slot is not None and slot > limit:
        slot, rule = None, None
    if rule is not None and rule.since > limit:
        rule = None
    if running is not None:
        running = _running_believed(running, limit, now)
    sights = tuple(each for each in maintenance.sights if each.time <= now)
    delay = maintenance.retention_change_delay
    if delay is not None and delay.since > limit:
        delay = replace(delay, since=now.replace(microsecond=0))
    return replace(
        maintenance,
        last_slot=slot,
        rule=rule,
        running=running,
        sights=sights,
        retention_change_delay=delay,
    )


def period_ends(repository: BackupRepository, running: RunningJob) -> datetime | None:
    """Return when the pass after the running one begins; None where the schedule has none."""
    schedule = schedule_of(repository.spec.upkeep)
    try:
        following = next(slots_after(schedule, running.pass_since), None)
    except PermanentError:
        return None
    return following


def schedule_of(wanted: UpkeepWanted) -> Schedule:
    """Return the schedule of passes as policies have theirs."""
    return Schedule(wanted.schedule, wanted.time_zone, JITTER_S, _NO_DEADLINE_S)


def _due(repository: BackupRepository, before: Maintenance, now: datetime) -> Due:
    if before.rule is None:
        raise AssertionError("a schedule that is not suspended has a rule")
    handled = max(before.rule.since, before.last_slot or before.rule.since)
    # Uids differ where names are alike, as in two clusters with one storage account.
    key = ObjectKey(repository.metadata.namespace, repository.metadata.uid)
    return due(schedule_of(repository.spec.upkeep), key, handled, now)


def _with_rule(wanted: UpkeepWanted, before: Maintenance, now: datetime) -> Maintenance:
    """Return *before* with the schedule that slots are counted by; a pause has none."""
    rule = before.rule
    if wanted.suspend:
        return replace(before, rule=None)
    if rule is not None and (rule.cron, rule.time_zone) == (wanted.schedule, wanted.time_zone):
        return before
    since = now.replace(microsecond=0)
    return replace(before, rule=Rule(wanted.schedule, wanted.time_zone, since))


def _with_delay(wanted: UpkeepWanted, before: Maintenance, now: datetime) -> Maintenance:
    """Return *before* with the delay of shorter retentions; a shorter delay waits as these do."""
    standing, days = before.retention_change_delay, wanted.retention_change_delay_days
    if standing is not None and standing.days == days:
        return before
    held = 0 if standing is None else standing.days_at(now)
    made = StandingDelay(days, now.replace(microsecond=0), held if held > days else 0)
    return replace(before, retention_change_delay=made)


def _running_believed(running: RunningJob, limit: datetime, now: datetime) -> RunningJob:
    trouble = running.trouble_since
    if trouble is not None and trouble > limit:
        running = replace(running, trouble_since=None)
    if max(running.since, running.pass_since) <= limit:
        return running
    now = now.replace(microsecond=0)
    return replace(running, since=min(running.since, now), pass_since=min(running.pass_since, now))


def seconds_until(moment: datetime | None, now: datetime, most: timedelta) -> float:
    """Return how long it is until *moment*, a second at least and *most* at most."""
    if moment is None:
        return most.total_seconds()
    return min(max((moment - now).total_seconds(), 1.0), most.total_seconds())
