"""The frame of every kind of session: reads one afresh, takes one step, writes its status, returns.

Which steps there are is the kind's own (`Kind`); what their answers come to is judged in
`verdicts`, how long they may take in `deadlines`. The work queue calls `reconcile`, no other.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, Protocol

from msgspec.structs import replace

from vmbackup_core.errors import LostAttempt, PermanentError, TransientError, VmbackupError
from vmbackup_core.ids import RunId
from vmbackup_operator.model.metadata import (
    APPLIANCE_LABEL,
    FINALIZER,
    MAX_TRIGGER,
    RETRY_ANNOTATION,
    ObjectKey,
)
from vmbackup_operator.model.session import AnySession, Session, SessionStatus
from vmbackup_operator.reconciling.log_context import logged_about
from vmbackup_operator.reconciling.outcome import (
    Conflict,
    Done,
    Failed,
    Outcome,
    Waiting,
    reason_of,
)
from vmbackup_operator.sessions import deadlines
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.reporting import report
from vmbackup_operator.sessions.step import Answer, Step, Table, Taken, Troubled, TryAgain
from vmbackup_operator.sessions.verdicts import Judge, is_ending, next_step

log = logging.getLogger(__name__)

#: A deleted object's finalizer yields to the sweeper after this; a namespace must not hang on us.
UNDO_FOR = timedelta(minutes=15)
#: How soon a last step that failed is tried again.
LAST_STEPS_AGAIN_S = 60.0
#: How soon a step is taken again that met an exception which nobody foresaw.
AFTER_A_BUG_S = 300.0
#: How soon a step is taken again that waits for somebody's hand, where that is worth waiting for.
MENDED_BY_HAND_S = 30.0

#: Refusals that somebody mends without touching the session: a Secret that was dropped or mistyped,
#: a key that was taken out of the key ring too early, an account that is full or disabled. They are
#: waited for as long as a step may stand still.
MENDED_BY_HAND = frozenset(
    {
        "AccountRefuses",
        "InvalidKey",
        "KeyMismatch",
        "KeyRingIncomplete",
        "SecretNotFound",
        "TagsKeyUnknown",
    }
)


class SessionStore(Protocol[AnySession]):
    """The objects of one kind of session."""

    async def find(self, key: ObjectKey) -> AnySession | None:
        """Return the session as stored, or None."""

    async def write_status(self, session: AnySession) -> AnySession:
        """Replace the status and return what is stored; raise Conflict where it was stale."""

    async def write_finalizers(self, session: AnySession) -> AnySession:
        """Replace ``metadata.finalizers`` alone and return what is stored; raise Conflict."""


@dataclass(frozen=True, slots=True)
class Kind(Generic[AnySession]):
    """One kind of session: where its objects are, its tables of steps, and its run ids.

    *show* returns a session with the phase and the columns that the rest of its status has;
    *let_go* is told of one that nothing is left to do for, once its finalizer is off; *give_back*
    of one that keeps its worker no longer, once that is written down: with the status before.
    """

    store: SessionStore[AnySession]
    table_of: Callable[[AnySession], Table[AnySession]]
    run_id_of: Callable[[str, AnySession], RunId]
    show: Callable[[AnySession], AnySession]
    let_go: Callable[[Ground, AnySession], Awaitable[None]]
    give_back: Callable[[Ground, AnySession], Awaitable[None]]


class SessionReconciler(Generic[AnySession]):
    """Takes each session of one kind through the steps of its table."""

    def __init__(self, ground: Ground, kind: Kind[AnySession]) -> None:
        self._ground = ground
        self._kind = kind
        #: Since when this process has tried to end each session, by its uid.
        self._tried_since_s: dict[str, float] = {}

    async def reconcile(self, key: ObjectKey) -> Outcome:
        """Take one step of the session; Done where nothing is left or it is not ours."""
        session = await self._kind.store.find(key)
        if session is None or not self._is_ours(session) or _never_began(session):
            return Done()
        with logged_about({"session": str(session.key)}):
            return await self._go_on(session)

    async def _go_on(self, session: AnySession) -> Outcome:
        """Claim the session, take it a step further, or let it go."""
        if session.status.run_id is None:
            return await self._claim(session)
        step = next_step(self._kind.table_of(session), session.status)
        if step is None:
            return await self._remove_finalizer(session)
        if self._is_overdue(session):
            message = f"deleted {UNDO_FOR} ago, and not undone yet: {step.condition}"
            await self._ground.events.tell(session, "Warning", "UndoGivenUp", message)
            return await self._remove_finalizer(session)
        with logged_about({"step": step.condition, "attempt": session.status.attempt}):
            return await self._advance(session, step)

    async def _advance(self, session: AnySession, step: Step[AnySession]) -> Outcome:
        """Have a session end whose time or whose wish it is; else take the step, if it is due."""
        stopped = self._stopped(session)
        if stopped is not None:
            written = await self._write(session, stopped)
            await report(self._ground.events, session, written)
            return Waiting(0, "ending")
        asked = session.metadata.annotations.get(RETRY_ANNOTATION, "")[:MAX_TRIGGER]
        if asked and asked != session.status.handled_retry:
            status = replace(session.status, handled_retry=asked, retry_time=None, step=None)
            await self._write(session, status)
            return Waiting(0, "tried again on request")
        pause_s = self._pause_s(session)
        if pause_s > 0:
            return Waiting(pause_s, "the next attempt is due later")
        return await self._take_step(session, step)

    def _is_ours(self, session: AnySession) -> bool:
        # A policy's session is its appliance's from the beginning, whoever looks at the cluster.
        claimed_by = session.status.appliance_id or session.metadata.labels.get(APPLIANCE_LABEL)
        return claimed_by in {None, self._ground.settings.appliance.id}

    async def _claim(self, session: AnySession) -> Outcome:
        """Claim the session: its finalizer first, then its run id; nothing is made before both."""
        if session.metadata.deletion_timestamp is not None:
            # A crash may have fallen between the finalizer and the run id.
            return await self._remove_finalizer(session)
        if FINALIZER not in session.metadata.finalizers:
            session = await self._with_finalizers(
                session, (*session.metadata.finalizers, FINALIZER)
            )
        appliance_id = self._ground.settings.appliance.id
        status = replace(
            session.status,
            appliance_id=appliance_id,
            run_id=self._kind.run_id_of(appliance_id, session),
            attempt=1,
            start_time=self._ground.clock.now().replace(microsecond=0),
            observed_generation=session.metadata.generation,
        )
        await self._write(session, status)
        log.info("session %s: begun as run %s", session.key, status.run_id)
        return Waiting(0, "begun")

    async def _remove_finalizer(self, session: AnySession) -> Outcome:
        """Remove the finalizer: nothing outside is left to undo, or nothing can be."""
        self._tried_since_s.pop(session.metadata.uid, None)
        finalizers = session.metadata.finalizers
        if FINALIZER in finalizers:
            rest = tuple(each for each in finalizers if each != FINALIZER)
            await self._with_finalizers(session, rest)
            await self._kind.let_go(self._ground, session)
        return Done()

    def _tried_for(self, session: AnySession) -> timedelta:
        """Return for how long this process has tried to end the session."""
        now_s = self._ground.clock.monotonic_s()
        since_s = self._tried_since_s.setdefault(session.metadata.uid, now_s)
        return timedelta(seconds=now_s - since_s)

    def _is_overdue(self, session: AnySession) -> bool:
        """Tell whether a deleted session has been undone for too long.

        The time runs from its deletion, which the API server keeps. One that was deleted while no
        operator ran has a while from the start of this one.
        """
        deleted = session.metadata.deletion_timestamp
        if deleted is None:
            return False
        tried = self._tried_for(session)
        overdue = deadlines.passed(deleted, self._ground.clock.now()) > UNDO_FOR
        return overdue and tried > UNDO_FOR / 8

    def _stopped(self, session: AnySession) -> SessionStatus | None:
        """Return the status of a session that is to end on its way, else None."""
        status = session.status
        # What exists is not taken back by a cancel, or a deadline, that came too late.
        if is_ending(session) or status.achieved:
            return None
        now = self._ground.clock.now()
        judge = self._judge(session, now)
        if session.metadata.deletion_timestamp is not None:
            gone = Failed("Deleted", "the session was deleted")
            return judge.failing(status, "", gone, "Cancelled")
        if session.spec.cancel:
            cancelled = Failed("Cancelled", "cancelled on request")
            return judge.failing(status, "", cancelled, "Cancelled")
        late = deadlines.exceeded(session, now)
        return None if late is None else judge.failing(status, "", late)

    def _pause_s(self, session: AnySession) -> float:
        if is_ending(session):
            return 0
        return deadlines.pause(session, self._ground.clock.now()).total_seconds()

    async def _take_step(self, session: AnySession, step: Step[AnySession]) -> Outcome:
        """Take *step* and write what it came to."""
        trouble: TransientError | None = None
        try:
            taken = await self._take(step, session)
        except Conflict:
            raise
        except TransientError as error:
            trouble = error
            taken = Taken(session.status, Troubled(reason_of(error), str(error)))
        tried = self._tried_for(session) if step.even_after_failure else timedelta(0)
        judge = self._judge(session, self._ground.clock.now())
        status = judge.judged(step, taken, tried=tried)
        written = await self._write(session, status)
        if taken.status.worker is not None and status.worker is None:
            # Not before: where that write is refused the session goes on with its launch.
            await self._kind.give_back(self._ground, replace(session, status=taken.status))
        await report(self._ground.events, session, written)
        if _has_turned(session, written):
            return Waiting(self._pause_s(written), "the next attempt, or the end")
        if trouble is not None:
            raise trouble
        return _wait(step, taken.answer)

    def _judge(self, session: AnySession, now: datetime) -> Judge[AnySession]:
        patience = self._ground.pacing.patience
        return Judge(self._kind.table_of(session), session, patience, now)

    async def _take(self, step: Step[AnySession], session: AnySession) -> Taken:
        """Take the step; what it raises for good, or by a mistake of ours, is an answer as well."""
        try:
            return await step.take(self._ground, session)
        except LostAttempt as error:
            return Taken(session.status, TryAgain(error.reason, str(error)))
        except PermanentError as error:
            if error.reason in MENDED_BY_HAND:
                waiting = Waiting(MENDED_BY_HAND_S, str(error), error.reason)
                return Taken(session.status, waiting)
            return Taken(session.status, Failed(error.reason, str(error)))
        except TransientError:
            raise
        except VmbackupError as error:
            return Taken(session.status, Failed("CorruptRepository", str(error)))
        except Exception as error:  # a mistake of ours has to be seen where people look
            name = type(error).__name__
            log.exception("session %s: %s: unexpected %s", session.key, step, name)
            message = f"unexpected {name} at {step.condition}: the operator's log says where"
            return Taken(session.status, Troubled("InternalError", message))

    async def _write(self, session: AnySession, status: SessionStatus) -> AnySession:
        wanted = self._kind.show(replace(session, status=status))
        if wanted.status == session.status:
            return session
        return await self._kind.store.write_status(wanted)

    async def _with_finalizers(
        self, session: AnySession, finalizers: tuple[str, ...]
    ) -> AnySession:
        metadata = replace(session.metadata, finalizers=finalizers)
        return await self._kind.store.write_finalizers(replace(session, metadata=metadata))


def _wait(step: Step[AnySession], answer: Answer) -> Waiting:
    """Return when a session is looked at again that is at the same attempt as before."""
    match answer:
        case Done():
            return Waiting(0, "the next step")
        case Waiting():
            return answer
        case _ if step.even_after_failure:
            return Waiting(LAST_STEPS_AGAIN_S, "tried again")
        case _:
            return Waiting(AFTER_A_BUG_S, answer.message)


def _has_turned(before: Session, after: Session) -> bool:
    """Tell whether the session went to another attempt, or to its end."""
    turned = after.status.attempt != before.status.attempt
    return turned or is_ending(after) != is_ending(before) or after.status.outcome is not None


def _never_began(session: Session) -> bool:
    """Tell whether the session ended before anything was done for it: its policy had no room."""
    return session.status.outcome is not None and session.status.start_time is None
