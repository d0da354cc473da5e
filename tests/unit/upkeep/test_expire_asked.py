"""What Expire is decided by: live rules, runs that are busy, and sights of the log."""

from __future__ import annotations

import sys
import threading
from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.worlds.memory_policies import MemoryPolicies, policy
from tests.worlds.memory_upkeep import MemoryUpkeepJobs, UpkeepWorld, has
from tests.worlds.samples import VM, session_of
from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_core.ids import RunId
from vmbackup_core.retention.in_force import LiveRule
from vmbackup_operator.model.backup_policy import BackupPolicy, StandingRetention
from vmbackup_operator.model.backup_repository import StandingDelay
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.references import ObjectReference
from vmbackup_operator.model.retention import Retention
from vmbackup_operator.model.session_findings import Resolved
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.sessions.book import SessionBook
from vmbackup_operator.sessions.undo_record import UndoRecord
from vmbackup_operator.upkeep.ports import JobAsked

RUN = RunId("a" * 32)
OTHER = RunId("b" * 32)


def asked_of(jobs: MemoryUpkeepJobs, job: str) -> JobAsked:
    return next(each for each in reversed(jobs.asked) if each.job == job)


def put(policies: MemoryPolicies, name: str, namespace: str = "team", **spec: object) -> None:
    wanted = policy(ArmId(VM))
    wanted = replace(wanted, spec=replace(wanted.spec, **spec))
    metadata = replace(wanted.metadata, name=name, namespace=namespace, uid=f"{namespace}-{name}")
    policies.put(replace(wanted, metadata=metadata))


def seen(world: UpkeepWorld, name: str, since: timedelta) -> None:
    """Have the policy's retention stand since so long ago."""
    key = ObjectKey("team", name)
    stored: BackupPolicy = world.policies.stored[key]
    standing = StandingRetention(stored.spec.retention, world.clock.now() - since)
    status = replace(stored.status, retention=standing)
    world.policies.store(replace(stored, status=status))


async def run(world: UpkeepWorld) -> None:
    world.annotate(upkeep="now")
    await world.settle()


async def test_expire_knows_the_live_policies_of_this_repository_in_all_namespaces(
    world: UpkeepWorld,
) -> None:
    put(world.policies, "nightly", retention=Retention(last=3, daily=2))
    put(world.policies, "weekly", "poor", repository_ref=ObjectReference("repo", "team"))
    put(world.policies, "elsewhere", repository_ref=ObjectReference("other"))
    put(world.policies, "namesake", "poor")
    seen(world, "nightly", timedelta(days=9))
    await run(world)

    rules = asked_of(world.jobs, "Expire").rules
    assert set(rules) == {("team", "nightly"), ("poor", "weekly")}
    nightly: LiveRule = rules["team", "nightly"]
    assert (nightly.retention.last, nightly.retention.daily) == (3, 2)
    assert nightly.since == world.clock.now() - timedelta(days=9)


async def test_a_retention_that_was_edited_just_now_stands_since_now(world: UpkeepWorld) -> None:
    put(world.policies, "nightly")
    seen(world, "nightly", timedelta(days=9))
    key = ObjectKey("team", "nightly")
    edited = replace(world.policies.stored[key].spec, retention=Retention(last=1))
    world.policies.put(replace(world.policies.stored[key], spec=edited))
    await run(world)

    rule = asked_of(world.jobs, "Expire").rules["team", "nightly"]
    assert (rule.retention.last, rule.since) == (1, world.clock.now())
    ((before, until),) = [(each.retention.last, each.until) for each in rule.before]
    assert (before, until) == (7, world.clock.now())


@pytest.mark.parametrize(
    "trouble",
    [
        TransientError("503"),
        PermanentError("BackupPolicy team/x is not as its schema says", reason="UnreadableObject"),
    ],
    ids=["not now", "not at all"],
)
async def test_policies_that_cannot_be_listed_are_never_taken_for_gone(
    world: UpkeepWorld, trouble: Exception
) -> None:
    world.live.trouble = trouble
    await run(world)
    await world.pass_time(3000)
    await world.pass_time(3000)

    assert "Expire" not in world.jobs.jobs()
    assert world.record("Expire").outcome == "Failed"
    assert str(trouble) in world.record("Expire").message
    assert "Prune" in world.jobs.jobs()


