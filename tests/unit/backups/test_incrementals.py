"""A backup that reads what has changed: from which snapshots, through which ways, and when not."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest
from msgspec.structs import replace
from typing_extensions import override

from tests.unit.backups.incremental_stories import (
    SECOND,
    THIRD,
    back_up,
    falling_back,
    job_of,
    kinds,
    predecessors,
    reasons,
    told,
)
from tests.worlds.killed_operator import run_killed
from tests.worlds.memory_points import CONTAINER
from tests.worlds.memory_snapshots import MemorySnapshots
from tests.worlds.memory_world import World
from tests.worlds.samples import KEY, RING, machine, session_of
from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import DiskUniqueId, RunId
from vmbackup_core.protocol import FallbackReason
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.references import LocalReference
from vmbackup_operator.model.session_findings import Predecessor
from vmbackup_operator.naming import ArmId, resource_group_of
from vmbackup_operator.sessions.reconciler import SessionReconciler
from vmbackup_operator.sessions.seen import SnapshotSeen
from vmbackup_operator.sessions.tags import SEALED_TAG, open_tags
from vmbackup_operator.wiring.tables import backup_sessions


async def test_the_first_backup_is_a_full_and_says_why_without_an_event(world: World) -> None:
    await world.run()

    assert reasons(world, KEY) == {
        "os": "NoPredecessor",
        "0": "NoPredecessor",
        "1": "NoPredecessor",
    }
    assert set(kinds(world, KEY).values()) == {"full"}
    assert predecessors(world, KEY) == ()
    assert not told(world, "NoPredecessor")


async def test_the_second_one_reads_what_has_changed_since_the_first(world: World) -> None:
    await world.run()
    await back_up(world, SECOND)

    first = {each.disk: each for each in world.status().disks}
    point = world.points.points[world.status(SECOND).run_id or RunId("")]
    assert {each.disk: each.manifest for each in predecessors(world, SECOND)} == {
        disk: each.manifest for disk, each in first.items()
    }
    assert {each.run_id for each in predecessors(world, SECOND)} == {world.status().run_id}
    assert reasons(world, SECOND) == {}
    assert set(kinds(world, SECOND).values()) == {"incremental"}
    assert point.kind == "incremental"
    assert all(each.changed_bytes is not None for each in world.status(SECOND).disks)


async def test_a_job_has_the_export_of_the_snapshot_that_its_base_was_written_from(
    world: World,
) -> None:
    await world.run()
    before = {each.disk: folded(each.snapshot_id) for each in world.status().snapshot_set}
    await back_up(world, SECOND)

    for disk in job_of(world, SECOND).disks:
        lun = disk.grant.disk.lun
        assert disk.grant.base == disk.grant.newest
        assert before["os" if lun is None else str(lun)] in folded(disk.predecessor_url or "")
        assert disk.predecessor_url != disk.snapshot_url


async def test_six_exports_go_through_two_disk_accesses_and_all_access_is_ended(
    world: World,
) -> None:
    await world.run()
    world.clock.turn(3600)
    world.sessions.put(session_of(SECOND))
    await world.run_until("ExportGranted", SECOND)
    ways = Counter(each.disk_access_id for each in world.status(SECOND).exports)
    tied = [each for each in world.azure.order if each.startswith("associate ")]
    await world.run(SECOND)

    assert sorted(ways.values()) == [1, 5]
    assert len(tied) == 6  # three for the first set and three for the second: its ties serve
    assert world.azure.sas == {}
    assert world.status(SECOND).exports == ()


async def test_what_is_gone_on_from_is_written_down_before_a_snapshot_is_taken(
    world: World,
) -> None:
    await world.run()
    world.clock.turn(3600)
    world.sessions.put(session_of(SECOND))
    known: list[bool] = []

    def meet(what: str) -> None:
        if what.startswith("before snapshot "):
            known.append(len(predecessors(world, SECOND)) == 3)

    world.meets(meet)
    await world.run(SECOND)

    assert known == [True, True, True]


async def test_the_set_says_what_it_follows(world: World) -> None:
    await world.run()
    before = {folded(each.snapshot_id) for each in world.status().snapshot_set}
    await back_up(world, SECOND)

    facts = [open_tags(RING, each.id, each.tags) for each in world.azure.snapshots.values()]
    assert {folded(each.previous_snapshot_id or "") for each in facts} == before


@pytest.mark.parametrize("at", range(1, 92, 6))
async def test_killed_at_any_write_it_decides_nothing_anew_and_leaves_nothing(
    world: World, at: int
) -> None:
    await world.run()
    world.clock.turn(3600)
    world.sessions.put(session_of(SECOND))
    seen = set[tuple[Predecessor, ...]]()

    def look() -> None:
        resolved = world.status(SECOND).resolved
        if resolved is not None:
            seen.add(resolved.predecessors)

    await run_killed(world, SECOND, at, look)

    assert world.status(SECOND).outcome == "Succeeded"
    assert set(kinds(world, SECOND).values()) == {"incremental"}
    assert seen == {predecessors(world, SECOND)}
    assert world.azure.sas == {}
    assert world.points.open().holds() == []
    assert len(world.azure.snapshots) == 3


async def test_a_predecessor_that_is_gone_has_the_disks_read_whole_and_names_it(
    world: World,
) -> None:
    await world.run()
    lost = world.status().snapshot_set[1].snapshot_id
    del world.azure.snapshots[folded(lost)]
    await back_up(world, SECOND)

    assert set(reasons(world, SECOND).values()) == {"PredecessorGone"}
    assert set(kinds(world, SECOND).values()) == {"full"}
    (said,) = told(world, "PredecessorGone")
    assert lost in said


@pytest.mark.parametrize("condition", ["SnapshotsReady", "WorkerReady", "ExportGranted"])
async def test_one_that_goes_meanwhile_has_its_disk_alone_read_whole(
    world: World, condition: str
) -> None:
    await world.run()
    world.clock.turn(3600)
    world.sessions.put(session_of(SECOND))
    await world.run_until(condition, SECOND)
    lost = folded(world.status().snapshot_set[1].snapshot_id)
    del world.azure.snapshots[lost]
    world.azure.sas.pop(lost, None)
    await world.run(SECOND)

    assert world.status(SECOND).outcome == "Succeeded"
    assert reasons(world, SECOND) == {"0": "PredecessorGone"}
    assert kinds(world, SECOND) == {"os": "incremental", "0": "full", "1": "incremental"}
    assert len(told(world, "PredecessorGone")) == 1
    assert world.azure.sas == {}


async def test_an_altered_tag_has_the_set_used_for_nothing_and_an_event_names_the_snapshot(
    world: World,
) -> None:
    await world.run()
    altered = folded(world.status().snapshot_set[2].snapshot_id)
    seen = world.azure.snapshots[altered]
    tags = {**seen.tags, f"{SEALED_TAG}-0": "altered"}
    world.azure.snapshots[altered] = dataclasses.replace(seen, tags=tags)
    await back_up(world, SECOND)

    assert set(reasons(world, SECOND).values()) == {"TagsNotVerified"}
    (said,) = told(world, "TagsNotVerified")
    assert altered in folded(said)


@pytest.mark.parametrize("reason", ["DifferencesRefused", "PredecessorUnreadable"])
async def test_what_a_worker_could_not_have_is_said_and_the_next_one_is_incremental_again(
    world: World, reason: FallbackReason
) -> None:
    await world.run()
    world.falls_back = falling_back(reason, lun=0)
    await back_up(world, SECOND)

    assert reasons(world, SECOND) == {"0": reason}
    assert kinds(world, SECOND) == {"os": "incremental", "0": "full", "1": "incremental"}
    (said,) = told(world, reason)
    assert "status 409" in said

    world.falls_back = lambda _disk: None
    await back_up(world, THIRD)
    assert reasons(world, THIRD) == {}


async def test_a_base_that_does_not_open_has_its_disk_read_whole(world: World) -> None:
    await world.run()
    world.clock.turn(3600)
    world.sessions.put(session_of(SECOND))
    await world.run_until("ExportGranted", SECOND)
    damaged = predecessors(world, SECOND)[0].manifest
    data = world.points.containers.container(CONTAINER)
    data.delete(damaged)
    data.put_new(damaged, b"not what it was")
    await world.run(SECOND)

    assert world.status(SECOND).outcome == "Succeeded"
    assert reasons(world, SECOND) == {"os": "BaseDamaged"}
    assert kinds(world, SECOND) == {"os": "full", "0": "incremental", "1": "incremental"}
    assert len(told(world, "BaseDamaged")) == 1


async def test_a_chain_that_was_begun_anew_meanwhile_has_its_disk_read_whole(world: World) -> None:
    await world.run()
    world.clock.turn(3600)
    world.sessions.put(session_of(SECOND))
    await world.run_until("ExportGranted", SECOND)
    disk = machine().disks[1]
    world.points.open().begin_anew(disk.unique_id, RunId("e" * 32), "said so")
    await world.run(SECOND)

    assert world.status(SECOND).outcome == "Succeeded"
    assert reasons(world, SECOND) == {"0": "NewChain"}


async def _until_written_on_an_older_base(world: World) -> None:
    """The newest set has gone: another policy's, older, is gone on from."""
    weekly = LocalReference("weekly")
    await back_up(world, SECOND, policy_ref=weekly)
    await world.run()
    for member in world.status().snapshot_set:
        del world.azure.snapshots[folded(member.snapshot_id)]
    world.clock.turn(3600)
    world.sessions.put(session_of(THIRD, policy_ref=weekly))
    await world.run_until("DataTransferred", THIRD)


