"""What a step of a session is, and what it may answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic

from vmbackup_operator.model.session import AnySession, SessionStatus
from vmbackup_operator.reconciling.outcome import Done, Failed, Waiting
from vmbackup_operator.sessions.ground import Ground


@dataclass(frozen=True, slots=True)
class TryAgain:
    """This attempt has failed and another may succeed, while the session's retries last.

    *abandons_worker*: the worker is no longer trusted; it is deleted and another one launched.
    *again_from*: the condition of the step before from which on all is owed again, if any.
    """

    reason: str
    message: str
    abandons_worker: bool = False
    again_from: str = ""


@dataclass(frozen=True, slots=True)
class Skipped:
    """The session came too late to begin: it ends as Skipped, and nobody has failed."""

    message: str
    reason: str = "Skipped"


@dataclass(frozen=True, slots=True)
class Troubled:
    """The step met a failure that may pass: it is taken again, until its time is up."""

    reason: str
    message: str


Answer = Done | Waiting | Failed | TryAgain | Skipped | Troubled


@dataclass(frozen=True, slots=True)
class Taken:
    """What one look at a step came to: the status it leaves, and its answer."""

    status: SessionStatus
    answer: Answer


@dataclass(frozen=True, slots=True)
class Step(Generic[AnySession]):
    """One line of the pipeline: taken until it is Done, and then its *condition* is True.

    It looks before it acts and may be run again at any moment. One that stands for *each_attempt*
    is taken again by every attempt, since what it made may be what went missing. One that
    *uses_worker* costs the session its worker where it makes no progress. Once the one that
    *decides_outcome* is done the session's outcome is set: Complete, or Failed where an earlier
    step has failed.
    """

    condition: str
    take: Callable[[Ground, AnySession], Awaitable[Taken]]
    even_after_failure: bool = False
    decides_outcome: bool = False
    each_attempt: bool = False
    uses_worker: bool = False


#: The steps of one kind of session in their order; exactly one of them decides the outcome.
Table = tuple[Step[AnySession], ...]
