"""What people are told of a session: a line in the log each time, an Event where it matters."""

from __future__ import annotations

import logging
from typing import Literal

from vmbackup_operator.model.conditions import find_condition
from vmbackup_operator.model.session import Session
from vmbackup_operator.sessions.ports import EventLog

log = logging.getLogger(__name__)


async def report(events: EventLog, earlier: Session, after: Session) -> None:
    """Tell what has changed in the session from *earlier* to *after*."""
    key, now, was = after.key, after.status, earlier.status
    for said in now.conditions:
        if said in was.conditions:
            continue
        words = (said.type, said.status, said.reason, said.message)
        log.info("session %s: %s %s: %s: %s", key, *words)
        before = find_condition(was.conditions, said.type)
        if said.reason == "InternalError" and (before is None or before.reason != said.reason):
            await events.tell(after, "Warning", said.reason, said.message)
    if now.attempt > was.attempt and now.errors and was.attempt:
        error = now.errors[-1]
        message = f"attempt {was.attempt} failed at {error.step}: {error.message}"
        await events.tell(after, "Warning", error.reason, message)
    if now.outcome is not None and was.outcome is None:
        log.info("session %s: %s: %s", key, now.outcome, now.message)
        kind: Literal["Normal", "Warning"] = "Normal" if now.outcome == "Succeeded" else "Warning"
        await events.tell(after, kind, now.outcome, now.message)
