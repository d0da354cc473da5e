"""A pass: its jobs in their order, how one ends and which one is next; pure.

Catalog comes first, since a point that was put and not logged looks like a commit without point
until Catalog has recorded it: Expire would let it go. So Expire is left where Catalog has failed.
Nothing else rests on another: Prune removes what nothing needs, whatever Expire came to, Mirror
shows what counts by then, and Lists, Check and Verify only look.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, get_args

from msgspec.structs import replace

from vmbackup_operator.model.backup_repository import (
    BackupRepository,
    JobOutcome,
    JobRecord,
    Maintenance,
    RunningJob,
    UpkeepJob,
    UpkeepWanted,
)
from vmbackup_operator.model.conditions import MAX_MESSAGE, cut, find_condition

ORDER: Final[tuple[UpkeepJob, ...]] = get_args(UpkeepJob)

RESTS_ON: Final[Mapping[UpkeepJob, UpkeepJob]] = {"Expire": "Catalog"}

#: What may not be done, by the reason of a repository's Ready, and why.
LEFT: Final[Mapping[str, tuple[frozenset[UpkeepJob], str]]] = {
    "HistoryRolledBack": (
        frozenset({"Expire", "Mirror", "Prune"}),
        "nothing is deleted until somebody accepts the history: the condition Ready says how",
    ),
    "ReadOnly": (
        frozenset({"Catalog", "Expire", "Prune", "Lists", "Verify"}),
        "the repository is another appliance's, which does this",
    ),
}

#: A pass comes by half a day earlier or later than the one before, and is still a day after it.
_HALF_A_DAY = timedelta(hours=12)


def begun(maintenance: Maintenance, now: datetime) -> Maintenance:
    """Return *maintenance* where a pass begins."""
    now = now.replace(microsecond=0)
    return replace(maintenance, running=RunningJob(ORDER[0], since=now, pass_since=now))


def why_left(job: UpkeepJob, repository: BackupRepository) -> str | None:
    """Return why *job* may not be done as the repository stands; None where it may."""
    ready = find_condition(repository.status.conditions, "Ready")
    jobs, why = LEFT.get("" if ready is None else ready.reason, (frozenset(), ""))
    return why if job in jobs else None


def why_pointless(running: RunningJob, maintenance: Maintenance) -> str | None:
    """Return which job the running one rests on, where that failed in this pass."""
    needed = RESTS_ON.get(running.job)
    for record in maintenance.jobs:
        if record.job == needed and record.outcome == "Failed":
            return f"left to the next pass: it rests on {needed}, which has failed"
    return None


def ended(
    maintenance: Maintenance,
    outcome: JobOutcome,
    message: str,
    *,
    wanted: UpkeepWanted,
    now: datetime,
) -> Maintenance:
    """Return *maintenance* where the running job has ended, and the next one runs, if any does."""
    running = maintenance.running
    if running is None:
        raise AssertionError("no job runs that could end")
    now = now.replace(microsecond=0)
    before = find_record(maintenance, running.job)
    record = JobRecord(
        job=running.job,
        start_time=running.since,
        end_time=now,
        outcome=outcome,
        message=cut(message, MAX_MESSAGE),
        last_success_time=now
        if outcome in {"Succeeded", "Findings"}
        else None
        if before is None
        else before.last_success_time,
    )
    others = {each.job: each for each in maintenance.jobs} | {running.job: record}
    jobs = tuple(others[job] for job in ORDER if job in others)
    maintenance = replace(maintenance, jobs=jobs, message="")
    return replace(maintenance, running=_following(running, maintenance, wanted, now))


def find_record(maintenance: Maintenance, job: UpkeepJob) -> JobRecord | None:
    """Return how *job* ended the last time, or None."""
    return next((each for each in maintenance.jobs if each.job == job), None)


def _following(
    running: RunningJob, maintenance: Maintenance, wanted: UpkeepWanted, now: datetime
) -> RunningJob | None:
    for job in ORDER[ORDER.index(running.job) + 1 :]:
        if job != "Check" or is_check_due(maintenance, wanted, now):
            return RunningJob(job, since=now, pass_since=running.pass_since)
    return None


def is_check_due(maintenance: Maintenance, wanted: UpkeepWanted, now: datetime) -> bool:
    """Tell whether all is to be checked in this pass; a time ahead of *now* is not believed."""
    record = find_record(maintenance, "Check")
    last = None if record is None else record.last_success_time
    if last is None or last > now:
        return True
    return now - last >= timedelta(days=wanted.check_every_days) - _HALF_A_DAY
