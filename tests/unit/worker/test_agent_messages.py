"""What messages that come again, later, older or unreadable do to a job that is taken up."""

from __future__ import annotations

import msgspec
import pytest

from tests.unit.protocol.sample_messages import archive_job, restore_job, verify_job
from tests.unit.worker.agent_at_work import JOB, Bench, done
from tests.unit.worker.sample_jobs import WORKER, job
from vmbackup_core.errors import PermanentError
from vmbackup_core.protocol import (
    ConversationAccess,
    Done,
    Failed,
    Header,
    UnknownKind,
    WorkJob,
    kinds_of,
)
from vmbackup_worker.conversation import Lease, Received

#: A job of each kind that is worked on.
WORK_JOBS = [job(), restore_job(), archive_job(), verify_job()]


def test_there_is_a_job_of_each_kind_that_is_worked_on() -> None:
    assert {next(iter(kinds_of(type(each)))) for each in WORK_JOBS} == kinds_of(WorkJob)


@pytest.mark.parametrize("asked", WORK_JOBS, ids=lambda each: type(each).__name__)
def test_a_job_of_each_kind_is_taken_up(bench: Bench, asked: WorkJob) -> None:
    bench.jobs.put("m1", asked, 1)
    bench.until(lambda: bench.desk.begun)
    bench.desk.begun[0].end()

    bench.until(lambda: bench.jobs.deleted == ["m1"])
    (told,) = bench.events.all()
    assert isinstance(told, Done)
    assert told.job_id == asked.job_id


def test_a_redelivered_done_job_is_answered_and_not_done_again(bench: Bench) -> None:
    bench.jobs.put("m1", job(), 1)
    bench.until(lambda: bench.desk.begun)
    bench.desk.begun[0].end()
    bench.until(lambda: bench.jobs.deleted)
    bench.jobs.put("m1", job(), 1, dequeues=2)

    bench.until(lambda: len(bench.jobs.deleted) > 1)
    assert bench.events.all() == [done(), done()]
    assert len(bench.desk.begun) == 1


def test_fresh_credentials_reach_the_running_job_and_their_message_takes_over(
    bench: Bench,
) -> None:
    bench.jobs.put("m1", job(), 1)
    bench.until(lambda: bench.desk.begun)
    bench.jobs.put("m2", job(sas="fresh"), 2)
    bench.until(lambda: bench.jobs.deleted == ["m1"])

    assert bench.desk.begun[0].renewed == [job(sas="fresh")]
    bench.desk.begun[0].end()
    bench.until(lambda: bench.jobs.deleted == ["m1", "m2"])


def test_fresh_ways_to_the_queues_are_taken_from_the_newest_message_only(bench: Bench) -> None:
    fresh = ConversationAccess("https://home/jobs?sig=2", "https://home/events?sig=2")
    stale = ConversationAccess("https://home/jobs?sig=1", "https://home/events?sig=1")
    bench.jobs.put("m2", msgspec.structs.replace(job(), conversation=fresh), 2)
    bench.until(lambda: bench.desk.begun)
    bench.jobs.put("m1", msgspec.structs.replace(job(), conversation=stale), 1)
    bench.until(lambda: bench.jobs.deleted)

    assert (bench.jobs.urls, bench.events.urls) == ([fresh.jobs_url], [fresh.events_url])
    bench.desk.begun[0].end()


def test_an_older_message_of_a_running_job_is_dropped(bench: Bench) -> None:
    bench.jobs.put("m2", job(sas="fresh"), 2)
    bench.until(lambda: bench.desk.begun)
    bench.jobs.put("m1", job(), 1)
    bench.until(lambda: bench.jobs.deleted == ["m1"])

    assert bench.desk.begun[0].renewed == []
    bench.desk.begun[0].end()


def test_a_job_whose_lease_was_lost_goes_on_and_takes_the_new_delivery(bench: Bench) -> None:
    bench.jobs.put("m1", job(), 1)
    bench.until(lambda: bench.desk.begun)
    bench.jobs.lost.add("m1")
    bench.jobs.put("m1-again", job(), 1, dequeues=2)
    bench.until(lambda: "m1-again" in bench.jobs.extended)

    bench.desk.begun[0].end()
    bench.until(lambda: "m1-again" in bench.jobs.deleted)
    assert len(bench.desk.begun) == 1


