"""What is stored is compared with the snapshot that it was made of: only that proves the disk."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.sampling import some_of
from tests.unit.verifications.reading_worlds import (
    READING,
    backed_up_world,
    holders,
    proven,
    verification,
)
from tests.unit.verifications.test_crashes import undo_what_is_left
from tests.worlds.killed_operator import run_through_kills
from tests.worlds.memory_azure import AWAY, HOME
from tests.worlds.memory_snapshots import MemorySnapshots
from tests.worlds.memory_world import World
from tests.worlds.samples import KEY, machine, session_of
from vmbackup_core.ids import SnapshotUniqueId
from vmbackup_core.protocol import VerifyJob, VerifyResult
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.session_findings import Verified

SAMPLE = 8


async def sampling_world(disks: int = 2, region: str = AWAY) -> World:
    """Return a world after a backup, with a session that compares blocks of its disks."""
    world = World()
    world.add(machine(disks=disks, region=region))
    await backed_up_world(world)
    world.sessions.put(verification(reread=0, sample=SAMPLE))
    return world


async def a_lying_worker_stored(world: World) -> None:
    """Have a backup whose worker stores other bytes than the disk's, under right hashes."""
    world.points.stores = lambda snapshot: SnapshotUniqueId(f"other than {snapshot}")
    await backed_up_world(world)


def verified(world: World, key: ObjectKey = READING) -> Verified:
    found = world.status(key).verified
    assert found is not None
    return found


def exported(world: World) -> list[str]:
    return [each.id for each in world.azure.snapshots.values() if each.exported]


async def test_blocks_of_each_disk_are_compared_with_its_very_snapshot() -> None:
    world = await sampling_world()
    await world.run(READING)

    status = world.status(READING)
    assert status.outcome == "Succeeded", status.message
    # Of each disk one block is not zero, and two are drawn of all.
    assert 2 * 2 <= verified(world).sampled <= 2 * 3
    assert verified(world).differing == 0
    assert "compared with snapshots: " in status.message
    assert status.message.endswith("nothing is wrong")
    assert "sample" in proven(world)
    jobs = [job for _, _, job in world.read_jobs if job.sample is not None]
    assert len(jobs) == 2
    sets = {member.snapshot_id for member in world.status(KEY).snapshot_set}
    assert {job.sample.snapshot_url.partition("?")[0] for job in jobs if job.sample} == {
        f"https://export/{each}" for each in sets_as_made(world, sets)
    }
    assert exported(world) == []
    assert status.exports == ()
    assert world.undo_records.stored == {}


def sets_as_made(world: World, ids: set[str]) -> set[str]:
    return {each.id for key, each in world.azure.snapshots.items() if key in map(str.lower, ids)}


async def test_a_worker_that_stored_other_bytes_is_found_by_the_sample_and_by_nothing_else() -> (
    None
):
    world = World()
    world.add(machine(disks=2))
    await a_lying_worker_stored(world)
    without = ObjectKey("team", "verify-0")
    world.sessions.put(verification(without, sample=0))
    await world.run(without)
    assert world.status(without).message.endswith("nothing is wrong")

    world.sessions.put(verification(sample=SAMPLE))
    await world.run(READING)

    status = world.status(READING)
    assert status.outcome == "Succeeded", status.message
    assert verified(world).differing == 2
    assert verified(world).bad == 0
    assert "2 blocks other than the snapshot's" in status.message
    assert "nothing is wrong" not in status.message
    told = [said for _, reason, said in world.events.told if reason == "StoredIsNotTheDisk"]
    assert len(told) == 2
    assert "is not the disk" in told[0]
    assert "sample" not in proven(world)
    assert exported(world) == []


async def compared_by(world: World, number: int) -> set[str]:
    """Have another session compare blocks, and return the snapshots that it had access to."""
    key = ObjectKey("team", f"verify-{number}")
    world.sessions.put(verification(key, reread=0, sample=SAMPLE))
    await world.run_until("ExportGranted", key)
    found = set(exported(world))
    await world.run(key)
    assert verified(world, key).sampled > 0
    return found


