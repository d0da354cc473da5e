"""A status is never too long for the schema."""

from __future__ import annotations

from vmbackup_core.ids import WorkerId
from vmbackup_operator.model.backup_session import BackupSessionStatus
from vmbackup_operator.model.bounds import within_bounds
from vmbackup_operator.model.conditions import MAX_MESSAGE
from vmbackup_operator.model.progress import SessionError
from vmbackup_operator.model.session_findings import JobFailure, SessionWorker

LONG = "x" * 5000


def test_long_texts_are_cut() -> None:
    failure = JobFailure(LONG, LONG, transient=True)
    worker = SessionWorker(WorkerId("w"), "vm", failure=failure)
    status = within_bounds(
        BackupSessionStatus(message=LONG, errors=(SessionError("A", LONG, LONG),), worker=worker)
    )

    assert len(status.message) == MAX_MESSAGE
    assert len(status.errors[0].message) == MAX_MESSAGE
    assert len(status.errors[0].reason) == 64
    assert status.worker is not None
    assert status.worker.failure is not None
    assert len(status.worker.failure.message) == MAX_MESSAGE
    assert status.worker.failure.transient


def test_the_newest_failures_stay() -> None:
    errors = tuple(SessionError("A", "Broken", str(number)) for number in range(9))

    kept = within_bounds(BackupSessionStatus(errors=errors)).errors
    assert [error.message for error in kept] == ["4", "5", "6", "7", "8"]


def test_what_fits_is_left_alone() -> None:
    status = BackupSessionStatus(message="fine", errors=(SessionError("A", "Broken", "x", 1),))

    assert within_bounds(status) == status
