"""A session's status within the schema's bounds: long texts are cut, old failures go.

Texts come from Azure and from workers, so nobody knows how long they are, and a status that the API
server refuses would be a session that stands still.
"""

from __future__ import annotations

from typing import TypeVar

from msgspec.structs import replace

from vmbackup_operator.model.conditions import MAX_MESSAGE, MAX_REASON, cut
from vmbackup_operator.model.progress import MAX_ERRORS, SessionError
from vmbackup_operator.model.session import SessionStatus
from vmbackup_operator.model.session_findings import JobFailure, SessionWorker

AnyStatus = TypeVar("AnyStatus", bound=SessionStatus)


def within_bounds(status: AnyStatus) -> AnyStatus:
    """Return *status* as the schema takes it."""
    return replace(
        status,
        message=cut(status.message, MAX_MESSAGE),
        conditions=tuple(
            replace(each, message=cut(each.message, MAX_MESSAGE)) for each in status.conditions
        ),
        errors=tuple(_error_within_bounds(error) for error in status.errors[-MAX_ERRORS:]),
        worker=None if status.worker is None else _worker_within_bounds(status.worker),
    )


def _error_within_bounds(error: SessionError) -> SessionError:
    return replace(error, reason=error.reason[:MAX_REASON], message=cut(error.message, MAX_MESSAGE))


def _worker_within_bounds(worker: SessionWorker) -> SessionWorker:
    said = worker.failure
    if said is None:
        return worker
    failure = JobFailure(said.reason[:MAX_REASON], cut(said.message, MAX_MESSAGE), said.transient)
    return replace(worker, failure=failure)