async def test_every_set_that_is_retained_is_compared_with_in_turn() -> None:
    world = World()
    world.add(machine(disks=2))
    sets: list[set[str]] = []
    for number in range(3):
        key = ObjectKey("team", f"nightly-{number}")
        world.sessions.put(session_of(key, snapshots_to_keep=3))
        await world.run(key)
        members = {member.snapshot_id for member in world.status(key).snapshot_set}
        sets.append(sets_as_made(world, members))
        world.clock.turn(86_400)

    compared = [await compared_by(world, number) for number in range(4)]

    assert compared == [sets[2], sets[1], sets[0], sets[2]]


async def test_a_set_that_came_since_has_its_turn_when_the_older_ones_had_theirs() -> None:
    world = World()
    world.add(machine(disks=1))
    compared: list[set[str]] = []
    sets: list[set[str]] = []
    for number in range(6):
        key = ObjectKey("team", f"nightly-{number}")
        world.sessions.put(session_of(key, snapshots_to_keep=2))
        await world.run(key)
        members = {member.snapshot_id for member in world.status(key).snapshot_set}
        sets.append(sets_as_made(world, members))
        compared.append(await compared_by(world, number))
        world.clock.turn(86_400)

    assert compared == [sets[0], sets[1], sets[2], sets[3], sets[4], sets[5]]


async def test_it_works_where_the_snapshots_are() -> None:
    world = await sampling_world(region=HOME)
    await world.run_until("WorkerReady", READING)

    resolved = world.status(READING).resolved
    assert resolved is not None
    assert resolved.environment is not None
    assert resolved.environment.region == HOME
    await world.run(READING)
    assert verified(world).sampled > 0


async def test_with_no_snapshot_retained_none_is_compared_and_it_says_so() -> None:
    world = await sampling_world()
    world.azure.snapshots.clear()
    await world.run(READING)

    status = world.status(READING)
    assert status.outcome == "Succeeded"
    assert verified(world).sampled == 0
    assert "no snapshot of what is stored of this VM is retained" in status.message
    assert [job.sample for _, _, job in world.read_jobs] == [None, None]


async def test_where_snapshots_cannot_be_listed_the_rest_is_read_all_the_same() -> None:
    world = await sampling_world()
    snapshots = world.ground.snapshots
    assert isinstance(snapshots, MemorySnapshots)
    snapshots.refuses_lists = True
    await world.run(READING)

    status = world.status(READING)
    assert status.outcome == "Succeeded", status.message
    assert verified(world).packs == 2
    assert "snapshots cannot be listed" in verified(world).unsampled


async def test_a_set_whose_tags_were_altered_is_not_compared_with() -> None:
    world = await sampling_world()
    key, snapshot = next(iter(world.azure.snapshots.items()))
    tags = {**snapshot.tags, "vmbackup-sealed-0": "AAAA"}
    world.azure.snapshots[key] = replace(snapshot, tags=tags)
    await world.run(READING)

    assert verified(world).sampled == 0
    granted = [what for what in world.azure.order if what.startswith("grant ")]
    assert len(granted) == 2  # the backup's own


@pytest.mark.parametrize("condition", ["Accepted", "WorkerReady", "ExportGranted"])
@pytest.mark.parametrize("becomes", ["gone", "another"])
async def test_a_snapshot_that_goes_meanwhile_is_left_out_and_said(
    condition: str, becomes: str
) -> None:
    world = await sampling_world()
    await world.run_until(condition, READING)
    key, snapshot = next(iter(world.azure.snapshots.items()))
    world.azure.sas.pop(key, None)
    if becomes == "gone":
        del world.azure.snapshots[key]
    else:
        taken = replace(snapshot, unique_id=SnapshotUniqueId("anew"), exported=False)
        world.azure.snapshots[key] = taken
    await world.run(READING)

    status = world.status(READING)
    assert status.outcome == "Succeeded", status.message
    assert status.attempt == 1
    assert 2 <= verified(world).sampled <= 3
    assert verified(world).differing == 0
    assert "not compared with all: 1 snapshot gone meanwhile" in status.message
    assert exported(world) == []


