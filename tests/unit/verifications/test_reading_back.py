"""A session of type Verify reads back what the repository holds of a VM, by a worker beside it."""

from __future__ import annotations

from tests.unit.verifications.reading_worlds import (
    READING,
    backed_up_world,
    holders,
    packs,
    proven,
    verification,
)
from tests.worlds.memory_azure import AWAY, HOME
from tests.worlds.memory_points import CONTAINER
from tests.worlds.memory_world import World
from tests.worlds.samples import VM, machine
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.naming import ArmId


async def test_all_that_was_written_is_read_back_and_proven(world: World) -> None:
    await world.run(READING)

    status = world.status(READING)
    assert status.outcome == "Succeeded", status.message
    assert status.verified is not None
    # Once as what is new, and once in its turn.
    assert status.verified.packs == 2 * len(packs(world)) > 0
    assert status.verified.records > 0
    assert status.verified.bad == status.verified.refuted == 0
    assert proven(world) == {"packs": len(packs(world)), "rota": len(packs(world))}
    assert status.message.startswith("read back: 6 packs, ")
    assert status.message.endswith("nothing is wrong")


async def test_its_jobs_have_ids_of_their_own_and_a_way_that_reads_what_it_knows_and_no_more(
    world: World,
) -> None:
    await world.run(READING)

    ids = [job.job_id for _, _, job in world.read_jobs]
    assert len(set(ids)) == len(ids) == 6
    assert {job.run_id for _, _, job in world.read_jobs} == {world.status(READING).run_id}
    assert all("sp=read_named" in job.repository.container_url for _, _, job in world.read_jobs)
    assert world.status(READING).verified.jobs == 6  # type: ignore[union-attr]  # it was read


async def test_its_worker_runs_beside_the_repository_and_no_vm_need_exist() -> None:
    world = World()
    world.add(machine(region=HOME))
    await backed_up_world(world)
    world.sessions.put(verification())
    world.azure.machines.clear()
    await world.run_until("WorkerReady", READING)

    resolved, worker = world.status(READING).resolved, world.status(READING).worker
    assert resolved is not None
    assert resolved.environment is not None
    assert resolved.environment.region == AWAY
    assert resolved.virtual_machine is None
    assert worker is not None
    assert AWAY in worker.vm_id


async def test_nothing_is_left_of_it(world: World) -> None:
    await world.run(READING)

    assert holders(world) == []
    assert world.azure.queues == {}
    assert {each.state for each in world.azure.workers.values()} == {"deallocated"}
    assert world.undo_records.stored == {}
    assert world.sessions.stored[READING].metadata.finalizers == ()
    assert world.ground.works == {}


async def test_what_it_holds_is_held_while_it_reads(world: World) -> None:
    await world.run_until("WorkerReady", READING)

    assert set(holders(world)) == {world.status(READING).run_id}


async def test_where_nothing_is_due_it_is_done_without_a_worker(world: World) -> None:
    await world.run(READING)
    workers, again = len(world.azure.workers), ObjectKey("team", "verify-2")
    world.sessions.put(verification(again, reread=0))
    await world.run(again)

    status = world.status(again)
    assert status.outcome == "Succeeded"
    assert status.message == "nothing of this VM is due to be read back"
    assert status.worker is None
    assert [each.type for each in status.conditions if each.status == "True"] == [
        "Accepted",
        "AccessRevoked",
        "HoldsReleased",
        "Complete",
        "WorkerReleased",
    ]
    assert len(world.azure.workers) == workers


async def test_old_packs_are_read_again_as_far_as_is_asked(world: World) -> None:
    await world.run(READING)
    before, again = len(world.read_jobs), ObjectKey("team", "verify-2")
    world.sessions.put(verification(again))
    await world.run(again)

    (*_,) = new = [job for _, _, job in world.read_jobs[before:]]
    assert len(new) == 3
    assert world.status(again).verified.packs == 3  # type: ignore[union-attr]  # it was read
    assert all(job.sections is None for job in new)


async def test_a_vm_that_nothing_is_stored_of_has_nothing_due(world: World) -> None:
    other = ObjectKey("team", "verify-2")
    world.sessions.put(verification(other, vm_id=ArmId(f"{VM}-other")))
    await world.run(other)

    assert world.status(other).outcome == "Succeeded"
    assert world.status(other).message == "nothing of this VM is due to be read back"


async def test_its_row_says_what_it_does(world: World) -> None:
    seen: list[str] = []

    def look(what: str) -> None:
        status = world.status(READING)
        if "status" in what and status.phase:
            seen.append(status.phase)

    world.meets(look)
    await world.run(READING)

    assert list(dict.fromkeys(phase.partition(":")[0] for phase in seen)) == [
        "Pending",
        "PreparingRegion",
        "LaunchingWorker",
        "Verifying",
        "ReleasingHolds",
        "Complete",
    ]
    shown = world.status(READING).display
    assert shown is not None
    assert (shown.virtual_machine, shown.progress) == ("web-01", "100%")
    assert shown.read != "0 B"


async def test_a_damaged_pack_is_told_and_the_session_is_complete(world: World) -> None:
    damaged = packs(world)[0]
    data = world.points.containers.container(CONTAINER)
    stored = bytearray(data.get(damaged))
    stored[len(stored) // 2] ^= 1
    data.delete(damaged)
    data.put_new(damaged, bytes(stored))
    await world.run(READING)

    status = world.status(READING)
    assert status.outcome == "Succeeded"
    assert status.verified is not None
    assert status.verified.bad >= 1
    assert "damaged or gone" in status.message
    assert damaged.split("/")[1] in " ".join(status.verified.findings)
    (told,) = [said for _, reason, said in world.events.told if reason == "VerifyFoundDamage"]
    assert damaged.split("/")[1] in told
    assert "vmbackup repository check" in told
    bad = world.points.open().reading().state.bad
    assert [each.id for each in bad.values()] == [damaged_id(status.verified.findings)]


def damaged_id(findings: tuple[str, ...]) -> str:
    """Return the id of the one pack that the findings name."""
    (said,) = findings
    return said.split(" ")[1]


async def test_a_pack_that_is_gone_is_told(world: World) -> None:
    gone = packs(world)[0]
    world.points.containers.container(CONTAINER).delete(gone)
    await world.run(READING)

    status = world.status(READING)
    assert status.outcome == "Succeeded"
    assert status.verified is not None
    assert status.verified.bad == 1
    assert "missing" in status.message


async def test_a_manifest_that_does_not_open_is_told_and_the_others_are_read(world: World) -> None:
    data = world.points.containers.container(CONTAINER)
    damaged = next(each.name for each in data.list("") if "/m/" in each.name)
    data.delete(damaged)
    data.put_new(damaged, b"junk")
    await world.run(READING)

    status = world.status(READING)
    assert status.outcome == "Succeeded"
    assert "not all of it opens" in status.message
    assert damaged.split("/")[1] in status.message
    assert status.verified is not None
    # What its list names is read in turn all the same.
    assert status.verified.packs == 5
    assert "VerifyFoundDamage" in [reason for _, reason, _ in world.events.told]
