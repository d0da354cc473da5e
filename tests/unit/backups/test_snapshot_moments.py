"""A recovery point is of one moment, whatever became of a run's snapshots before."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.worlds.memory_world import World
from tests.worlds.samples import KEY, VM, machine, session_of
from vmbackup_core.ids import RunId, SnapshotUniqueId
from vmbackup_core.repository.control.points.points import RecoveryPoint
from vmbackup_operator.sessions.findings import backup_job


def point_of(world: World) -> RecoveryPoint:
    return world.points.points[world.status().run_id or RunId("")]


def lose_status_and_snapshots(world: World) -> None:
    """What a restored cluster and a tidy administrator leave: the same session, begun anew."""
    world.azure.snapshots.clear()
    world.azure.sas.clear()
    world.sessions.put(session_of())


@pytest.mark.parametrize("restarted", [True, False], ids=["restarted", "the same operator"])
async def test_a_run_whose_snapshots_are_taken_again_makes_a_point_of_the_later_ones(
    world: World, *, restarted: bool
) -> None:
    await world.run_until("Committed")
    before = {each.unique_id for each in world.azure.snapshots.values()}
    lose_status_and_snapshots(world)
    if restarted:
        world.start()

    await world.run()

    after = {each.unique_id for each in world.azure.snapshots.values()}
    disks = point_of(world).disks
    assert world.status().outcome == "Succeeded"
    assert {disk.snapshot_unique_id for disk in disks} == after
    assert not before & after
    assert [disk.slot for disk in disks] == [2, 2, 2]


async def test_a_disk_that_was_committed_of_an_earlier_snapshot_is_backed_up_anew(
    world: World,
) -> None:
    """One of three had committed when the session lost what it knew."""
    await world.run_until("Committed")
    chains = list(world.points.commits)
    for chain in chains[1:]:
        world.points.lose_commits(chain)
    lose_status_and_snapshots(world)

    await world.run()

    assert sorted(disk.slot for disk in point_of(world).disks) == [1, 1, 2]


async def test_a_run_that_only_lost_its_status_is_answered_from_what_is_committed(
    world: World,
) -> None:
    await world.run_until("Committed")
    job = backup_job(world.sessions.stored[KEY])
    world.sessions.put(session_of())
    world.start()

    await world.run()

    assert [disk.slot for disk in point_of(world).disks] == [1, 1, 1]
    assert {each.job_id for _, _, each in world.jobs} == {job}


async def test_other_snapshots_are_another_job(world: World) -> None:
    """The worker may still know the first one, and would answer with its end."""
    await world.run_until("DataTransferred")
    first = backup_job(world.sessions.stored[KEY])
    lose_status_and_snapshots(world)

    await world.run_until("SnapshotsReady")

    assert backup_job(world.sessions.stored[KEY]) != first


async def test_what_took_a_snapshots_place_is_not_read(world: World) -> None:
    await world.run_until("ExportGranted")
    name, snapshot = next(iter(world.azure.snapshots.items()))
    world.azure.snapshots[name] = replace(snapshot, unique_id=SnapshotUniqueId("another"))

    await world.run()

    status = world.status()
    assert (status.outcome, world.condition("Failed").reason) == ("Failed", "SnapshotReplaced")
    assert snapshot.unique_id in status.message
    assert world.jobs == []


@pytest.mark.parametrize("grown_bytes", [2**30, 5])
async def test_job_and_point_have_the_size_that_the_snapshot_has(
    world: World, grown_bytes: int
) -> None:
    """A disk may be resized between a session's acceptance and its snapshot."""
    await world.run_until("Accepted")
    before = machine()
    disks = tuple(replace(disk, size_bytes=disk.size_bytes + grown_bytes) for disk in before.disks)
    world.add(replace(before, disks=disks))

    await world.run()

    sizes = [disk.size_bytes for disk in disks]
    assert world.azure.machines[VM.lower()].disks == disks
    assert [disk.grant.disk_bytes for disk in world.jobs[0][2].disks] == sizes
    assert [disk.size_bytes for disk in point_of(world).disks] == sizes
