"""Sequence numbers: replayed and reordered events change nothing twice."""

from __future__ import annotations

import itertools

import pytest

from vmbackup_core.ids import JobId, WorkerId
from vmbackup_core.protocol import (
    NO_JOB,
    Applied,
    BackupResult,
    Decision,
    Direction,
    Done,
    Failed,
    Header,
    Progress,
    after,
    decide,
)

WORKER = WorkerId("w-1")
JOB = JobId("r-backup")
PROGRESS = Progress(JOB, 3, 10, 5, 2)
APPLIED = Applied(WORKER, JOB, last_of_job=5, last_of_worker=8)


@pytest.mark.parametrize(
    ("direction", "worker", "job", "sequence", "decision"),
    [
        pytest.param("event", "w-1", "r-backup", 6, "Apply", id="next"),
        pytest.param("event", "w-1", "r-backup", 60, "Apply", id="a gap means nothing"),
        pytest.param("event", "w-1", "r-backup", 5, "AcknowledgeOnly", id="replayed"),
        pytest.param("event", "w-1", "r-backup", 2, "AcknowledgeOnly", id="overtaken"),
        pytest.param("event", "w-1", "", 9, "Apply", id="the worker's own count"),
        pytest.param("event", "w-1", "", 8, "AcknowledgeOnly", id="the worker's own, replayed"),
        pytest.param("event", "w-1", "earlier", 99, "AcknowledgeOnly", id="an earlier job's"),
        pytest.param("event", "w-2", "r-backup", 6, "Refuse", id="another worker"),
        pytest.param("job", "w-1", "r-backup", 6, "Refuse", id="not an event"),
    ],
)
def test_an_event_is_applied_once(
    direction: Direction, worker: str, job: str, sequence: int, decision: Decision
) -> None:
    header = Header(direction, WorkerId(worker), JobId(job), sequence)

    assert decide(header, PROGRESS, APPLIED) == decision


def test_whatever_the_order_each_number_is_applied_at_most_once_and_the_newest_always() -> None:
    headers = [Header("event", WORKER, JOB, number) for number in (1, 2, 3, 3)]
    for order in itertools.permutations(headers):
        applied, taken = Applied(WORKER, JOB), []
        for header in order:
            if decide(header, PROGRESS, applied) == "Apply":
                taken.append(header.sequence)
                applied = after(header, PROGRESS, applied)

        assert taken == sorted(set(taken))
        assert taken[-1] == applied.last_of_job == 3


def test_the_workers_own_events_leave_the_jobs_number_alone() -> None:
    applied = after(Header("event", WORKER, NO_JOB, 9), PROGRESS, APPLIED)

    assert (applied.last_of_job, applied.last_of_worker) == (5, 9)


@pytest.mark.parametrize(
    ("answers", "last_sent", "last_failed", "decision"),
    [
        pytest.param(1, 1, 0, "Apply", id="of the last message"),
        pytest.param(1, 1, 1, "AcknowledgeOnly", id="told twice"),
        pytest.param(1, 2, 0, "AcknowledgeOnly", id="overtaken by a newer message"),
        pytest.param(2, 1, 0, "Apply", id="of a message whose number was not written down"),
        pytest.param(3, 3, 2, "Apply", id="the next attempt's"),
    ],
)
def test_a_failure_counts_once_for_each_message_of_the_job(
    answers: int, last_sent: int, last_failed: int, decision: Decision
) -> None:
    applied = Applied(WORKER, JOB, 5, 8, last_sent, last_failed)
    failed = Failed(JOB, answers, "AccessRefused", "no", transient=True)
    header = Header("event", WORKER, JOB, 9)

    assert decide(header, failed, applied) == decision


def test_the_end_of_a_job_is_heard_whatever_has_overtaken_it() -> None:
    overtaken = Header("event", WORKER, JOB, 4)
    done = Done(JOB, 1, BackupResult([]))
    failed = Failed(JOB, 1, "TransferInterrupted", "no", transient=True)
    applied = Applied(WORKER, JOB, last_of_job=5, last_sent=1)

    for end in (done, failed):
        assert decide(overtaken, end, applied) == "Apply"
        assert after(overtaken, end, applied).last_of_job == 5
    assert decide(overtaken, failed, after(overtaken, failed, applied)) == "AcknowledgeOnly"
    assert decide(Header("event", WORKER, JOB, 5), done, applied) == "AcknowledgeOnly"


def test_the_next_message_of_a_job_is_above_every_failure_that_was_counted() -> None:
    failed = Failed(JOB, 2, "AccessRefused", "no", transient=True)
    applied = after(Header("event", WORKER, JOB, 9), failed, Applied(WORKER, JOB, last_sent=1))

    assert (applied.last_failed, applied.next_to_send) == (2, 3)
