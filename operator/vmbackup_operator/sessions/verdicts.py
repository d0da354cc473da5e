"""What a step's answer makes of the status: conditions, retries, failure, outcome. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic

from msgspec.structs import replace

from vmbackup_operator.model.conditions import (
    MAX_MESSAGE,
    ConditionStatus,
    Statement,
    cut,
    find_condition,
    is_true,
    with_condition,
)
from vmbackup_operator.model.progress import MAX_ERRORS, SessionError
from vmbackup_operator.model.session import (
    AnySession,
    Outcome,
    Session,
    SessionStatus,
    StepTaken,
    longest_backoff,
)
from vmbackup_operator.reconciling.outcome import Done, Failed, Waiting
from vmbackup_operator.sessions.deadlines import Patience, is_turn, standing_still
from vmbackup_operator.sessions.step import Answer, Skipped, Step, Table, Taken, Troubled, TryAgain

#: The condition that says, before Failed does, that the session will fail; as in a Job.
FAILURE_TARGET = "FailureTarget"
#: The reason of a last step that was given up; what it left stays written down, and is tried on.
GAVE_UP = "GaveUp"


def was_given_up(status: SessionStatus, condition: str) -> bool:
    """Tell whether the last step of *condition* was tried for long enough."""
    said = find_condition(status.conditions, condition)
    return said is not None and said.reason == GAVE_UP


def next_step(steps: Table[AnySession], status: SessionStatus) -> Step[AnySession] | None:
    """Return the one of *steps* that is to be taken, or None where none is left."""
    # What exists already was adopted, or lies behind these steps.
    skips = is_true(status.conditions, FAILURE_TARGET) or bool(status.achieved)
    for step in steps:
        if is_true(status.conditions, step.condition) or was_given_up(status, step.condition):
            continue
        if step.even_after_failure or not skips:
            return step
    return None


@dataclass(frozen=True, slots=True)
class Judge(Generic[AnySession]):
    """Judges what the steps of one session's table come to; *now* is the moment of judgement."""

    steps: Table[AnySession]
    session: AnySession
    patience: Patience
    now: datetime

    def judged(self, step: Step[AnySession], taken: Taken, *, tried: timedelta) -> SessionStatus:
        """Return the status that *taken*, the answer of *step*, leaves.

        *tried* is for how long this process has tried to end the session: no last step is given up
        for the time in which no operator ran.
        """
        status = self._at(step, taken)
        answer = taken.answer
        if not isinstance(answer, Done):
            still = standing_still(status, step.condition, self.now)
            if step.even_after_failure:
                if still > self.patience.last_steps and tried > self.patience.last_steps / 8:
                    return self._given_up(step, self._said(status, step.condition, answer))
            elif still > self.patience.standstill and not _waits_for_turn(answer):
                answer = _stood_still(step, status, answer, still)
        return self._answered(step, status, answer)

    def failing(
        self, status: SessionStatus, step: str, failed: Failed, ending: Outcome = "Failed"
    ) -> SessionStatus:
        """Return *status* as that of a session that will fail once its last steps have ended."""
        if step:
            status = self._state(status, step, "False", failed.reason, failed.message)
        status = _with_error(status, step, failed.reason, failed.message)
        status = self._state(status, FAILURE_TARGET, "True", failed.reason, failed.message)
        message = cut(failed.message, MAX_MESSAGE)
        status = replace(status, message=message, retry_time=None, ending=ending)
        return status if self._undoes() else self._concluded(status)

    def _at(self, step: Step[AnySession], taken: Taken) -> SessionStatus:
        """Return the status with the step's clock: begun anew at each step and after a turn."""
        status, at = taken.status, taken.status.step
        said = find_condition(status.conditions, step.condition)
        had_turn = said is not None and is_turn(said.reason) and not _waits_for_turn(taken.answer)
        if at is None or at.condition != step.condition or had_turn or at.since > self.now:
            since = self.now.replace(microsecond=0)
            return replace(status, step=StepTaken(step.condition, since))
        return status

    def _answered(
        self, step: Step[AnySession], status: SessionStatus, answer: Answer
    ) -> SessionStatus:
        if step.even_after_failure and not isinstance(answer, Done):
            # A last step is tried for a while whatever it answers.
            return self._said(status, step.condition, answer)
        match answer:
            case Done():
                status = self._said(status, step.condition, answer)
                if step.decides_outcome and status.outcome is None:
                    return self._concluded(status)
                return status
            case Waiting() | Troubled():
                return self._said(status, step.condition, answer)
            case TryAgain():
                return self._tried_again(step, status, answer)
            case Skipped() | Failed():
                failed = Failed(answer.reason, answer.message)
                ending: Outcome = "Failed" if isinstance(answer, Failed) else "Skipped"
                return self.failing(status, step.condition, failed, ending)

    def _undoes(self) -> bool:
        """Tell whether the table has a step after failure that decides the outcome."""
        return any(step.decides_outcome and step.even_after_failure for step in self.steps)

    def _concluded(self, status: SessionStatus) -> SessionStatus:
        """Return *status* with the session's outcome: Complete, or Failed with its reason."""
        failure = find_condition(status.conditions, FAILURE_TARGET)
        completion = self.now.replace(microsecond=0)
        if failure is None or failure.status != "True":
            message = status.achieved
            status = self._state(status, "Complete", "True", "Succeeded", message)
            return replace(status, outcome="Succeeded", completion_time=completion, message=message)
        status = self._state(status, "Failed", "True", failure.reason, failure.message)
        outcome = status.ending or "Failed"
        if outcome == "Failed":  # what waits for it by kstatus's rules knows Stalled and not Failed
            status = self._state(status, "Stalled", "True", failure.reason, failure.message)
        return replace(
            status,
            outcome=outcome,
            completion_time=completion,
            message=cut(failure.message, MAX_MESSAGE),
        )

    def _tried_again(
        self, step: Step[AnySession], status: SessionStatus, again: TryAgain
    ) -> SessionStatus:
        """Return the status of the next attempt, or of failure where no retry is left."""
        worker, spec = status.worker, self.session.spec
        if worker is not None and again.abandons_worker:
            worker = replace(worker, abandoned=True)
            status = replace(status, worker=worker)
        if status.attempt > spec.retry_limit:
            message = f"{again.message} (attempt {status.attempt}, the last)"
            return self.failing(status, step.condition, Failed(again.reason, message))
        status = _with_error(status, step.condition, again.reason, again.message)
        status = self._state(status, step.condition, "False", again.reason, again.message)
        status = self._undone_from(again.again_from, step, status)
        status = self._without_worker(status)
        status = self._owed_again(step, status)
        due = self.now + longest_backoff(spec, status.attempt + 1)
        return replace(
            status,
            attempt=status.attempt + 1,
            retry_time=due.replace(microsecond=0),
            step=None,
            moved_time=None,
        )

    def _without_worker(self, status: SessionStatus) -> SessionStatus:
        """Return *status* without its worker: a session that pauses holds none back from others.

        An abandoned one stays with it until it is deleted.
        """
        worker = status.worker
        served = all(is_true(status.conditions, each.condition) for each in self._with_worker())
        if worker is None or served:
            return status
        message = f"attempt {status.attempt + 1} takes one again"
        if worker.abandoned:
            message = f"worker {worker.id} is replaced"
            return self._state(status, "WorkerReady", "False", "WorkerReplaced", message)
        status = self._state(status, "WorkerReady", "False", "GivenBack", message)
        return replace(status, worker=None)

    def _with_worker(self) -> Table[AnySession]:
        return tuple(step for step in self.steps if step.uses_worker)

    def _undone_from(
        self, condition: str, failed: Step[AnySession], status: SessionStatus
    ) -> SessionStatus:
        """Return *status* with every step owed again from that of *condition* up to the failed."""
        behind = [step.condition for step in self.steps[: self.steps.index(failed)]]
        if condition not in behind:
            return status
        message = f"attempt {status.attempt + 1} does it again"
        for each in behind[behind.index(condition) :]:
            status = self._state(status, each, "Unknown", "LookedAtAgain", message)
        return status

    def _owed_again(self, failed: Step[AnySession], status: SessionStatus) -> SessionStatus:
        """Return *status* with those steps before the failed one owed again that are due anew.

        A worker that can't store may have lost its endpoint: only a look at Azure tells.
        """
        message = f"attempt {status.attempt + 1} looks at it again"
        for step in self.steps[: self.steps.index(failed)]:
            if step.each_attempt and is_true(status.conditions, step.condition):
                status = self._state(status, step.condition, "Unknown", "LookedAtAgain", message)
        return status

    def _given_up(self, step: Step[AnySession], status: SessionStatus) -> SessionStatus:
        """Return the status of a last step that is left to the sweeper."""
        said = find_condition(status.conditions, step.condition)
        message = "given up" if said is None else f"given up: {said.message}"
        status = self._state(status, step.condition, "False", GAVE_UP, message)
        if step.decides_outcome and status.outcome is None:
            return self._concluded(status)
        return status

    def _said(self, status: SessionStatus, condition: str, answer: Answer) -> SessionStatus:
        """Return *status* with what the answer says of *condition*."""
        match answer:
            case Done(message=message):
                return self._state(status, condition, "True", "Succeeded", message)
            case Troubled(reason=reason, message=message):
                said = find_condition(status.conditions, condition)
                if said is not None and said.status == "Unknown" and said.reason == reason:
                    # The same in other words (request ids, times) is no news worth a write.
                    return status
                return self._state(status, condition, "Unknown", reason, message)
            case Waiting() | TryAgain() | Failed() | Skipped():
                return self._state(status, condition, "False", answer.reason, answer.message)

    def _state(
        self,
        status: SessionStatus,
        condition: str,
        holds: ConditionStatus,
        reason: str,
        message: str,
    ) -> SessionStatus:
        generation = self.session.metadata.generation
        statement = Statement(condition, holds, reason, message)
        conditions = with_condition(
            status.conditions, statement, now=self.now, generation=generation
        )
        return replace(status, conditions=conditions, observed_generation=generation)


def _waits_for_turn(answer: Answer) -> bool:
    return isinstance(answer, Waiting) and is_turn(answer.reason)


def _stood_still(
    step: Step[AnySession], status: SessionStatus, answer: Answer, still: timedelta
) -> Answer:
    """Return the end of an attempt in which nothing has moved for too long."""
    if isinstance(answer, Failed | TryAgain | Skipped | Done):
        return answer
    minutes = still.total_seconds() / 60
    message = f"nothing has moved for {minutes:.0f} minutes: {answer.message}"
    reason = "NoProgress" if answer.reason == "InProgress" else answer.reason
    return TryAgain(reason, message, abandons_worker=step.uses_worker and status.worker is not None)


def _with_error(status: SessionStatus, step: str, reason: str, message: str) -> SessionStatus:
    error = SessionError(step or "Session", reason, cut(message, MAX_MESSAGE), status.attempt)
    return replace(status, errors=(*status.errors, error)[-MAX_ERRORS:])


def is_ending(session: Session) -> bool:
    """Tell whether the session's end is decided, and nothing but its last steps is left."""
    status = session.status
    return status.outcome is not None or is_true(status.conditions, FAILURE_TARGET)