def test_a_message_that_cannot_be_read_does_not_fail_the_job_that_runs(bench: Bench) -> None:
    bench.jobs.put("m1", job(), 1)
    bench.until(lambda: bench.desk.begun)
    bench.jobs.put("m2", PermanentError("its blob is gone", reason="JobUnreadable"), 2)
    bench.until(lambda: "m2" in bench.jobs.deleted)

    assert bench.events.all() == []
    bench.jobs.put("m3", job(sas="fresh"), 3)
    bench.until(lambda: bench.desk.begun[0].renewed == [job(sas="fresh")])
    bench.desk.begun[0].end()
    bench.until(lambda: "m3" in bench.jobs.deleted)
    assert bench.events.all() == [done(3)]


def test_a_running_job_keeps_its_message_though_it_comes_again_unreadable(bench: Bench) -> None:
    bench.jobs.put("m1", job(), 1)
    bench.until(lambda: bench.desk.begun)
    bench.jobs.lost.add("m1")
    gone = PermanentError("its blob is gone", reason="JobUnreadable")
    bench.jobs.put("m1-again", gone, 1, dequeues=2)
    bench.until(lambda: "m1-again" in bench.jobs.extended)

    assert bench.events.all() == []
    bench.desk.begun[0].end()
    bench.until(lambda: "m1-again" in bench.jobs.deleted)
    assert bench.events.all() == [done()]


def test_a_done_job_is_answered_with_its_end_though_its_message_comes_again_unreadable(
    bench: Bench,
) -> None:
    bench.jobs.put("m1", job(), 1)
    bench.until(lambda: bench.desk.begun)
    bench.desk.begun[0].end()
    bench.until(lambda: bench.jobs.deleted)
    bench.jobs.put("m1-again", PermanentError("gone", reason="JobUnreadable"), 1, dequeues=2)

    bench.until(lambda: "m1-again" in bench.jobs.deleted)
    assert bench.events.all() == [done(), done()]


def test_credentials_that_cannot_be_taken_leave_the_job_with_the_ones_before(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.jobs.put("m1", job(), 1)
    bench.until(lambda: bench.desk.begun)
    bench.desk.begun[0].refuse = ValueError("Invalid URL: https:///c?sv=1&sig=secret")
    bench.jobs.put("m2", job(sas="fresh"), 2)
    bench.until(lambda: "m1" in bench.jobs.deleted)
    bench.desk.begun[0].end()

    bench.until(lambda: "m2" in bench.jobs.deleted)
    assert bench.events.all() == [done(2)]
    assert "secret" not in caplog.text


def test_a_job_of_an_unknown_kind_is_answered_by_its_name(bench: Bench) -> None:
    bench.jobs.put("m1", UnknownKind("teleport"), 1)
    bench.until(lambda: bench.jobs.deleted)

    (failed,) = bench.events.all()
    assert isinstance(failed, Failed)
    assert failed.reason == "UnknownKind"
    assert "teleport" in failed.message


def test_ways_to_the_queues_that_are_none_refuse_the_job_and_do_not_end_the_agent(
    bench: Bench,
) -> None:
    nowhere = ConversationAccess("nowhere?sig=secret", "https://home/events?sig=2")
    bench.jobs.put("m1", msgspec.structs.replace(job(), conversation=nowhere), 1)
    bench.until(lambda: bench.jobs.deleted)

    (failed,) = bench.events.all()
    assert isinstance(failed, Failed)
    assert (failed.reason, failed.transient) == ("BadMessage", False)
    assert bench.thread.is_alive()
    assert bench.desk.begun == []


def test_ways_that_are_none_change_nothing_about_the_job_that_runs(bench: Bench) -> None:
    bench.jobs.put("m1", job(), 1)
    bench.until(lambda: bench.desk.begun)
    nowhere = ConversationAccess("nowhere?sig=secret", "https://home/events?sig=2")
    spoilt = msgspec.structs.replace(job(sas="fresh"), conversation=nowhere)
    bench.jobs.put("m2", spoilt, 2)
    bench.until(lambda: "m2" in bench.jobs.deleted)

    assert bench.desk.begun[0].renewed == []
    bench.desk.begun[0].end()
    bench.until(lambda: "m1" in bench.jobs.deleted)
    assert bench.events.all() == [done()]


def test_a_job_under_another_id_than_its_own_is_refused(bench: Bench) -> None:
    received = Received(Header("job", WORKER, JOB, 1), job("another"), Lease("m1", "receipt", 1))
    bench.jobs.waiting.append(received)
    bench.until(lambda: bench.jobs.deleted)

    (failed,) = bench.events.all()
    assert isinstance(failed, Failed)
    assert (failed.job_id, failed.reason, failed.answers) == (JOB, "BadMessage", 1)
