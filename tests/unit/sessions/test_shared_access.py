"""Azure gives one SAS for a snapshot: sessions that read one share it, and the last ends it."""

from __future__ import annotations

from collections import Counter

from msgspec.structs import replace

from tests.unit.verifications.reading_worlds import READING, backed_up_world, verification
from tests.worlds.memory_azure import AWAY
from tests.worlds.memory_world import World
from tests.worlds.samples import KEY, machine, session_of
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.session_findings import Export

NEXT = ObjectKey("team", "nightly-2")


async def two_readers() -> tuple[World, set[str]]:
    """Return a verification that reads a set, and a backup whose changes are counted from it."""
    world = World()
    world.add(machine(disks=2, region=AWAY))
    await backed_up_world(world)
    world.azure.max_workers = 2
    world.sessions.put(verification(reread=0, sample=8))
    await world.run_until("ExportGranted", READING)
    world.sessions.put(session_of(NEXT))
    await world.run_until("ExportGranted", NEXT)
    return world, {folded(each.snapshot_id) for each in world.status(KEY).snapshot_set}


def granted(world: World) -> Counter[str]:
    asked = [each for each in world.azure.order if each.startswith("grant ")]
    return Counter(folded(each.removeprefix("grant ")) for each in asked)


def exports(world: World, key: ObjectKey) -> dict[str, Export]:
    return {folded(each.snapshot_id): each for each in world.status(key).exports}


async def test_the_second_one_takes_what_the_first_was_granted() -> None:
    world, shared = await two_readers()
    first, second = exports(world, READING), exports(world, NEXT)

    assert shared <= first.keys() & second.keys()
    for each in shared:
        assert first[each].disk_access_id == second[each].disk_access_id
        assert first[each].expires_at == second[each].expires_at
        assert granted(world)[each] == 2  # by the backup that took it, and by the verification


async def test_the_one_that_ends_first_leaves_the_other_its_access() -> None:
    for first, last in ((READING, NEXT), (NEXT, READING)):
        world, shared = await two_readers()
        await world.run_until("AccessRevoked", first)
        assert shared <= set(world.azure.sas)
        assert "still read by another session" in world.condition("AccessRevoked", first).message

        await world.run(first, last)
        assert world.azure.sas == {}
        assert [world.status(key).attempt for key in (first, last)] == [1, 1]
        assert [world.status(key).outcome for key in (first, last)] == ["Succeeded"] * 2


async def test_what_one_has_renewed_the_other_takes_over_and_ends_nothing() -> None:
    world, shared = await two_readers()
    status = world.status(NEXT)
    worn = tuple(replace(each, expires_at=None) for each in status.exports)
    session = world.sessions.stored[NEXT]
    world.sessions.put(replace(session, status=replace(status, exports=worn)))
    world.start()
    ended = [each for each in world.azure.order if each.startswith("revoke ")]
    for _ in range(6):
        await world.look_again(NEXT)
        world.clock.turn(1)

    later = [each for each in world.azure.order if each.startswith("revoke ")][len(ended) :]
    assert not {folded(each.removeprefix("revoke ")) for each in later} & shared
    await world.run(NEXT, READING)
    assert world.azure.sas == {}
