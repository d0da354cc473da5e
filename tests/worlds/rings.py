"""Key rings over their life, and what tells in a world which keys sealed what."""

from __future__ import annotations

from tests.worlds.memory_azure import APPLIANCE, AWAY, SUBSCRIPTION
from tests.worlds.memory_world import World
from vmbackup_operator.backups.resealing import LOOK_S, OldSeals
from vmbackup_operator.naming import environment_names
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.sessions.idling import IdleWorkers, WorkerGroup
from vmbackup_operator.sessions.keys import ApplianceKey, KeyRing
from vmbackup_operator.sessions.tags import SEALED_TAG

OLD, NEW = ApplianceKey("k1", bytes(32)), ApplianceKey("k2", b"2" * 32)
FIRST = KeyRing(OLD, {"k1": OLD})
ROTATED = KeyRing(NEW, {"k1": OLD, "k2": NEW})
DROPPED = KeyRing(NEW, {"k2": NEW})


def restart(world: World, ring: KeyRing) -> None:
    """Start the operator anew with *ring*: it is read at the start."""
    world.ring = ring
    world.start()


def sealing_keys(world: World) -> list[str]:
    """Return the ids of the keys that sealed each snapshot there is."""
    return [each.tags[SEALED_TAG].split(" ")[1] for each in world.azure.snapshots.values()]


def altered_sets(world: World) -> list[str]:
    """Return what people were told of sets that do not verify."""
    return [said for _, reason, said in world.events.told if reason == "SnapshotSetAltered"]


async def pass_over_idle_workers(world: World) -> None:
    names = environment_names(APPLIANCE, SUBSCRIPTION, AWAY)

    async def groups() -> list[WorkerGroup]:
        return [WorkerGroup(SUBSCRIPTION, names.resource_group)]

    await IdleWorkers(world.ground, groups).reconcile()


async def pass_over_snapshots(world: World) -> int:
    """Have old seals looked for until nothing is due; return after how many looks that was."""
    for looks in range(1, 100):
        answer = await OldSeals(world.ground).reconcile()
        assert isinstance(answer, Waiting)
        if answer.seconds > LOOK_S:
            return looks
        world.clock.turn(answer.seconds)
    raise AssertionError("it never comes to an end")