async def test_one_that_goes_while_its_worker_reads_it_fails_nothing() -> None:
    world = await sampling_world()

    def reading(job: VerifyJob, result: VerifyResult) -> VerifyResult:
        if job.sample is None:
            for key in list(world.azure.snapshots):
                world.azure.sas.pop(key, None)
                world.azure.snapshots.pop(key)
        return result

    world.reading = reading
    await world.run(READING)

    status = world.status(READING)
    assert status.outcome == "Succeeded", status.message
    assert status.attempt == 1
    assert "gone meanwhile" in status.message


async def test_a_backup_beside_it_keeps_the_set_that_is_compared_with() -> None:
    world = await sampling_world()
    await world.run_until("ExportGranted", READING)
    compared = set(exported(world))
    again = ObjectKey("team", "nightly-2")
    world.azure.max_workers = 2
    world.sessions.put(session_of(again))
    await world.run(again)
    assert world.status(again).outcome == "Succeeded"

    assert compared <= {each.id for each in world.azure.snapshots.values()}
    await world.run(READING)
    assert verified(world).sampled > 0
    assert "gone" not in world.status(READING).message


async def test_a_second_session_leaves_the_first_one_its_snapshots() -> None:
    world = await sampling_world()
    world.azure.max_workers = 2
    await world.run_until("ExportGranted", READING)
    compared, second = exported(world), ObjectKey("team", "verify-2")
    world.sessions.put(verification(second, reread=0, sample=SAMPLE))
    for _ in range(20):
        await world.look_again(second)

    assert exported(world) == compared
    assert "another session" in verified(world, second).unsampled
    await world.run(READING)
    assert world.status(READING).attempt == 1
    assert verified(world).sampled > 0


async def test_killed_anywhere_it_compares_and_leaves_no_export() -> None:
    moments, _ = await run_through_kills(await sampling_world(1), READING, 0)
    assert moments > 50

    for at in some_of(range(1, moments + 1)):
        world = await sampling_world(1)
        _, where = await run_through_kills(world, READING, at)
        await undo_what_is_left(world)

        assert world.status(READING).outcome == "Succeeded", where
        assert world.status(READING).attempt == 1, where
        assert verified(world).sampled >= 2, where
        assert exported(world) == [], where
        assert world.status(READING).exports == (), where
        assert holders(world) == [], where
        assert world.undo_records.stored == {}, where


@pytest.mark.parametrize("condition", ["ExportGranted", "DataVerified"])
@pytest.mark.parametrize("process", ["same", "another"])
async def test_one_whose_finalizer_was_stripped_leaves_no_export(
    condition: str, process: str
) -> None:
    world = await sampling_world()
    await world.run_until(condition, READING)
    assert exported(world)
    del world.sessions.stored[READING]
    world.sessions.gone(READING)
    if process == "another":
        world.start()

    await undo_what_is_left(world)

    assert exported(world) == []
    assert len(world.azure.snapshots) == 2
    assert world.undo_records.stored == {}


async def test_cancelled_it_leaves_no_export_and_every_snapshot() -> None:
    world = await sampling_world()
    await world.run_until("ExportGranted", READING)
    world.sessions.edit_spec(READING, cancel=True)
    await world.run(READING)

    assert world.status(READING).outcome == "Cancelled"
    assert exported(world) == []
    assert len(world.azure.snapshots) == 2


async def test_seven_disks_are_exported_through_two_disk_accesses() -> None:
    world = await sampling_world(disks=7)
    await world.run_until("ExportGranted", READING)

    used = {each.disk_access_id for each in world.status(READING).exports}
    assert len(exported(world)) == 7
    assert len(used) == 2
    await world.run(READING)
    assert verified(world).sampled >= 14
