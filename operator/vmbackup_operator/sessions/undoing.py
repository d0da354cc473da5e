"""The last steps of sessions that have gone or ended: taken for them, as a record knows them."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection
from typing import TypeAlias

from msgspec.structs import replace

from vmbackup_core.errors import PermanentError
from vmbackup_operator.model.conditions import Statement, is_true, with_condition
from vmbackup_operator.model.session import AnySession, SessionStatus
from vmbackup_operator.reconciling.outcome import Done
from vmbackup_operator.sessions.findings import run_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Step, Table
from vmbackup_operator.sessions.undo_record import UndoRecord
from vmbackup_operator.sessions.verdicts import was_given_up

log = logging.getLogger(__name__)

#: Takes a step for the session of a record; returns True once nothing is left of it.
Undo: TypeAlias = Callable[[Ground, UndoRecord], Awaitable[bool]]


async def take_last_steps(
    table: Table[AnySession], ground: Ground, session: AnySession, without: Collection[str] = ()
) -> bool:
    """Take the last steps of *session*, but for those of *without*; True once all are done.

    A session of its run that goes on takes them itself. Where the session's object is still there,
    it says by then that they are done.
    """
    for step in table:
        if not step.even_after_failure or step.condition in without:
            continue
        if ground.book.goes_on(run_of(session)):
            return False
        taken = await step.take(ground, session)
        if not isinstance(taken.answer, Done):
            return False
    owed = tuple(step for step in table if step.condition not in without)
    await _say_done(owed, ground, session)
    return True


async def _say_done(table: Table[AnySession], ground: Ground, known: AnySession) -> None:
    """Have the object of *known* say of its last steps that were given up that they are done.

    Each is taken once more, with what the object knows and a record does not. It finds nothing left
    to do, and says what a step says that was done in its time.
    """
    found = await ground.sessions.find(known.key)
    if not isinstance(found, type(known)) or found.metadata.uid != known.metadata.uid:
        return
    if found.status.outcome is None:
        return
    session = found
    for step in table:
        if step.even_after_failure and was_given_up(session.status, step.condition):
            session = await _made_up_for(ground, session, step)
    if session.status != found.status:
        await ground.sessions.write_status(session)


async def _made_up_for(ground: Ground, session: AnySession, step: Step[AnySession]) -> AnySession:
    """Return the session with what *step* says; as it was where it is not done for all that."""
    try:
        taken = await step.take(ground, session)
    except PermanentError as error:
        # Nothing is left to do for it, and its object is what somebody wrote since.
        log.warning("session %s: %s: %s", session.key, step.condition, error)
        return session
    if not isinstance(taken.answer, Done):
        return session
    conditions = with_condition(
        taken.status.conditions,
        Statement(step.condition, "True", "Succeeded", taken.answer.message),
        now=ground.clock.now(),
        generation=session.metadata.generation,
    )
    return replace(session, status=replace(taken.status, conditions=conditions))


def is_undone(table: Table[AnySession], status: SessionStatus) -> bool:
    """Tell whether every last step has come to its end; what was given up has not."""
    last = (step.condition for step in table if step.even_after_failure)
    return all(is_true(status.conditions, condition) for condition in last)
