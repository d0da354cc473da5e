"""How the agent ends, told or by a signal, and what an end that can't be told leaves."""

from __future__ import annotations

import msgspec

from tests.unit.worker.agent_at_work import JOB, Bench, done
from tests.unit.worker.sample_jobs import job
from vmbackup_core.ids import JobId
from vmbackup_core.protocol import (
    ConversationAccess,
    Failed,
    Shutdown,
)


def test_an_end_that_cannot_be_told_keeps_the_message_until_it_can(bench: Bench) -> None:
    bench.jobs.put("m1", job(), 1)
    bench.until(lambda: bench.desk.begun)
    bench.events.broken = 3
    bench.desk.begun[0].end()

    bench.until(lambda: bench.events.broken == 0 and bench.jobs.deleted)
    assert bench.events.all() == [done()]


def test_an_end_that_cannot_be_told_does_not_keep_fresh_ways_to_the_queues_from_coming(
    bench: Bench,
) -> None:
    bench.jobs.put("m1", job(), 1)
    bench.until(lambda: bench.desk.begun)
    bench.events.broken = 1_000_000  # the events queue's SAS has expired
    bench.desk.begun[0].end()
    bench.until(lambda: bench.events.broken < 999_999)
    fresh = ConversationAccess("https://home/jobs?sig=2", "https://home/events?sig=2")
    bench.jobs.put("m2", msgspec.structs.replace(job(), conversation=fresh), 2)
    bench.until(lambda: bench.events.urls == [fresh.events_url])
    bench.events.broken = 0

    bench.until(lambda: "m2" in bench.jobs.deleted)
    assert bench.events.all() == [done(2)]


def test_a_signal_gives_the_job_back_and_tells_nothing(bench: Bench) -> None:
    bench.jobs.put("m1", job(), 1)
    bench.until(lambda: bench.desk.begun)

    bench.leave()
    assert bench.jobs.given_back == ["m1"]
    assert (bench.jobs.deleted, bench.events.all()) == ([], [])


def test_shutdown_tells_of_what_it_gave_up_and_ends_the_agent(bench: Bench) -> None:
    bench.jobs.put("m1", job(), 1)
    bench.until(lambda: bench.desk.begun)
    bench.jobs.put("m2", Shutdown(JobId("r-shutdown")), 1)
    bench.thread.join(60)

    (failed,) = bench.events.all()
    assert isinstance(failed, Failed)
    assert (failed.job_id, failed.reason, failed.transient) == (JOB, "ShutDown", True)
    assert bench.jobs.deleted == ["m1", "m2"]
    assert not bench.thread.is_alive()


def test_a_shutdown_that_cannot_be_told_whole_is_told_the_next_time(bench: Bench) -> None:
    bench.jobs.put("m1", job(), 1)
    bench.jobs.put("m2", job("other"), 1)
    bench.until(lambda: bench.jobs.extended >= {"m1", "m2"})
    bench.events.broken_after = 1
    bench.jobs.put("s1", Shutdown(JobId("r-shutdown")), 1)
    bench.until(lambda: bench.events.broke)
    assert bench.thread.is_alive()
    bench.jobs.put("s1", Shutdown(JobId("r-shutdown")), 1, dequeues=2)

    bench.thread.join(60)
    assert not bench.thread.is_alive()
    assert {"m1", "m2", "s1"} <= set(bench.jobs.deleted)
    assert [type(event) for event in bench.events.all()] == [Failed, Failed]


def test_a_message_that_is_lost_at_the_end_keeps_no_other_from_being_given_back() -> None:
    bench = Bench()
    bench.thread.start()
    bench.jobs.put("m1", job(), 1)
    bench.jobs.put("m2", job("other"), 1)
    bench.until(lambda: bench.jobs.extended >= {"m1", "m2"})
    bench.jobs.lost.add("m1")
    bench.leave()

    assert bench.jobs.given_back == ["m2"]
