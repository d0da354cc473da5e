"""How long a session, and a step of it, may take; counted from times in status. Pure.

A time in status that lies ahead of now was written by a clock that went wrong: nothing waits for it
and nothing is counted from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from vmbackup_operator.model.conditions import find_condition
from vmbackup_operator.model.session import Session, SessionStatus, longest_backoff
from vmbackup_operator.reconciling.outcome import Failed

#: The reason in WorkerReady of a session that waits until another one's worker is free.
WORKER_BUSY = "WorkerBusy"
#: The reason in Accepted of a session that waits until another one of its VM has ended.
VM_BUSY = "VirtualMachineBusy"
#: The reason in Accepted of a session whose namespace has as many backups under way as it may.
NAMESPACE_BUSY = "NamespaceBusy"
#: The reason in SwapConfirmed of a rewind that waits for its user's word.
SWAP_NOT_CONFIRMED = "SwapNotConfirmed"
#: The reason in PacksRehydrated of a restore whose packs come out of the Archive tier, in hours.
PACKS_ARCHIVED = "PacksArchived"
#: The reasons of waits for one's turn, or for a word. They are no standstill: what ends them is
#: others' end, what a user does, Azure's own time, or the deadline of the session.
TURNS = frozenset({WORKER_BUSY, VM_BUSY, NAMESPACE_BUSY, SWAP_NOT_CONFIRMED, PACKS_ARCHIVED})


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a step may stand still, and how long a last step is tried."""

    standstill: timedelta = timedelta(minutes=60)
    last_steps: timedelta = timedelta(minutes=15)


def time_left(session: Session, now: datetime) -> timedelta | None:
    """Return how long the session may go on by its active deadline; None before it has begun."""
    began = session.status.start_time
    if began is None:
        return None
    return timedelta(seconds=session.spec.active_deadline_seconds) - passed(began, now)


def exceeded(session: Session, now: datetime) -> Failed | None:
    """Return that the session has gone on for longer than its active deadline, if it has."""
    left = time_left(session, now)
    if left is None or left > timedelta(0):
        return None
    limit = timedelta(seconds=session.spec.active_deadline_seconds)
    message = f"it has not ended within {limit} (activeDeadlineSeconds)"
    at = session.status.step
    said = None if at is None else find_condition(session.status.conditions, at.condition)
    if said is not None and said.status != "True":
        message = f"{message}; {said.type}: {said.reason}: {said.message}"
    return Failed("DeadlineExceeded", message)


def pause(session: Session, now: datetime) -> timedelta:
    """Return how long the session waits for its next attempt; zero where it is due."""
    due = session.status.retry_time
    if due is None:
        return timedelta(0)
    # Never longer than it was when it was decided, whatever the clock said then.
    return min(max(timedelta(0), due - now), longest_backoff(session.spec, session.status.attempt))


def standing_still(status: SessionStatus, condition: str, now: datetime) -> timedelta:
    """Return for how long the step of *condition* has been taken without anything moving."""
    at = status.step
    if at is None or at.condition != condition:
        return timedelta(0)
    since = [at.since]
    if status.moved_time is not None and status.moved_time > at.since:
        since.append(status.moved_time)
    return min(passed(time, now) for time in since)


def passed(since: datetime, now: datetime) -> timedelta:
    """Return how much time has passed *since* then; none where that lies ahead of *now*."""
    return max(timedelta(0), now - since)


def is_turn(reason: str) -> bool:
    """Tell whether a wait with this reason is one for a turn among others, or for a word."""
    return reason in TURNS
