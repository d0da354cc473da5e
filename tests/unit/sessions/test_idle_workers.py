"""Workers that nobody needs: stopped, and deleted after their idle time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Literal, get_args

import pytest

from tests.worlds.memory_azure import APPLIANCE, AWAY, SUBSCRIPTION
from tests.worlds.memory_world import World
from tests.worlds.samples import KEY, session_of
from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import WorkerId
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.session_findings import SessionWorker
from vmbackup_operator.naming import ArmId, environment_names
from vmbackup_operator.ownership import OWNER_TAG
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.sessions.idling import HANDOVER, IdleWorkers, WorkerGroup, fate
from vmbackup_operator.sessions.keys import ApplianceKey, KeyRing
from vmbackup_operator.sessions.seen import WorkerSeen, WorkerState

HOUR = timedelta(hours=1)


async def groups() -> list[WorkerGroup]:
    names = environment_names(APPLIANCE, SUBSCRIPTION, AWAY)
    return [WorkerGroup(SUBSCRIPTION, names.resource_group)]


async def have_gone(world: World, idle: IdleWorkers) -> None:
    """Look after idle workers until those that may go have gone: Azure takes its time."""
    for _ in range(6):
        await idle.reconcile()
        world.clock.turn(60)


async def test_an_idle_worker_is_deleted_with_its_queue_after_its_time(world: World) -> None:
    await world.run()
    idle = IdleWorkers(world.ground, groups)
    await idle.reconcile()
    assert len(world.azure.workers) == 1

    world.clock.turn(3700)
    await have_gone(world, idle)

    assert world.azure.workers == {}
    assert not [name for _, name in world.azure.queues if "jobs" in name]


async def again_in(idle: IdleWorkers) -> timedelta:
    """Look, and return how soon the next look is."""
    outcome = await idle.reconcile()
    assert isinstance(outcome, Waiting)
    return timedelta(seconds=outcome.seconds)


async def test_what_is_begun_is_looked_at_again_soon(world: World) -> None:
    await world.run()
    idle = IdleWorkers(world.ground, groups)
    world.clock.turn(3700)

    assert await again_in(idle) < timedelta(minutes=1)
    assert world.azure.workers


async def test_from_a_workers_idle_time_to_its_end_there_are_a_few_looks_and_then_one_a_day(
    world: World,
) -> None:
    """Between them Azure is asked nothing: nothing is expected, and a session's change is told."""
    await world.run()
    idle = IdleWorkers(world.ground, groups)
    began, looks = world.clock.now(), 0
    while (pause := await again_in(idle)) < timedelta(days=1):
        looks += 1
        world.clock.turn(pause.total_seconds())

    assert world.azure.workers == {}
    assert looks <= 6
    assert world.clock.now() - began < HOUR + timedelta(minutes=15)


async def test_a_worker_that_is_kept_is_looked_at_when_its_time_comes(world: World) -> None:
    await world.run()
    ((vm_id, worker),) = world.azure.workers.items()
    world.azure.workers[vm_id] = replace(worker, state="running", changed_at=world.clock.now())
    idle = IdleWorkers(world.ground, groups)

    pause = await again_in(idle)
    world.clock.turn(pause.total_seconds())
    await idle.reconcile()

    assert HANDOVER < pause < HANDOVER + timedelta(seconds=5)
    assert world.azure.workers[vm_id].state != "running"


@pytest.mark.parametrize("state", ["creating", "starting", "deallocating", "deleting"])
async def test_a_worker_that_something_is_under_way_with_is_looked_at_again(
    world: World, state: WorkerState
) -> None:
    await world.run()
    ((vm_id, worker),) = world.azure.workers.items()
    world.azure.workers[vm_id] = replace(worker, state=state)

    assert await again_in(IdleWorkers(world.ground, groups)) <= HANDOVER


async def test_of_one_that_a_session_has_the_session_tells_when_that_changes(world: World) -> None:
    await world.run_until("WorkerReady")
    world.clock.turn(7200)
    idle = IdleWorkers(world.ground, groups)

    assert await again_in(idle) >= timedelta(days=1)

    stirs = world.stirs
    await world.run()
    assert world.stirs > stirs


async def test_what_a_stranger_started_is_stopped_within_a_day(world: World) -> None:
    await world.run()
    ((vm_id, worker),) = world.azure.workers.items()
    idle = IdleWorkers(world.ground, groups)
    while (pause := await again_in(idle)) < timedelta(days=1):
        world.clock.turn(pause.total_seconds())
    assert world.azure.workers == {}
    world.azure.workers[vm_id] = replace(worker, state="running", changed_at=world.clock.now())

    world.clock.turn(pause.total_seconds())
    await idle.reconcile()

    assert world.azure.workers[vm_id].state != "running"


