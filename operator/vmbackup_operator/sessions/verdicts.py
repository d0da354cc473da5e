"""What a step's answer makes of the status: conditions, retries, failure, outcome. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from vmbackup_operator.model.backup_session import BackupSession, BackupSessionStatus, Outcome
from vmbackup_operator.model.conditions import (
    MAX_MESSAGE,
    Condition,
    ConditionStatus,
    Statement,
    cut,
    find_condition,
    is_true,
    with_condition,
)
from vmbackup_operator.model.progress import MAX_ERRORS, SessionError
from vmbackup_operator.reconciling.outcome import Done, Failed, Waiting
from vmbackup_operator.sessions.step import Step, Table, Taken, TryAgain

#: The condition that says, before Failed does, that the session will fail; as in a Job.
FAILURE_TARGET = "FailureTarget"
#: The reason of a last step that was given up; the sweeper finds what it left.
GAVE_UP = "GaveUp"

#: However often it failed, the next attempt is never further away than this.
_LONGEST_BACKOFF_S = 3600


def next_step(steps: Table, status: BackupSessionStatus) -> Step | None:
    """Return the one of *steps* that is to be taken, or None where none is left."""
    failing = is_true(status.conditions, FAILURE_TARGET)
    for step in steps:
        said = find_condition(status.conditions, step.condition)
        if said is not None and (said.status == "True" or said.reason == GAVE_UP):
            continue
        # A session whose recovery point exists was adopted, or is behind these steps.
        skipped = failing or status.recovery_point is not None
        if step.even_after_failure or not skipped:
            return step
    return None


def answered(
    steps: Table, session: BackupSession, step: Step, taken: Taken, now: datetime
) -> BackupSessionStatus:
    """Return the status that *taken*, the answer of *step*, leaves."""
    status = taken.status
    match taken.answer:
        case Done(message=message):
            status = _said(session, status, step.condition, "True", "Succeeded", message, now)
            if step.decides_outcome and status.outcome is None:
                return concluded(session, status, now)
            return status
        case Waiting(message=message, reason=reason):
            return _said(session, status, step.condition, "False", reason, message, now)
        case TryAgain(reason=reason, message=message) | Failed(reason=reason, message=message) if (
            step.even_after_failure
        ):
            # A last step is tried for a while whatever it answers, then given up.
            return _said(session, status, step.condition, "False", reason, message, now)
        case TryAgain() as again:
            return _tried_again(steps, session, status, step, again, now)
        case Failed() as failed:
            return failing(session, status, step.condition, failed, now)


def failing(
    session: BackupSession, status: BackupSessionStatus, step: str, failed: Failed, now: datetime
) -> BackupSessionStatus:
    """Return *status* as that of a session that will fail once its last steps have ended."""
    if step:
        status = _said(session, status, step, "False", failed.reason, failed.message, now)
    status = _with_error(status, step, failed.reason, failed.message)
    status = _said(session, status, FAILURE_TARGET, "True", failed.reason, failed.message, now)
    return replace(status, message=cut(failed.message, MAX_MESSAGE), retry_time=None)


def concluded(
    session: BackupSession, status: BackupSessionStatus, now: datetime
) -> BackupSessionStatus:
    """Return *status* with the session's outcome: Complete, or Failed with its reason."""
    failure = find_condition(status.conditions, FAILURE_TARGET)
    completion = now.replace(microsecond=0)
    if failure is None or failure.status != "True":
        message = f"recovery point {status.recovery_point} is stored"
        status = _said(session, status, "Complete", "True", "Succeeded", message, now)
        return replace(status, outcome="Succeeded", completion_time=completion, message=message)
    status = _said(session, status, "Failed", "True", failure.reason, failure.message, now)
    return replace(
        status,
        outcome=_outcome(failure),
        completion_time=completion,
        message=cut(failure.message, MAX_MESSAGE),
    )


def _outcome(failure: Condition) -> Outcome:
    match failure.reason:
        case "Cancelled" | "Deleted":
            return "Cancelled"
        case "Skipped":
            return "Skipped"
        case _:
            return "Failed"


def troubled(
    session: BackupSession, step: Step, reason: str, message: str, now: datetime
) -> BackupSessionStatus:
    """Return the status while *step* meets a failure that may pass; it is taken again."""
    said = find_condition(session.status.conditions, step.condition)
    if said is not None and said.status == "Unknown" and said.reason == reason:
        # The same trouble in other words (request ids, times) is no news worth a write.
        return session.status
    return _said(session, session.status, step.condition, "Unknown", reason, message, now)


def _tried_again(
    steps: Table,
    session: BackupSession,
    status: BackupSessionStatus,
    step: Step,
    again: TryAgain,
    now: datetime,
) -> BackupSessionStatus:
    """Return the status of the next attempt, or of failure where no retry is left."""
    worker = status.worker
    if worker is not None and again.abandons_worker:
        worker = replace(worker, abandoned=True)
        status = replace(status, worker=worker)
    if status.attempt > session.spec.retry_limit:
        message = f"{again.message} (attempt {status.attempt}, the last)"
        return failing(session, status, step.condition, Failed(again.reason, message), now)
    status = _with_error(status, step.condition, again.reason, again.message)
    status = _said(session, status, step.condition, "False", again.reason, again.message, now)
    if worker is not None and worker.abandoned:
        launched = "WorkerReady"
        message = f"worker {worker.id} is replaced"
        status = _said(session, status, launched, "False", "WorkerReplaced", message, now)
    status = _owed_again(steps[: steps.index(step)], session, status, now)
    backoff_s = session.spec.retry_backoff_seconds * 2 ** min(status.attempt - 1, 10)
    pause = timedelta(seconds=min(backoff_s, _LONGEST_BACKOFF_S))
    return replace(
        status, attempt=status.attempt + 1, retry_time=(now + pause).replace(microsecond=0)
    )


def _owed_again(
    before: Table, session: BackupSession, status: BackupSessionStatus, now: datetime
) -> BackupSessionStatus:
    """Return *status* with those of the steps *before* the failed one owed again that are due anew.

    A worker that can't store may have lost its endpoint: only a look at Azure tells, and mends it.
    """
    message = f"attempt {status.attempt + 1} looks at it again"
    for step in before:
        if step.each_attempt and is_true(status.conditions, step.condition):
            status = _said(
                session, status, step.condition, "Unknown", "LookedAtAgain", message, now
            )
    return status


def given_up(session: BackupSession, step: Step, now: datetime) -> BackupSessionStatus:
    """Return the status of a last step that is left to the sweeper."""
    said = find_condition(session.status.conditions, step.condition)
    message = "given up" if said is None else f"given up: {said.message}"
    status = _said(session, session.status, step.condition, "False", GAVE_UP, message, now)
    if step.decides_outcome and status.outcome is None:
        return concluded(session, status, now)
    return status


def _with_error(
    status: BackupSessionStatus, step: str, reason: str, message: str
) -> BackupSessionStatus:
    error = SessionError(step or "Session", reason, cut(message, MAX_MESSAGE), status.attempt)
    return replace(status, errors=(*status.errors, error)[-MAX_ERRORS:])


def _said(  # noqa: PLR0913, PLR0917 - a statement, what it is about, and when
    session: BackupSession,
    status: BackupSessionStatus,
    condition: str,
    holds: ConditionStatus,
    reason: str,
    message: str,
    now: datetime,
) -> BackupSessionStatus:
    generation = session.metadata.generation
    statement = Statement(condition, holds, reason, message)
    conditions = with_condition(status.conditions, statement, now=now, generation=generation)
    return replace(status, conditions=conditions, observed_generation=generation)
