"""What the operator does with an event that authenticates: docs/worker-protocol.md section 4."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vmbackup_core.ids import JobId, WorkerId
from vmbackup_core.protocol.sealing import NO_JOB, Header

#: Apply: write the effect and the number in one status write, then delete the message.
#: AcknowledgeOnly: delete it and change nothing. Refuse: count it and delete it.
Decision = Literal["Apply", "AcknowledgeOnly", "Refuse"]


@dataclass(frozen=True, slots=True)
class Applied:
    """What a session's status says of the events that it has taken in."""

    worker_id: WorkerId
    job_id: JobId
    last_of_job: int = 0
    last_of_worker: int = 0


def decide(header: Header, applied: Applied) -> Decision:
    """Return what to do with the message of *header* where *applied* was so far."""
    if header.direction != "event" or header.worker_id != applied.worker_id:
        return "Refuse"
    if header.job_id == NO_JOB:
        return "Apply" if header.sequence > applied.last_of_worker else "AcknowledgeOnly"
    if header.job_id != applied.job_id:
        return "AcknowledgeOnly"  # of a job that this worker had before
    return "Apply" if header.sequence > applied.last_of_job else "AcknowledgeOnly"


def after(header: Header, applied: Applied) -> Applied:
    """Return what *applied* becomes once the message of *header* has been applied."""
    if header.job_id == NO_JOB:
        return Applied(
            applied.worker_id, applied.job_id, applied.last_of_job, last_of_worker=header.sequence
        )
    return Applied(
        applied.worker_id, applied.job_id, header.sequence, last_of_worker=applied.last_of_worker
    )
