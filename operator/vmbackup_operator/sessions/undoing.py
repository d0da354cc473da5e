"""The last steps of sessions that have gone: taken for them, as far as a record knows them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import TypeAlias

from vmbackup_operator.model.conditions import is_true
from vmbackup_operator.model.session import AnySession, SessionStatus
from vmbackup_operator.reconciling.outcome import Done
from vmbackup_operator.sessions.findings import run_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Table
from vmbackup_operator.sessions.undo_record import UndoRecord

#: Takes a step for the session of a record; returns True once nothing is left of it.
Undo: TypeAlias = Callable[[Ground, UndoRecord], Awaitable[bool]]


async def take_last_steps(
    table: Table[AnySession], ground: Ground, session: AnySession, without: Collection[str] = ()
) -> bool:
    """Take the last steps of *session*, but for those of *without*; True once all are done.

    A session of its run that goes on takes them itself.
    """
    for step in table:
        if not step.even_after_failure or step.condition in without:
            continue
        if ground.book.goes_on(run_of(session)):
            return False
        taken = await step.take(ground, session)
        if not isinstance(taken.answer, Done):
            return False
    return True


def is_undone(table: Table[AnySession], status: SessionStatus) -> bool:
    """Tell whether every last step has come to its end; what was given up has not."""
    last = (step.condition for step in table if step.even_after_failure)
    return all(is_true(status.conditions, condition) for condition in last)
