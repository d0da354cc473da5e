"""What the agent does with a job's message, from what it knows of the job."""

from __future__ import annotations

import pytest

from vmbackup_core.ids import JobId, WorkerId
from vmbackup_core.protocol import BackupResult, Done, Failed, Header
from vmbackup_worker.orders import Known, Order, order_for

JOB = JobId("r-backup")
DONE = Done(JOB, 1, BackupResult([]))
FAILED = Failed(JOB, 1, "ExportRefused", "no", transient=True)


@pytest.mark.parametrize(
    ("sequence", "dequeues", "known", "order"),
    [
        pytest.param(1, 1, None, "Begin", id="not known"),
        pytest.param(1, 5, None, "Begin", id="seen five times"),
        pytest.param(1, 6, None, "GiveUp", id="seen too often"),
        pytest.param(2, 1, Known(1), "Renew", id="fresh credentials"),
        pytest.param(1, 2, Known(1), "Renew", id="its lease had ended"),
        pytest.param(1, 9, Known(1), "Renew", id="its lease ended often, and it is still at work"),
        pytest.param(1, 1, Known(2), "Drop", id="overtaken"),
        pytest.param(1, 1, Known(1, DONE), "Resend", id="redelivered after done"),
        pytest.param(2, 1, Known(1, DONE), "Resend", id="asked again after done"),
        pytest.param(1, 9, Known(1, DONE), "Resend", id="done, however often seen"),
        pytest.param(1, 1, Known(1, FAILED), "Resend", id="redelivered after failed"),
        pytest.param(2, 1, Known(1, FAILED), "Begin", id="asked again after failed"),
        pytest.param(2, 6, Known(1, FAILED), "GiveUp", id="asked again, seen too often"),
    ],
)
def test_a_message_is_ordered(
    sequence: int, dequeues: int, known: Known | None, order: Order
) -> None:
    header = Header("job", WorkerId("w-1"), JOB, sequence)

    assert order_for(header, dequeues, {JOB: known} if known else {}) == order
