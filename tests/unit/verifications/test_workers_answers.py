"""What workers say of what they read: judged, never believed, and no more than an attempt lost."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.unit.verifications.reading_worlds import (
    READING,
    holders,
    packs,
    proven,
    verification,
)
from tests.worlds.memory_world import World
from tests.worlds.other_worker import say
from vmbackup_core.ids import JobId, WorkerId
from vmbackup_core.protocol import (
    BackupResult,
    Done,
    Failed,
    LostIndex,
    LostPack,
    Progress,
    VerifyJob,
    VerifyResult,
)
from vmbackup_core.repository.primitives.identities import PackId
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.session_findings import Verified
from vmbackup_operator.sessions.findings import current_job


def verified(world: World, key: ObjectKey = READING) -> Verified:
    found = world.status(key).verified
    assert found is not None
    return found


def first_pack(job: VerifyJob) -> str:
    run = job.packs[0]
    return PackId(run.slot, run.session, run.first).packed().hex()


def calls_whole_packs_damaged(job: VerifyJob, result: VerifyResult) -> VerifyResult:
    return replace(result, lost=[LostPack(first_pack(job), "damaged", [64])])


def calls_whole_packs_missing(job: VerifyJob, result: VerifyResult) -> VerifyResult:
    return replace(result, lost=[LostPack(first_pack(job), "missing", [])])


def names_a_pack_that_was_not_asked_for(job: VerifyJob, result: VerifyResult) -> VerifyResult:
    del job
    return replace(result, lost=[LostPack("01" * 24, "damaged", [])])


def names_a_pack_that_cannot_be(job: VerifyJob, result: VerifyResult) -> VerifyResult:
    del job
    return replace(result, lost=[LostPack("ff" * 24, "damaged", [])])


def names_an_index_object_that_cannot_be(job: VerifyJob, result: VerifyResult) -> VerifyResult:
    del job
    return replace(result, objects=[LostIndex("ff" * 24, 2**30, "damaged")])


def claims_to_have_read_more(job: VerifyJob, result: VerifyResult) -> VerifyResult:
    del job
    return replace(result, packs=result.packs + 1)


def reads_less_than_it_was_asked(job: VerifyJob, result: VerifyResult) -> VerifyResult:
    del job
    return replace(result, packs=0)


LIES = (
    calls_whole_packs_damaged,
    calls_whole_packs_missing,
    names_a_pack_that_was_not_asked_for,
    names_a_pack_that_cannot_be,
    names_an_index_object_that_cannot_be,
    claims_to_have_read_more,
    reads_less_than_it_was_asked,
)


@pytest.mark.parametrize("lie", LIES)
async def test_a_worker_that_is_contradicted_is_replaced_and_another_one_reads(
    world: World, lie: object
) -> None:
    liars: set[WorkerId] = set()

    def reading(job: VerifyJob, result: VerifyResult) -> VerifyResult | Failed:
        if not liars or world.read_jobs[-1][0] in liars:
            liars.add(world.read_jobs[-1][0])
            assert callable(lie)
            said = lie(job, result)
            assert isinstance(said, VerifyResult)
            return said
        return result

    world.reading = reading
    await world.run(READING)

    status = world.status(READING)
    assert status.outcome == "Succeeded", status.message
    assert status.attempt == 2
    assert [each.reason for each in status.errors] == ["WorkerContradicted"]
    assert {worker for worker, _, _ in world.read_jobs} > liars
    assert verified(world).refuted >= 1
    assert verified(world).bad == 0
    assert world.points.open().reading().state.bad == {}
    assert proven(world) == {"packs": len(packs(world)), "rota": len(packs(world))}


async def test_where_every_worker_is_contradicted_the_session_fails_and_holds_nothing(
    world: World,
) -> None:
    world.reading = calls_whole_packs_damaged
    await world.run(READING, limit=900)

    status = world.status(READING)
    assert (status.outcome, status.attempt) == ("Failed", 4)
    assert world.condition("Failed", READING).reason == "WorkerContradicted"
    assert proven(world) == {}
    assert holders(world) == []
    assert world.points.open().reading().state.bad == {}


async def test_a_result_of_another_kind_is_no_result(world: World) -> None:
    job = await at_work(world)
    said = Done(job, 1, BackupResult([]))
    say(world, said, 100, about=job, key=READING)
    await world.intake.round()

    assert world.intake.refused["BadMessage"] == 1
    assert world.status(READING).verifying is not None
    assert world.status(READING).disks == ()


async def test_what_is_said_of_an_earlier_job_changes_nothing(world: World) -> None:
    job = await at_work(world)
    said = Done(JobId(f"{job}x"), 1, nothing_read())
    say(world, said, 100, about=f"{job}x", key=READING)
    await world.intake.round()

    assert world.status(READING).verifying.result is None  # type: ignore[union-attr]  # it is at work


async def test_a_progress_beyond_all_bounds_is_one_that_a_status_can_hold(world: World) -> None:
    world.sessions.put(verification(reread=1000))
    job = await at_work(world, jobs=2)
    most = 2**63 - 1
    say(world, Progress(job, 1, most, most, 0), 100, about=job, key=READING)
    await world.intake.round()

    shown = world.status(READING).progress
    assert shown is not None
    assert (shown.bytes_read, shown.bytes_to_read) == (most, most)


async def test_a_lost_worker_costs_an_attempt_and_what_is_proven_stays(world: World) -> None:
    await at_work(world, jobs=2)
    before = proven(world)
    await world.run(READING)

    status = world.status(READING)
    assert (status.outcome, status.attempt) == ("Succeeded", 2)
    assert [each.reason for each in status.errors] == ["WorkerLost"]
    assert before == {"packs": 1}
    # The first one's job was not given again.
    assert [len(job.packs) for _, _, job in world.read_jobs] == [1] * 6


async def test_a_failure_that_may_pass_is_tried_again(world: World) -> None:
    failed = [Failed(JobId("x"), 1, "TransferInterrupted", "no way", transient=True)]

    def reading(job: VerifyJob, result: VerifyResult) -> VerifyResult | Failed:
        return replace(failed.pop(), job_id=job.job_id) if failed else result

    world.reading = reading
    await world.run(READING)

    status = world.status(READING)
    assert (status.outcome, status.attempt) == ("Succeeded", 2)
    assert [each.reason for each in status.errors] == ["TransferInterrupted"]
    ids = [job.job_id for _, _, job in world.read_jobs]
    assert len(set(ids)) == len(ids)


async def test_a_job_whose_ways_wear_out_gets_fresh_ones_and_stays_the_same_job(
    world: World,
) -> None:
    job = await at_work(world)
    world.clock.turn(2800)
    await world.look(READING)

    worker = world.status(READING).worker
    assert worker is not None
    assert worker.job_sequence == 2
    assert current_job(world.sessions.stored[READING]) == job


async def at_work(world: World, jobs: int = 1) -> JobId:
    """Bring the session to where its worker has that job and is silent; return the job's id."""
    await world.run_until("WorkerReady", READING)
    await world.intake.round()
    worker = world.status(READING).worker
    assert worker is not None
    for _ in range(200):
        await world.look(READING)
        status = world.status(READING)
        if status.verifying is not None and status.verifying.number == jobs:
            world.silent_workers.add(worker.vm_id)
            if status.worker is not None and status.worker.job_sequence:
                break
        world.agents_work()
        await world.intake.round()
    job = current_job(world.sessions.stored[READING])
    assert job is not None
    return job


def nothing_read() -> VerifyResult:
    return VerifyResult(0, 0, 0, [], [], [], 0, [], stopped=True, seconds=1.0)
