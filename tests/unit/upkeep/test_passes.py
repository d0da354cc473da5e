"""When a pass begins, what it does in which order, and what status says of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from msgspec.structs import replace

from tests.worlds.memory_cluster import ready_repository
from tests.worlds.memory_upkeep import REPOSITORY, UpkeepWorld
from vmbackup_core.errors import CorruptRepository, PermanentError, TransientError
from vmbackup_operator.reconciling.outcome import Done, Waiting
from vmbackup_operator.upkeep.occasions import JITTER_S, occasion_of
from vmbackup_operator.upkeep.passes import ORDER
from vmbackup_operator.upkeep.ports import Job, JobDone

ALL = list(get_args(Job))
SLOT = datetime(2026, 11, 22, 2, 30, tzinfo=UTC)


async def test_a_pass_takes_all_jobs_in_their_order_at_the_schedules_slot(
    world: UpkeepWorld,
) -> None:
    assert world.jobs.jobs() == []

    await world.pass_night()

    assert world.jobs.jobs() == ALL
    assert world.outcomes() == dict.fromkeys(ORDER, "Succeeded")
    assert world.record("Prune").message == "3 chains looked at"
    assert world.maintenance.running is None
    assert world.maintenance.message == ""


async def test_it_is_asked_for_once_and_the_next_one_is_said(world: UpkeepWorld) -> None:
    due = world.maintenance.next_time
    assert due is not None
    assert SLOT <= due <= SLOT + timedelta(seconds=JITTER_S)

    await world.pass_night()

    assert world.maintenance.next_time == due + timedelta(days=1)
    assert world.maintenance.last_slot == SLOT


async def test_nothing_is_written_and_no_repository_asked_between_passes(
    world: UpkeepWorld,
) -> None:
    await world.pass_time(3 * 3600)
    writes, asked = world.repositories.writes, len(world.jobs.asked)

    for _ in range(20):
        await world.look()
    await world.pass_time(3600)

    assert (world.repositories.writes, len(world.jobs.asked)) == (writes, asked)


async def test_between_passes_it_is_looked_at_when_the_next_one_is_due(
    world: UpkeepWorld,
) -> None:
    due = world.maintenance.next_time
    assert due is not None

    assert await world.settle() == (due - world.clock.now()).total_seconds()


def test_repositories_begin_at_their_own_moments() -> None:
    starts = set()
    for uid in range(20):
        world = UpkeepWorld()
        metadata = replace(world.repository.metadata, uid=f"uid-{uid}")
        repository = replace(world.repository, metadata=metadata)
        starts.add(occasion_of(repository, world.clock.now()).maintenance.next_time)

    assert len(starts) > 15


async def test_a_slot_that_passed_while_nobody_looked_is_caught_up_with_once(
    world: UpkeepWorld,
) -> None:
    world.clock.turn(5 * 24 * 3600)

    await world.settle()
    await world.pass_time(1200)

    assert world.jobs.jobs() == ALL


async def test_an_edit_of_the_schedule_makes_no_earlier_slot_due(world: UpkeepWorld) -> None:
    await world.pass_night()
    world.edit(schedule="0 1 * * *")
    await world.pass_time(3600)

    assert world.jobs.jobs() == ALL


async def test_another_value_of_the_annotation_begins_a_pass_now(world: UpkeepWorld) -> None:
    world.annotate(upkeep="now")
    await world.settle()

    assert world.jobs.jobs() == ALL
    assert world.maintenance.handled_upkeep == "now"

    await world.settle()
    assert world.jobs.jobs() == ALL

    world.annotate()
    await world.settle()
    assert world.jobs.jobs() == ALL
    world.annotate(upkeep="now")
    await world.settle()
    assert world.jobs.jobs() == [*ALL, *(job for job in ALL if job != "Check")]


async def test_one_that_comes_while_a_pass_runs_has_its_own_afterwards(world: UpkeepWorld) -> None:
    world.annotate(upkeep="1")
    await world.look()
    world.annotate(upkeep="2")
    await world.settle()

    assert world.jobs.jobs().count("Prune") == 2


async def test_check_comes_only_after_its_days(world: UpkeepWorld) -> None:
    world.edit(check_every_days=3)
    for _ in range(7):
        await world.pass_night()

    assert world.jobs.jobs().count("Prune") == 7
    assert world.jobs.jobs().count("Check") == 3


async def test_a_check_that_failed_comes_again_in_the_next_pass(world: UpkeepWorld) -> None:
    world.jobs.troubles["Check"] = PermanentError("no", reason="NotAuthorized")
    await world.pass_night()
    world.jobs.troubles.clear()
    await world.pass_night()

    assert world.record("Check").outcome == "Succeeded"


async def test_findings_are_said_with_an_event_for_each(world: UpkeepWorld) -> None:
    world.jobs.finds["Check"] = JobDone("2 packs are gone", findings=True, events=("a", "b"))
    await world.pass_night()

    assert world.record("Check").outcome == "Findings"
    assert world.record("Check").message == "2 packs are gone"
    assert world.record("Check").last_success_time == world.record("Check").end_time
    assert world.events.told == [
        ("Warning", "UpkeepFindings", "Check: a"),
        ("Warning", "UpkeepFindings", "Check: b"),
    ]


async def test_a_pass_without_findings_tells_no_events(world: UpkeepWorld) -> None:
    await world.pass_night()

    assert world.events.told == []


async def test_what_fails_for_now_is_tried_for_an_hour_and_then_left(world: UpkeepWorld) -> None:
    world.jobs.troubles["Prune"] = TransientError("reading chain a: 503")
    due = world.maintenance.next_time
    assert due is not None
    await world.pass_time((due - world.clock.now()).total_seconds())
    running = world.maintenance.running
    assert running is not None
    assert running.job == "Prune"
    assert running.trouble_since == world.clock.now()
    assert "503" in running.message
    writes = world.repositories.writes

    await world.pass_time(3500)
    assert world.maintenance.running == running
    assert world.repositories.writes == writes

    await world.pass_time(200)
    assert world.outcomes() == dict.fromkeys(ORDER, "Succeeded") | {"Prune": "Failed"}
    assert "an hour" in world.record("Prune").message
    assert "503" in world.record("Prune").message
    assert [reason for _, reason, _ in world.events.told] == ["UpkeepFailed"]


async def test_what_comes_further_in_between_is_not_given_up(world: UpkeepWorld) -> None:
    world.annotate(upkeep="now")
    for _ in range(4):
        await world.look()
    for _ in range(4):
        world.jobs.troubles["Expire"] = TransientError("503")
        await world.pass_time(2000)
        world.jobs.troubles.clear()
        await world.look()

    assert "Failed" not in world.outcomes().values()


@pytest.mark.parametrize(
    "error",
    [
        PermanentError("no", reason="NotAuthorized"),
        CorruptRepository("pack 7: 3 bytes"),
        ZeroDivisionError(),
    ],
    ids=["refused", "damaged", "a mistake of ours"],
)
async def test_what_fails_for_good_is_said_and_the_pass_goes_on(
    world: UpkeepWorld, error: Exception
) -> None:
    world.jobs.troubles["Lists"] = error
    await world.pass_night()

    assert world.record("Lists").outcome == "Failed"
    assert str(error) in world.record("Lists").message or "InternalError" in str(
        world.record("Lists").message
    )
    assert world.record("Check").outcome == "Succeeded"


async def test_expire_rests_on_catalog_and_nothing_else_does(world: UpkeepWorld) -> None:
    """A point that was put and not logged looks like none until Catalog has recorded it."""
    world.jobs.troubles["Catalog"] = PermanentError("no", reason="NotAuthorized")
    await world.pass_night()

    assert world.jobs.jobs() == ["Prune", "Lists", "Check"]
    assert world.record("Expire").outcome == "Left"
    assert "Catalog" in world.record("Expire").message
    assert [reason for _, reason, _ in world.events.told] == ["UpkeepFailed"]

    world.jobs.troubles.clear()
    await world.pass_night()
    assert world.record("Expire").outcome == "Succeeded"


@pytest.mark.parametrize(
    ("reason", "done"),
    [
        ("HistoryRolledBack", ["Catalog", "Lists", "Check"]),
        ("ReadOnly", ["Check"]),
    ],
)
async def test_nothing_is_deleted_where_the_repository_does_not_allow_it(
    world: UpkeepWorld, reason: str, done: list[str]
) -> None:
    world.say_ready(reason)
    await world.pass_night()

    assert world.jobs.jobs() == done
    left = {job for job, outcome in world.outcomes().items() if outcome == "Left"}
    assert left >= {"Expire", "Prune"}
    assert all(world.record(job).message for job in ("Expire", "Prune"))
    assert world.events.told == []


async def test_a_history_that_is_lost_on_the_way_leaves_what_deletes(world: UpkeepWorld) -> None:
    """The condition may be older than what the job finds."""
    world.jobs.put_back_to = ready_repository().status.log
    world.jobs.troubles["Prune"] = PermanentError("put back", reason="HistoryRolledBack")
    await world.pass_night()

    assert world.record("Prune").outcome == "Left"
    assert world.events.told == []


async def test_no_pass_begins_where_the_repository_is_not_ready(world: UpkeepWorld) -> None:
    world.say_ready("KeyMismatch", ready=False)
    await world.pass_night()

    assert world.jobs.asked == []
    assert "Ready" in world.maintenance.message

    world.say_ready("Ready")
    await world.settle()
    assert world.jobs.jobs() == ALL
    assert world.maintenance.message == ""


async def test_a_pass_ends_where_the_repository_is_not_ready_for_an_hour(
    world: UpkeepWorld,
) -> None:
    world.annotate(upkeep="now")
    await world.look()
    world.say_ready("KeyMismatch", ready=False)
    asked = len(world.jobs.asked)
    await world.pass_time(1500)
    assert world.maintenance.running is not None

    await world.pass_time(2400)
    assert world.maintenance.running is None
    assert world.record("Catalog").outcome == "Failed"
    assert "KeyMismatch" in world.record("Catalog").message
    assert len(world.jobs.asked) == asked


async def test_suspended_nothing_begins_and_nothing_is_caught_up_with(world: UpkeepWorld) -> None:
    world.edit(suspend=True)
    await world.pass_night()
    world.annotate(upkeep="now")
    await world.settle()

    assert world.jobs.asked == []
    assert "suspend" in world.maintenance.message
    assert world.maintenance.next_time is None

    world.edit(suspend=False)
    await world.pass_time(1200)
    assert world.jobs.asked == []
    assert world.maintenance.message == ""


async def test_suspended_in_the_middle_a_pass_pauses_and_goes_on(world: UpkeepWorld) -> None:
    world.annotate(upkeep="now")
    for _ in range(5):
        await world.look()
    done = list(world.jobs.done)
    world.edit(suspend=True)
    await world.pass_night()
    assert world.jobs.done == done
    assert world.maintenance.running is not None

    world.edit(suspend=False)
    await world.settle()
    assert world.jobs.jobs() == ALL


async def test_a_pause_is_no_hour_of_trying(world: UpkeepWorld) -> None:
    world.jobs.troubles["Prune"] = TransientError("503")
    world.annotate(upkeep="now")
    await world.pass_time(600)
    world.edit(suspend=True)
    await world.pass_time(3 * 3600)
    world.edit(suspend=False)
    await world.settle()
    assert "Prune" not in world.outcomes()

    world.jobs.troubles.clear()
    await world.settle()
    assert world.record("Prune").outcome == "Succeeded"


async def test_a_job_that_takes_hours_is_asked_for_calmly(world: UpkeepWorld) -> None:
    world.jobs.troubles["Check"] = Waiting(2, "chain b: 40 %")
    world.annotate(upkeep="now")
    await world.pass_time(3 * 3600)
    asked, writes = len(world.jobs.asked), world.repositories.writes

    await world.pass_time(3600)

    assert len(world.jobs.asked) - asked <= 130
    assert world.repositories.writes == writes
    assert world.maintenance.running is not None
    assert world.maintenance.running.message == "chain b: 40 %"


async def test_no_repository_of_another_appliance_or_of_nobody_is_kept_up(
    world: UpkeepWorld,
) -> None:
    for owner in (None, "somebody-else"):
        status = replace(ready_repository().status, appliance_id=owner)
        world.repositories.store(replace(world.repository, status=status))
        world.annotate(upkeep=str(owner))

        assert await world.look() == Done()


async def test_a_repository_that_goes_is_left_alone(world: UpkeepWorld) -> None:
    world.annotate(upkeep="now")
    await world.look()
    world.repositories.request_deletion(REPOSITORY)

    assert await world.look() == Done()


async def test_times_ahead_of_now_are_not_believed(world: UpkeepWorld) -> None:
    await world.pass_night()
    ahead = world.clock.now() + timedelta(days=400)
    maintenance = world.maintenance
    assert maintenance.rule is not None
    wrong = replace(maintenance, last_slot=ahead, rule=replace(maintenance.rule, since=ahead))
    status = replace(world.repository.status, maintenance=wrong)
    world.repositories.store(replace(world.repository, status=status))

    await world.settle()
    next_time = world.maintenance.next_time
    assert next_time is not None
    assert next_time <= world.clock.now() + timedelta(days=1, seconds=JITTER_S)
    await world.pass_night()
    assert world.jobs.jobs().count("Prune") == 2


async def test_the_other_fields_of_the_status_stay(world: UpkeepWorld) -> None:
    before = world.repository.status
    await world.pass_night()

    assert replace(world.repository.status, maintenance=before.maintenance) == before
