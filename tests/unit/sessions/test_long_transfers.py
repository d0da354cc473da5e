"""Transfers that take longer than anything that they are given lasts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from tests.worlds.samples import KEY, session_of
from tests.worlds.slow_agents import RENEWAL_S, SlowWorld
from vmbackup_operator.naming import ArmId
from vmbackup_operator.sessions.ground import Pacing

DAYS = 24 * 3600.0


def world_of(transfer_s: float) -> SlowWorld:
    world = SlowWorld(transfer_s=transfer_s)
    world.sessions.put(session_of())
    return world


def grants(world: SlowWorld) -> Counter[str]:
    """Return how often access to each snapshot was granted."""
    return Counter(what for what in world.azure.order if what.startswith("grant "))


async def test_a_transfer_of_three_days_is_granted_access_again_and_again() -> None:
    world = world_of(3 * DAYS)

    await world.run_for_days()

    status = world.status()
    assert (status.outcome, status.attempt, status.errors) == ("Succeeded", 1, ())
    # Six hours each, renewed with a quarter left: once, and again every 4.5 hours of 72, the last
    # time at the very end or not. The job is sent with each renewal of the way to the repository,
    # which lasts an hour.
    assert set(grants(world).values()) <= {15, 16}
    assert 90 <= len({sequence for _, sequence, _ in world.jobs}) < 100
    assert world.gaps_s
    assert max(world.gaps_s) < RENEWAL_S / 2
    assert world.azure.sas == {}


async def test_no_sas_that_a_worker_holds_ends_by_time() -> None:
    world = world_of(2 * DAYS)
    seen: list[timedelta] = []

    def meet(what: str) -> None:
        if what.startswith("before revoke ") and world.running:
            snapshot = what.removeprefix("before revoke ").lower()
            seen.append(world.azure.sas_ends[snapshot] - world.clock.now())

    world.meets(meet)
    await world.run_for_days()

    assert len(seen) == 30
    # What is recorded is never later than what Azure holds.
    assert min(seen) > timedelta(hours=1)


async def test_an_operator_that_restarts_in_between_believes_no_old_sas_to_be_new() -> None:
    world = world_of(2 * DAYS)
    restarts = 0

    def meet(what: str) -> None:
        nonlocal restarts
        if what.startswith("after message to vmb-jobs"):
            restarts += 1

    world.meets(meet)
    while (waits_s := await world.look()) is not None:
        world.agents_work()
        await world.intake.round()
        refused = any(each.refused_at for each in world.running.values())
        world.clock.turn(300 if world.running and not refused and waits_s > 1 else 2)
        if world.running and not refused:
            world.start()  # it remembers nothing at all, again and again

    status = world.status()
    assert (status.outcome, status.attempt, world.refusals) == ("Succeeded", 1, 0)
    assert restarts > 5
    assert world.azure.sas == {}


async def test_what_somebody_opened_before_us_is_not_counted_on() -> None:
    world = world_of(4 * 3600)
    await world.run_until("WorkerReady")
    # The portal's user, or a run of ours whose status is lost: five hours and a half ago.
    member = world.status().snapshot_set[0]
    key = member.snapshot_id.lower()
    found = world.azure.snapshots[key]
    world.azure.sas[key] = "https://export/somebodys"
    world.azure.sas_ends[key] = world.clock.now() + timedelta(minutes=30)
    world.azure.snapshots[key] = replace(found, exported=True)

    await world.run_for_days()

    status = world.status()
    assert (status.outcome, status.attempt, world.refusals) == ("Succeeded", 1, 0)


async def test_access_that_somebody_ended_is_granted_anew_and_the_job_goes_on() -> None:
    world = world_of(2 * 3600)
    await world.run_until("ExportGranted")
    while not world.running:
        await world.look()
        world.agents_work()
        await world.intake.round()
        world.clock.turn(2)
    for snapshot in list(world.azure.sas):
        while not await world.ground.snapshots.revoke(ArmId(snapshot)):
            pass
    before = len(world.jobs)

    await world.run_for_days()

    status = world.status()
    assert (status.outcome, world.refusals) == ("Succeeded", 1)
    assert [error.reason for error in status.errors] == ["AccessRefused"]
    # Once for the refusal; the way to the repository is renewed every 45 minutes besides.
    assert before + 1 <= len(world.jobs) <= before + 3
    assert len({worker for worker, _, _ in world.jobs}) == 1


async def test_a_sas_that_tells_of_an_earlier_end_is_believed() -> None:
    world = world_of(3600)
    await world.run_until("WorkerReady")
    world.ground.snapshots.tells_end = True  # type: ignore[attr-defined]  # the memory double
    while not world.status().exports:
        await world.look()
        world.clock.turn(2)
    short = world.clock.now() + timedelta(minutes=30)
    for member in world.status().snapshot_set:
        key = member.snapshot_id.lower()
        world.azure.snapshots[key] = replace(world.azure.snapshots[key], exported=True)
        world.azure.sas[key] = f"https://export/{key}?sig=short"
        world.azure.sas_ends[key] = short

    await world.run_for_days()

    assert (world.status().outcome, world.refusals) == ("Succeeded", 0)
    assert all("sig=short" not in disk.snapshot_url for *_, job in world.jobs for disk in job.disks)


async def test_a_delegation_key_that_was_revoked_is_not_signed_with_again() -> None:
    world = world_of(2 * 3600)
    await world.run_until("ExportGranted")
    while not world.running:
        await world.look()
        world.agents_work()
        await world.intake.round()
        world.clock.turn(2)
    world.azure.revoked_keys += 1

    await world.run_for_days()

    status = world.status()
    assert (status.outcome, status.attempt, world.refusals) == ("Succeeded", 2, 1)


async def test_a_renewal_that_takes_longer_than_the_worker_waits_costs_no_attempt() -> None:
    world = world_of(6 * 3600)
    world.pacing = Pacing(credentials_s=3600)
    world.start()
    asked = 0
    end_access = world.ground.snapshots.revoke

    first: list[ArmId] = []

    async def slowly(snapshot_id: ArmId) -> bool:
        nonlocal asked
        asked += 1
        first.append(snapshot_id)
        # Of the first snapshot Azure ends access soon, so that the worker is refused.
        return (snapshot_id == first[0] or asked > 300) and await end_access(snapshot_id)

    await world.run_until("ExportGranted")
    world.ground.snapshots.revoke = slowly  # type: ignore[method-assign]  # Azure takes minutes

    await world.run_for_days()

    status = world.status()
    assert world.refusals > 0
    assert (status.outcome, status.attempt, status.errors) == ("Succeeded", 1, ())


async def test_the_status_says_when_access_ends_and_never_what_opens_it() -> None:
    world = world_of(8 * 3600)
    await world.run_until("ExportGranted")

    exports = world.status(KEY).exports

    for export in exports:
        ends = world.azure.sas_ends[export.snapshot_id.lower()]
        assert export.expires_at is not None
        assert timedelta(0) <= ends - export.expires_at < timedelta(minutes=5)
    assert "sig=" not in str(world.sessions.stored[KEY].status)


async def test_a_renewed_job_names_what_was_stored_by_then() -> None:
    """An agent that dies leaves the newest message to its successor, which can list nothing."""
    world = world_of(DAYS)
    await run_until(world, lambda: bool(world.running))
    (transfer,) = world.running.values()
    given = transfer.job
    assert [disk.grant.left for disk in given.disks] == [()] * 3
    world.points.write(given.disks[0])  # by a process that dies before it says so

    await run_until(world, lambda: transfer.job is not given)

    assert transfer.job.job_id == given.job_id
    assert [len(disk.grant.left) for disk in transfer.job.disks] == [1, 0, 0]
    assert world.status().attempt == 1


async def run_until(world: SlowWorld, holds: Callable[[], bool]) -> None:
    while not holds():
        await world.look()
        world.agents_work()
        await world.intake.round()
        world.clock.turn(10)
