"""Sequence numbers: replayed and reordered events change nothing twice."""

from __future__ import annotations

import itertools

import pytest

from vmbackup_core.ids import JobId, WorkerId
from vmbackup_core.protocol import NO_JOB, Applied, Decision, Direction, Header, after, decide

WORKER = WorkerId("w-1")
JOB = JobId("r-backup")
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

    assert decide(header, APPLIED) == decision


def test_whatever_the_order_each_number_is_applied_at_most_once_and_the_newest_always() -> None:
    headers = [Header("event", WORKER, JOB, number) for number in (1, 2, 3, 3)]
    for order in itertools.permutations(headers):
        applied, taken = Applied(WORKER, JOB), []
        for header in order:
            if decide(header, applied) == "Apply":
                taken.append(header.sequence)
                applied = after(header, applied)

        assert taken == sorted(set(taken))
        assert taken[-1] == applied.last_of_job == 3


def test_the_workers_own_events_leave_the_jobs_number_alone() -> None:
    applied = after(Header("event", WORKER, NO_JOB, 9), APPLIED)

    assert (applied.last_of_job, applied.last_of_worker) == (5, 9)
