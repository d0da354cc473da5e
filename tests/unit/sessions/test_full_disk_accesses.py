"""A disk access that somebody else fills refuses exports: they go through another one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.worlds.memory_azure import APPLIANCE, AWAY, SUBSCRIPTION
from tests.worlds.memory_world import World
from tests.worlds.samples import KEY, VM, machine, session_of
from vmbackup_core.ids import DiskUniqueId
from vmbackup_operator.arm_ids import same_id
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.naming import ArmId, arm_id, environment_names, name_of
from vmbackup_operator.sessions.ground import Pacing
from vmbackup_operator.sessions.seen import SnapshotSeen

NAMES = environment_names(APPLIANCE, SUBSCRIPTION, AWAY)
SECOND = ObjectKey("team", "second")
SECOND_VM = ArmId(VM.replace("web-01", "web-02"))


def access(number: int) -> ArmId:
    kind = "Microsoft.Compute/diskAccesses"
    return arm_id(SUBSCRIPTION, NAMES.resource_group, kind, NAMES.disk_access(number))


def fill(world: World, number: int, exports: int = 5) -> None:
    """Have somebody else's snapshots exported through the disk access."""
    for each in range(exports):
        kind = "Microsoft.Compute/snapshots"
        key = arm_id(SUBSCRIPTION, "theirs", kind, f"theirs-{number}-{each}")
        world.azure.snapshots[key.lower()] = foreign(world, key, access(number))


def foreign(world: World, key: ArmId, through: ArmId) -> SnapshotSeen:
    ours = next(iter(world.azure.snapshots.values()))
    theirs = replace(ours, id=key, tags={}, source_unique_id=DiskUniqueId(key), exported=True)
    return replace(theirs, ready=True, network_access="AllowPrivate", disk_access_id=through)


def ways(world: World, key: ObjectKey = KEY) -> list[str]:
    exports = world.status(key).exports
    return sorted(name_of(ArmId(each.disk_access_id or "")) for each in exports)


def exported(world: World, number: int) -> int:
    """Return how many snapshots of ours are exported through the disk access."""
    ours = [each for each in world.azure.snapshots.values() if each.tags and each.exported]
    return len([each for each in ours if same_id(each.disk_access_id or "", access(number))])


async def test_what_a_full_one_refuses_goes_through_another_one(world: World) -> None:
    await world.run_until("SnapshotsReady")
    fill(world, 0)

    await world.run_until("ExportGranted")
    through = ways(world)
    await world.run()

    assert through == [NAMES.disk_access(1)] * 3
    assert (world.status().outcome, world.status().attempt) == ("Succeeded", 1)


async def test_what_it_granted_stays_where_it_is(world: World) -> None:
    await world.run_until("SnapshotsReady")
    fill(world, 0, exports=4)

    await world.run_until("ExportGranted")

    assert ways(world) == [NAMES.disk_access(0)] + [NAMES.disk_access(1)] * 2
    assert (exported(world, 0), exported(world, 1)) == (1, 2)


async def test_who_comes_next_does_not_ask_there_again_for_a_while(world: World) -> None:
    await world.run_until("SnapshotsReady")
    fill(world, 0)
    await world.run_until("ExportGranted")
    world.add(machine(vm_id=SECOND_VM))
    world.azure.max_workers = 2
    world.sessions.put(session_of(SECOND, SECOND_VM))

    await world.run_until("ExportGranted", SECOND)
    tied = [what for what in world.azure.order if what.startswith("associate")]

    assert ways(world, SECOND) == [NAMES.disk_access(1)] * 2 + [NAMES.disk_access(2)]
    assert len(tied) == 3 + 3 + 3  # the first one's twice, its own once


async def test_one_that_is_filled_while_access_is_renewed_is_left_as_well() -> None:
    world = World(pacing=Pacing(credentials_s=1200, longest_repository_access_s=1200))
    world.sessions.put(session_of())
    await world.run_until("ExportGranted")
    before = ways(world)
    world.silent_workers |= {worker.id for worker in world.azure.workers.values()}
    world.clock.turn(1100)
    while any(world.azure.open_sas(each) for each in list(world.azure.sas)):
        await world.look_again()
    fill(world, 0)
    world.silent_workers.clear()

    await world.run()

    assert before == [NAMES.disk_access(0)] * 3
    assert world.status().outcome == "Succeeded"
    assert access(1).lower() in world.azure.disk_accesses


async def test_a_refusal_that_follows_everywhere_makes_few_and_stands_in_the_end() -> None:
    world = World()
    world.sessions.put(session_of(retry_limit=0))
    await world.run_until("SnapshotsReady")
    for number in range(20):
        fill(world, number)
    began = world.clock.now()

    await world.run(limit=2000)

    failed = world.condition("Failed")
    assert (world.status().outcome, failed.reason) == ("Failed", "OperationNotAllowed")
    assert "exports five already" in failed.message
    assert len(world.azure.disk_accesses) == 4
    assert timedelta(minutes=10) <= world.clock.now() - began < timedelta(minutes=30)