async def test_at_a_start_an_idle_worker_waits_for_the_home_region_and_not_for_the_next_round(
    world: World,
) -> None:
    """What the home region is was not looked at yet; its queues could not be found without."""
    await world.run()
    world.clock.turn(3700)
    world.start()
    world.azure.regions.clear()
    idle = IdleWorkers(world.ground, groups)

    first = await idle.reconcile()
    assert isinstance(first, Waiting)
    assert first.seconds < 60
    assert world.azure.workers
    for _ in range(5):
        await idle.reconcile()

    assert world.azure.workers == {}


async def test_a_worker_that_serves_a_session_is_left_alone(world: World) -> None:
    await world.run_until("WorkerReady")
    world.clock.turn(7200)

    await IdleWorkers(world.ground, groups).reconcile()

    assert [each.state for each in world.azure.workers.values()] == ["running"]


async def test_after_an_idle_workers_end_the_next_session_launches_another(world: World) -> None:
    await world.run()
    first = world.status().worker
    world.clock.turn(3700)
    await have_gone(world, IdleWorkers(world.ground, groups))
    key = ObjectKey("team", "next")
    world.sessions.put(session_of(key))
    await world.run(key)

    second = world.status(key).worker
    assert isinstance(first, SessionWorker)
    assert isinstance(second, SessionWorker)
    assert first.id != second.id
    assert world.status(key).outcome == "Succeeded"
    assert KEY in world.sessions.stored


@pytest.mark.parametrize(
    ("state", "idle", "expected"),
    [
        ("deallocated", timedelta(minutes=59), "keep"),
        ("deallocated", timedelta(minutes=61), "delete"),
        ("running", timedelta(minutes=9), "keep"),
        ("running", timedelta(minutes=11), "stop"),
        ("failed", timedelta(0), "delete"),
        ("starting", timedelta(days=1), "keep"),
    ],
)
def test_what_becomes_of_a_worker(
    world: World,
    state: WorkerState,
    idle: timedelta,
    expected: Literal["keep", "stop", "delete"],
) -> None:
    now = world.clock.now()
    worker = WorkerSeen(ArmId("/w"), WorkerId("w"), state, now - idle)

    assert fate(worker, now, HOUR) == expected


async def test_a_region_that_refuses_leaves_no_other_regions_workers_running(
    world: World,
) -> None:
    await world.run()
    world.clock.turn(3700)

    async def two() -> list[WorkerGroup]:
        return [WorkerGroup(SUBSCRIPTION, "refuses"), *await groups()]

    of_group = world.ground.workers.of_group

    async def refuse_one(subscription_id: str, resource_group: str) -> Sequence[WorkerSeen]:
        if resource_group == "refuses":
            raise PermanentError("listing workers: AuthorizationFailed", reason="NotAuthorized")
        return await of_group(subscription_id, resource_group)

    world.ground.workers.of_group = refuse_one  # type: ignore[method-assign]  # a refusal of Azure
    await have_gone(world, IdleWorkers(world.ground, two))

    assert world.azure.workers == {}
    assert await again_in(IdleWorkers(world.ground, two)) <= timedelta(minutes=5)


async def test_an_idle_worker_is_sealed_by_the_newest_key(world: World) -> None:
    await world.run()
    old, new = world.ring.active, ApplianceKey("k2", b"2" * 32)
    world.ring = KeyRing(new, {old.id: old, new.id: new})
    world.start()
    idle = IdleWorkers(world.ground, groups)

    await idle.reconcile()

    ((vm_id, tags),) = world.azure.worker_tags.items()
    assert tags[OWNER_TAG].startswith("1 k2 ")
    assert [what for what in world.azure.order if what.startswith("seal ")] != []
    written = world.azure.asked.copy()
    await idle.reconcile()
    assert world.azure.asked == written
    assert vm_id in world.azure.workers


async def test_a_worker_whose_key_is_missing_is_left_alone_and_named(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await world.run()
    written = world.azure.asked.copy()
    new = ApplianceKey("k2", b"2" * 32)
    world.ring = KeyRing(new, {new.id: new})
    world.start()
    world.clock.turn(24 * 3600)

    await IdleWorkers(world.ground, groups).reconcile()

    (worker,) = world.azure.workers.values()
    assert world.azure.asked == written
    assert f"worker {worker.id} is left alone: " in caplog.text
    assert "key 'k1'" in caplog.text


async def test_how_many_workers_are_in_each_state_is_told_as_one_last_looked(world: World) -> None:
    idle = IdleWorkers(world.ground, groups)
    before = idle.states()
    await world.run()
    await idle.reconcile()
    looked = idle.states()
    world.clock.turn(3700)
    await have_gone(world, idle)

    gone = idle.states()
    assert before is None
    assert looked == {**dict.fromkeys(get_args(WorkerState), 0), "deallocated": 1}
    assert gone == dict.fromkeys(get_args(WorkerState), 0)


async def test_workers_of_a_group_that_is_no_more_are_not_told(world: World) -> None:
    there = await groups()

    async def some() -> list[WorkerGroup]:
        return there

    idle = IdleWorkers(world.ground, some)
    await world.run()
    await idle.reconcile()
    there = []
    await idle.reconcile()

    assert idle.states() == dict.fromkeys(get_args(WorkerState), 0)
