"""What the operator does with an event that authenticates: docs/worker-protocol.md section 5."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from vmbackup_core.ids import JobId, WorkerId
from vmbackup_core.protocol.messages import Done, Event, Failed
from vmbackup_core.protocol.sealing import NO_JOB, Header

#: Apply: write the effect and the number in one status write, then delete the message.
#: AcknowledgeOnly: delete it and change nothing. Refuse: count it and delete it.
Decision = Literal["Apply", "AcknowledgeOnly", "Refuse"]


@dataclass(frozen=True, slots=True)
class Applied:
    """What a session's status says of the events that it has taken in.

    *last_sent* is the number of the job's last message, *last_failed* that of the last one whose
    failure was counted.
    """

    worker_id: WorkerId
    job_id: JobId
    last_of_job: int = 0
    last_of_worker: int = 0
    last_sent: int = 0
    last_failed: int = 0

    @property
    def next_to_send(self) -> int:
        """The number of the job's next message: above all that was answered."""
        return max(self.last_sent, self.last_failed) + 1


def decide(header: Header, event: Event, applied: Applied) -> Decision:
    """Return what to do with *event*, the message of *header*, where *applied* was so far."""
    if header.direction != "event" or header.worker_id != applied.worker_id:
        return "Refuse"
    if header.job_id == NO_JOB:
        return "Apply" if header.sequence > applied.last_of_worker else "AcknowledgeOnly"
    if header.job_id != applied.job_id:
        return "AcknowledgeOnly"  # of a job that this worker had before
    return "Apply" if _is_news(header, event, applied) else "AcknowledgeOnly"


def _is_news(header: Header, event: Event, applied: Applied) -> bool:
    """Tell whether an event of the job is to be heard.

    Two threads of the agent speak, and queues do not keep order: a job's end that progress has
    overtaken is told once, and counts all the same.
    """
    match event:
        case Failed():
            # An older message's failure is overtaken: the agent tries again by the newer one.
            return event.answers >= applied.last_sent and event.answers > applied.last_failed
        case Done():
            return header.sequence != applied.last_of_job
        case _:
            return header.sequence > applied.last_of_job


def after(header: Header, event: Event, applied: Applied) -> Applied:
    """Return what *applied* becomes once *event*, the message of *header*, has been applied."""
    if header.job_id == NO_JOB:
        return replace(applied, last_of_worker=header.sequence)
    failed = event.answers if isinstance(event, Failed) else applied.last_failed
    last = max(header.sequence, applied.last_of_job)
    return replace(applied, last_of_job=last, last_failed=failed)
