"""Which RecoveryPoint objects there are after a pass: those of the newest points, and no other."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.worlds.memory_azure import APPLIANCE, AWAY
from tests.worlds.memory_objects import as_stored
from tests.worlds.memory_upkeep import REPOSITORY, UpkeepWorld
from tests.worlds.samples import VM
from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import ChainId, CommitSlot, DiskUniqueId, RunId, SnapshotUniqueId
from vmbackup_core.repository.control.points.points import PointDisk
from vmbackup_operator.model.recovery_point import RecoveryPoint
from vmbackup_operator.model.references import ObjectReference
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.sessions.point_mirror import mirror_of
from vmbackup_operator.sessions.seen import PointSeen

DISK = PointDisk(
    id=f"{VM}-os",
    name="web-01-os",
    unique_id=DiskUniqueId("web-01-unique"),
    lun=None,
    size_bytes=2**30,
    snapshot_id=f"{VM}-snapshot",
    snapshot_unique_id=SnapshotUniqueId("snapshot"),
    chain_id=ChainId("c" * 32),
    slot=CommitSlot(1),
    commit_sha256="0" * 64,
    manifest=f"m/00000/001/{'a' * 32}",
    manifest_sha256="1" * 64,
    read_bytes=2**20,
    stored_bytes=2**19,
)


def point(world: UpkeepWorld, number: int) -> PointSeen:
    created_at = world.clock.now() - timedelta(days=number)
    return PointSeen(RunId(f"{number:032x}"), created_at, VM, "web-01", (DISK,), AWAY, "nightly")


def mirror(world: UpkeepWorld, seen: PointSeen) -> RecoveryPoint:
    return mirror_of(seen, world.repository, APPLIANCE)


def shown(world: UpkeepWorld) -> set[RunId]:
    return {each.spec.run_id for each in world.point_objects.stored.values()}


async def test_what_is_missing_is_made_and_what_has_gone_is_removed(world: UpkeepWorld) -> None:
    kept, lost, gone = (point(world, number) for number in (1, 2, 3))
    for each in (kept, gone):
        await world.point_objects.ensure(mirror(world, each))
    world.mirror.points = [kept, lost]

    await world.pass_night()

    assert shown(world) == {kept.run_id, lost.run_id}
    assert world.record("Mirror").message == "2 RecoveryPoints shown, 1 made, 1 removed"
    there = frozenset({kept.run_id, gone.run_id})
    assert world.mirror.asked == [(there, ""), (there, "1")]


async def test_an_object_that_came_while_the_points_are_looked_at_stays(
    world: UpkeepWorld,
) -> None:
    """A backup that ends beside the job: its point counted before its object was made."""
    world.mirror.points = [point(world, number) for number in range(1, 4)]
    came = point(world, 9)

    def meet(_what: str) -> None:
        made = as_stored(mirror(world, came))
        world.point_objects.stored.setdefault(made.metadata.key, made)

    world.mirror.meets = meet
    await world.pass_night()

    assert came.run_id in shown(world)
    assert world.point_objects.deleted == []


async def test_an_object_that_a_crash_left_half_made_is_made_whole(world: UpkeepWorld) -> None:
    half, seen = point(world, 1), world.point_objects
    await seen.create(mirror(world, half))
    world.mirror.points = [half]

    await world.pass_night()

    (made,) = seen.stored.values()
    assert (made.status.size, made.status.stored) == ("1.0 GiB", "512 KiB")


async def test_what_somebody_made_by_another_name_goes(world: UpkeepWorld) -> None:
    """It keeps the point's own object from nothing."""
    seen = point(world, 1)
    made = mirror(world, seen)
    await world.point_objects.ensure(replace(made, metadata=replace(made.metadata, name="mine")))
    world.mirror.points = [seen]

    await world.pass_night()

    assert [each.name for each in world.point_objects.stored] == [made.metadata.name]


async def test_another_objects_mirrors_of_the_same_repository_are_left_and_not_made_again(
    world: UpkeepWorld,
) -> None:
    seen, expired = point(world, 1), point(world, 2)
    for each in (seen, expired):
        made = mirror(world, each)
        theirs = replace(made.spec, repository_ref=ObjectReference("again", "team"))
        await world.point_objects.ensure(replace(made, spec=theirs))
    world.mirror.points = [seen]
    writes = world.point_objects.writes

    await world.pass_night()

    assert (world.point_objects.writes, world.point_objects.deleted) == (writes, [])
    assert world.record("Mirror").message == "1 RecoveryPoint shown"


