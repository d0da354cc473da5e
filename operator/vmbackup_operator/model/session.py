"""What every kind of session has in common: what the frame is asked, and what it keeps in status.

`sessions` reads these types only; a kind (`backup_session.py` and its like) adds what is its own.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar, Literal, TypeVar

import msgspec

from vmbackup_core.ids import RunId
from vmbackup_operator.model.conditions import Condition
from vmbackup_operator.model.metadata import Metadata, ObjectKey
from vmbackup_operator.model.progress import Display, Progress, SessionError
from vmbackup_operator.model.session_findings import Export, Resolved, SessionWorker

Outcome = Literal["Succeeded", "Failed", "Cancelled", "Skipped"]

#: Seven days: a full backup of 32 TiB takes four.
LONGEST_SESSION_S = 7 * 86400


class SessionSpec(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """How patient a session is; nothing of a spec ever changes but *cancel*, once, to true."""

    retry_limit: int = 3
    retry_backoff_seconds: int = 300
    active_deadline_seconds: int = LONGEST_SESSION_S
    cancel: bool = False


class StepTaken(msgspec.Struct, frozen=True, rename="camel"):
    """The step that the session is at, by its condition, and since when in this attempt."""

    condition: str
    since: datetime


class SessionStatus(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """What must survive a crash of the operator, and what people look at.

    *ending* is how the session will have ended once its last steps are through, said as soon as it
    is decided that it does not succeed. *moved_time* is when the transfer last moved anything.
    *handled_retry* is the retry annotation's value that was acted on last.
    """

    observed_generation: int = 0
    appliance_id: str | None = None
    run_id: RunId | None = None
    outcome: Outcome | None = None
    ending: Outcome | None = None
    phase: str | None = None
    attempt: int = 0
    retry_time: datetime | None = None
    handled_retry: str | None = None
    start_time: datetime | None = None
    completion_time: datetime | None = None
    step: StepTaken | None = None
    moved_time: datetime | None = None
    message: str = ""
    conditions: tuple[Condition, ...] = ()
    progress: Progress | None = None
    display: Display | None = None
    resolved: Resolved | None = None
    worker: SessionWorker | None = None
    exports: tuple[Export, ...] = ()
    errors: tuple[SessionError, ...] = ()

    @property
    def achieved(self) -> str:
        """What exists already and makes the session a success, in words; empty before that."""
        return ""


class Session(msgspec.Struct, frozen=True, rename="camel"):
    """A session of any kind."""

    kind: ClassVar[str]

    metadata: Metadata
    spec: SessionSpec
    status: SessionStatus = SessionStatus()

    @classmethod
    def key_at(cls, at: ObjectKey) -> ObjectKey:
        """Return what tells the session that lies there from those of all kinds."""
        return at

    @property
    def key(self) -> ObjectKey:
        """What tells the session from those of all kinds: two of them may have one name."""
        return self.key_at(self.metadata.key)


AnySession = TypeVar("AnySession", bound=Session)


def longest_backoff(spec: SessionSpec, attempt: int) -> timedelta:
    """Return how long the pause before *attempt* may be: doubled each time, an hour at most."""
    doubled = spec.retry_backoff_seconds * 2 ** min(max(attempt - 2, 0), 10)
    return timedelta(seconds=min(doubled, 3600))