async def test_an_older_base_is_held_while_it_is_written_on_and_let_go_then(world: World) -> None:
    await _until_written_on_an_older_base(world)
    held = {each.slot for each in world.points.open().holds()}
    await world.run(THIRD)

    assert world.status(THIRD).outcome == "Succeeded"
    assert {each.run_id for each in predecessors(world, THIRD)} == {world.status(SECOND).run_id}
    assert set(kinds(world, THIRD).values()) == {"incremental"}
    assert held == {1}
    assert world.points.open().holds() == []


async def test_holds_go_after_a_failure_too(world: World) -> None:
    await _until_written_on_an_older_base(world)
    world.sessions.edit_spec(THIRD, cancel=True)
    await world.run(THIRD)

    assert world.status(THIRD).outcome == "Cancelled"
    assert world.points.open().holds() == []
    assert world.azure.sas == {}
    assert len(world.azure.snapshots) == 3  # what the next incremental needs


async def test_a_replaced_disk_and_a_new_one_are_read_whole_beside_the_others(world: World) -> None:
    await world.run()
    seen = machine(disks=4)
    anew = dataclasses.replace(seen.disks[1], unique_id=DiskUniqueId("another"))
    disks = (seen.disks[0], anew, *seen.disks[2:])
    world.add(dataclasses.replace(seen, disks=disks))
    await back_up(world, SECOND)

    assert reasons(world, SECOND) == {"0": "DiskReplaced", "2": "NoPredecessor"}
    assert world.points.points[world.status(SECOND).run_id or RunId("")].kind == "full"