async def test_one_that_the_cluster_refuses_keeps_no_other_away_and_is_told_of(
    world: UpkeepWorld,
) -> None:
    refused, kept, gone = (point(world, number) for number in (1, 2, 3))
    await world.point_objects.ensure(mirror(world, gone))
    world.mirror.points = [dataclasses.replace(refused, virtual_machine_name="x" * 81), kept]

    await world.pass_night()

    assert shown(world) == {kept.run_id}
    assert world.outcomes()["Mirror"] == "Failed"
    message = world.record("Mirror").message
    assert "1 RecoveryPoint not made" in message
    assert message.endswith("1 RecoveryPoint shown, 1 made, 1 removed")
    assert world.outcomes()["Prune"] == "Succeeded"


async def test_where_the_cluster_takes_none_not_all_are_tried(world: UpkeepWorld) -> None:
    tried = 0

    def meet(what: str) -> None:
        nonlocal tried
        if what == "before a session":
            tried += 1
            raise PermanentError("exceeded quota", reason="NotAuthorized")

    world.mirror.points = [point(world, number) for number in range(1, 51)]
    world.point_objects.meets = meet
    await world.pass_night()

    assert tried == 20
    assert world.record("Mirror").message.startswith(
        "NotAuthorized: 50 RecoveryPoints not made: exceeded quota; 0 RecoveryPoints shown"
    )


async def test_many_are_removed_in_pieces_each_of_them_once(world: UpkeepWorld) -> None:
    for number in range(1, 251):
        await world.point_objects.ensure(mirror(world, point(world, number)))

    await world.pass_night()

    assert shown(world) == set()
    assert len(world.point_objects.deleted) == 250
    assert world.record("Mirror").message == "0 RecoveryPoints shown, 250 removed"


async def test_where_nothing_changed_nothing_is_written(world: UpkeepWorld) -> None:
    world.mirror.points = [point(world, 1)]
    await world.pass_night()
    writes = world.point_objects.writes

    await world.pass_night()

    assert world.point_objects.writes == writes
    assert world.record("Mirror").message == "1 RecoveryPoint shown"


async def test_a_damaged_point_keeps_its_object_and_gets_none(world: UpkeepWorld) -> None:
    there, absent = point(world, 1), point(world, 2)
    await world.point_objects.ensure(mirror(world, there))
    world.mirror.unseen = {there.run_id, absent.run_id}

    await world.pass_night()

    assert shown(world) == {there.run_id}
    said = "1 RecoveryPoint shown, 1 point could not be looked at"
    assert world.record("Mirror").message == said


async def test_while_the_repository_is_at_work_nothing_is_made_or_removed(
    world: UpkeepWorld,
) -> None:
    gone = point(world, 1)
    await world.point_objects.ensure(mirror(world, gone))
    world.mirror.waiting = Waiting(2, "the repository is at work")

    await world.pass_time(3600)
    assert shown(world) == {gone.run_id}

    world.mirror.waiting = None
    await world.pass_time(3600)
    assert shown(world) == set()


@pytest.mark.parametrize(("reason", "stays"), [("HistoryRolledBack", True), ("ReadOnly", False)])
async def test_a_history_that_was_put_back_is_not_shown_until_it_is_accepted(
    world: UpkeepWorld, reason: str, *, stays: bool
) -> None:
    """Another appliance's repository is shown as it is: nothing of it is deleted by that."""
    before = point(world, 1)
    await world.point_objects.ensure(mirror(world, before))
    world.say_ready(reason)

    await world.pass_night()

    assert (shown(world) == {before.run_id}) is stays
    assert world.outcomes()["Mirror"] == ("Left" if stays else "Succeeded")


async def test_killed_at_any_write_the_next_look_makes_it_whole() -> None:
    at = 0
    while True:
        world = UpkeepWorld()
        await world.settle()
        kept, gone = point(world, 1), point(world, 2)
        await world.point_objects.ensure(mirror(world, gone))
        world.mirror.points = [kept]
        met = await killed_once(world, at)
        assert shown(world) == {kept.run_id}
        if not met:
            break
        at += 1
    assert at > 5


async def killed_once(world: UpkeepWorld, at: int) -> bool:
    """Let a night pass in which the operator dies at its write number *at*, if it comes to it."""
    count, met = 0, False

    def meet(_what: str) -> None:
        nonlocal count, met
        count += 1
        if count == at + 1:
            met = True
            raise Killed

    world.meets(meet)
    try:
        await world.pass_night()
    except Killed:
        world.meets(lambda _what: None)
        world.start()
        await world.pass_night()
    world.meets(lambda _what: None)
    return met


class Killed(BaseException):
    """The process is gone."""


def test_the_repository_of_the_tests_is_the_one_that_objects_name() -> None:
    world = UpkeepWorld()
    reference = mirror(world, point(world, 1)).spec.stored_in
    assert reference.key_from("elsewhere") == REPOSITORY