async def test_the_delay_is_the_repositorys(world: UpkeepWorld) -> None:
    world.edit(retention_change_delay_days=9)
    await run(world)

    assert asked_of(world.jobs, "Expire").retention_delay == timedelta(days=9)


async def test_a_shorter_delay_waits_as_long_as_the_one_before(world: UpkeepWorld) -> None:
    """Else whoever shortens a retention shortens the delay with it."""
    await world.settle()

    async def asked_after(days: int) -> int:
        await world.pass_time(days * 24 * 3600)
        return asked_of(world.jobs, "Expire").retention_delay.days

    world.edit(retention_change_delay_days=2)
    assert await asked_after(1) == 7
    world.edit(retention_change_delay_days=0)
    assert await asked_after(6) == 7
    assert await asked_after(2) == 0


async def test_a_delay_that_was_first_seen_ahead_of_now_is_seen_anew(world: UpkeepWorld) -> None:
    await world.settle()
    now = world.clock.now()
    ahead = StandingDelay(0, now + timedelta(days=400), held_days=365)
    maintenance = replace(world.maintenance, retention_change_delay=ahead)
    stored = world.repository
    status = replace(stored.status, maintenance=maintenance)
    world.repositories.store(replace(stored, status=status))
    await run(world)

    standing = world.maintenance.retention_change_delay
    assert standing is not None
    assert standing.since <= world.clock.now()


def session(run_id: RunId | None, version: int) -> BackupSession:
    made = session_of(ObjectKey("team", "one"))
    metadata = replace(made.metadata, resource_version=str(version))
    return replace(made, metadata=metadata, status=replace(made.status, run_id=run_id))


async def test_runs_of_unfinished_sessions_and_of_undo_records_are_busy(
    world: UpkeepWorld,
) -> None:
    world.records.stored["x"] = UndoRecord(
        ObjectKey("team", "gone"), "uid", OTHER, VM, Resolved(), 3
    )
    await run(world)
    busy = asked_of(world.jobs, "Expire").busy_runs
    assert has(busy, OTHER)
    assert not has(busy, RUN)

    # A run that began since the job was asked for may have a commit by now.
    world.book.note(session(RUN, 1))
    assert has(busy, RUN)


async def test_no_job_begins_before_all_sessions_are_known(world: UpkeepWorld) -> None:
    world.taken_in = False
    world.annotate(upkeep="now")
    answer = await world.look()

    assert isinstance(answer, Waiting)
    assert answer.seconds > 0
    assert world.jobs.asked == []

    world.taken_in = True
    await world.settle()
    assert "Expire" in world.jobs.jobs()


def test_a_run_stays_busy_while_its_session_is_noted_anew() -> None:
    """A job asks from its thread, at any moment."""
    book = SessionBook()
    book.note(session(RUN, 1))
    missed: list[int] = []
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            if not book.has_run(RUN):
                missed.append(1)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread = threading.Thread(target=ask)
    thread.start()
    try:
        for version in range(2, 3000):
            book.note(session(RUN, version))
    finally:
        ended.set()
        thread.join()
        sys.setswitchinterval(before)

    assert missed == []


async def test_the_log_that_was_read_is_written_down_with_its_time(world: UpkeepWorld) -> None:
    await run(world)
    (sight,) = world.maintenance.sights
    assert (sight.number, sight.time) == (7, world.clock.now())

    world.jobs.number = 9
    world.clock.turn(24 * 3600)
    await world.settle()
    assert asked_of(world.jobs, "Expire").sights == (sight,)
    assert [each.number for each in world.maintenance.sights] == [7, 9]


async def test_a_log_that_cannot_be_told_of_yet_is_waited_for(world: UpkeepWorld) -> None:
    world.jobs.troubles["log"] = Waiting(2, "the repository is at work")
    await run(world)
    assert world.outcomes() == {"Catalog": "Succeeded"}
    pieces = len(world.jobs.done)

    world.jobs.troubles.clear()
    await world.settle()
    assert world.jobs.done[pieces][0] == "Prune"
    assert world.record("Expire").outcome == "Succeeded"