async def test_a_session_in_a_public_region_is_incremental_too(world: World) -> None:
    world.azure.private = False
    await world.run()
    await back_up(world, SECOND)

    assert set(kinds(world, SECOND).values()) == {"incremental"}
    assert world.azure.disk_accesses == {}
    assert world.azure.sas == {}


async def test_an_interrupted_first_backup_leaves_nothing_to_go_on_from(world: World) -> None:
    await world.run_until("DataTransferred")
    world.sessions.edit_spec(KEY, cancel=True)
    await world.run()
    await back_up(world, SECOND)

    assert set(reasons(world, SECOND).values()) == {"NoPredecessor"}


async def test_a_session_that_has_gone_on_from_a_set_keeps_it_no_longer_than_the_count_says(
    world: World,
) -> None:
    """One is kept: the set that the next session goes on from, and not the one before it."""
    await world.run()
    await back_up(world, SECOND)

    kept = {folded(each.snapshot_id) for each in world.status(SECOND).snapshot_set}
    assert {folded(each) for each in world.azure.snapshots} == kept


async def test_the_predecessors_of_an_unfinished_session_are_pruned_by_nobody(
    world: World,
) -> None:
    """Another session, of the same policy, deletes what is beyond its count meanwhile."""
    await world.run()
    world.clock.turn(3600)
    world.sessions.put(session_of(SECOND))
    await world.run_until("WorkerReady", SECOND)
    kept = {folded(each.snapshot_id) for each in predecessors(world, SECOND)}

    assert all(world.ground.book.names(each) for each in kept)
    assert world.status(SECOND).exports == ()


async def test_the_snapshots_of_another_resource_group_are_not_asked_for(world: World) -> None:
    """An appliance before this one took them: who may not see them would get no backup at all."""
    await world.run()
    theirs = world.ground.settings.appliance
    settings = world.ground.settings
    other = replace(settings, appliance=replace(theirs, resource_group="another"))
    snapshots = NothingElsewhere(world.azure, world.ring)
    world.ground = dataclasses.replace(world.ground, settings=other, snapshots=snapshots)
    world.reconciler = SessionReconciler(world.ground, backup_sessions(world.booked))
    await back_up(world, SECOND)

    assert set(reasons(world, SECOND).values()) == {"PredecessorGone"}


class NothingElsewhere(MemorySnapshots):
    """Snapshots of whose own group alone anything may be seen."""

    @override
    async def find(self, snapshot_id: ArmId) -> SnapshotSeen | None:
        if resource_group_of(snapshot_id) != "another":
            raise PermanentError(f"{snapshot_id}: not authorized", reason="NotAuthorized")
        return await super().find(snapshot_id)
