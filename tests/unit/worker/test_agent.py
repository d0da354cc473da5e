"""The agent's loop: jobs are begun in turn, worked on, and their ends told."""

from __future__ import annotations

import pytest

from tests.unit.worker.agent_at_work import JOB, Bench, done
from tests.unit.worker.sample_jobs import job
from vmbackup_core.errors import CorruptRepository, TransientError
from vmbackup_core.protocol import (
    Failed,
)
from vmbackup_core.repository.data.grants import BaseUnreadable
from vmbackup_core.repository.primitives.failures import NewerFormat
from vmbackup_core.stores.port import AlreadyStored
from vmbackup_worker.access import AccessRefused
from vmbackup_worker.running import DiskFailure


def test_a_job_is_done_told_and_only_then_deleted(bench: Bench) -> None:
    bench.jobs.put("m1", job(), 1)
    bench.until(lambda: bench.desk.begun)
    assert (bench.jobs.deleted, bench.events.all()) == ([], [])

    bench.desk.begun[0].end()
    bench.until(lambda: bench.jobs.deleted)
    assert bench.events.sent == [(JOB, done())]
    assert bench.jobs.deleted == ["m1"]


def test_the_lease_is_extended_while_the_job_runs(bench: Bench) -> None:
    bench.jobs.put("m1", job(), 1)

    bench.until(lambda: "m1" in bench.jobs.extended)
    bench.desk.begun[0].end()


@pytest.mark.parametrize(
    ("error", "reason", "transient", "disk"),
    [
        pytest.param(TransientError("net"), "TransferInterrupted", True, None, id="transient"),
        pytest.param(NewerFormat("m/1", "flag 2"), "NewerFormat", False, None, id="not understood"),
        pytest.param(
            DiskFailure("disk-1", BaseUnreadable("m/1: damaged")),
            "BaseUnreadable",
            False,
            "disk-1",
            id="base",
        ),
        pytest.param(
            DiskFailure("disk-1", CorruptRepository("m/1: damaged")),
            "CorruptRepository",
            False,
            "disk-1",
            id="damaged",
        ),
        pytest.param(
            DiskFailure("disk-1", AlreadyStored("p/1")),
            "AlreadyStored",
            False,
            "disk-1",
            id="taken",
        ),
        pytest.param(
            DiskFailure("disk-1", AccessRefused("no SAS")),
            "AccessRefused",
            True,
            "disk-1",
            id="sas",
        ),
        pytest.param(
            KeyError("https://x/y?sig=secret"), "AgentError", False, None, id="a fault of ours"
        ),
    ],
)
def test_a_failure_is_told_with_its_reason_and_without_secrets(
    bench: Bench,
    error: Exception,
    reason: str,
    transient: bool,  # noqa: FBT001 - a column of the table
    disk: str | None,
) -> None:
    bench.jobs.put("m1", job(), 1)
    bench.until(lambda: bench.desk.begun)
    bench.desk.begun[0].end(error)
    bench.until(lambda: bench.jobs.deleted)

    (failed,) = bench.events.all()
    assert isinstance(failed, Failed)
    assert (failed.reason, failed.transient, failed.disk_id) == (reason, transient, disk)
    assert "secret" not in failed.message


def test_a_failed_job_begins_again_when_it_is_asked_for_again(bench: Bench) -> None:
    bench.jobs.put("m1", job(), 1)
    bench.until(lambda: bench.desk.begun)
    bench.desk.begun[0].end(TransientError("net"))
    bench.until(lambda: bench.jobs.deleted)
    bench.jobs.put("m2", job(), 2)

    bench.until(lambda: len(bench.desk.begun) > 1)
    bench.desk.begun[1].end()
    bench.until(lambda: done(2) in bench.events.all())


def test_a_job_that_was_seen_too_often_fails_and_is_not_begun(bench: Bench) -> None:
    bench.jobs.put("m1", job(), 1, dequeues=6)
    bench.until(lambda: bench.jobs.deleted)

    (failed,) = bench.events.all()
    assert isinstance(failed, Failed)
    assert failed.reason == "JobSeenTooOften"
    assert bench.desk.begun == []


def test_another_job_waits_for_its_turn_with_its_lease_extended(bench: Bench) -> None:
    bench.jobs.put("m1", job(), 1)
    bench.jobs.put("m2", job("other"), 1)
    bench.until(lambda: bench.jobs.extended >= {"m1", "m2"})
    assert len(bench.desk.begun) == 1

    bench.desk.begun[0].end()
    bench.until(lambda: len(bench.desk.begun) > 1)
    assert bench.desk.begun[1].job.job_id == "other"
    bench.desk.begun[1].end()


def test_a_job_that_cannot_even_be_begun_is_told_and_not_the_agents_end(bench: Bench) -> None:
    bench.desk.refuse = ValueError("Invalid URL: https:///c?sv=1&sig=secret")
    bench.jobs.put("m1", job(), 1)
    bench.until(lambda: bench.jobs.deleted)

    (failed,) = bench.events.all()
    assert isinstance(failed, Failed)
    assert failed.reason == "AgentError"
    assert "secret" not in failed.message
    assert bench.thread.is_alive()
