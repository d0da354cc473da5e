"""Worlds whose VM has snapshot sets that stand alone, and what there is of these."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from tests.unit.restores.restoring_worlds import RESTORE, TARGET
from tests.worlds.memory_policies import policy
from tests.worlds.memory_world import World
from tests.worlds.samples import VM, machine, session_of
from vmbackup_core.ids import RunId
from vmbackup_operator.model.backup_policy import BackupPolicy
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.metadata import Metadata, ObjectKey
from vmbackup_operator.model.recovery_point import RecoveryPoint
from vmbackup_operator.model.references import ObjectReference
from vmbackup_operator.model.restore_session import RestoreSession, RestoreSessionSpec
from vmbackup_operator.model.retention import Retention
from vmbackup_operator.sessions.tags import open_tags

SETS = ObjectKey("team", "sets")


def snapshot_session(key: ObjectKey = SETS, **spec: Any) -> BackupSession:
    """Return a session that takes a set of the samples' VM."""
    made = session_of(key)
    wanted = {"type": "Snapshot", "repository_ref": None} | spec
    fields = {name: getattr(made.spec, name) for name in made.spec.__struct_fields__} | wanted
    return replace(made, spec=type(made.spec)(**fields))


def snapshotting_world(**spec: Any) -> World:
    world = World()
    world.add(machine(disks=2))
    world.sessions.put(snapshot_session(**spec))
    return world


async def taken(world: World, number: int, **spec: Any) -> RunId:
    """Take another set, an hour after the one before, and return its run."""
    key = ObjectKey("team", f"sets-{number}")
    world.clock.turn(3600)
    world.sessions.put(snapshot_session(key, **spec))
    await world.run(key)
    status = world.status(key)
    assert status.outcome == "Succeeded", status.message
    assert status.run_id is not None
    return status.run_id


def policy_of_sets(**retention: int) -> BackupPolicy:
    """Return a policy that takes sets of the samples' VM."""
    return replace(
        policy(VM, type="Snapshot", repository_ref=None, retention=Retention(**retention)),
        metadata=Metadata("hourly", "team", uid="p-1", generation=1),
    )


def points(world: World) -> dict[RunId, RecoveryPoint]:
    return {each.spec.run_id: each for each in world.point_objects.stored.values()}


def runs(world: World) -> set[RunId]:
    """Return the runs of the snapshots that there are, by their sealed tags."""
    return {
        open_tags(world.ground.ring, each.id, each.tags).run_id
        for each in world.azure.snapshots.values()
    }


def bring_back(world: World, **spec: Any) -> RestoreSession:
    """Return a session that brings the world's oldest point back from its snapshots."""
    point = min(world.point_objects.stored.values(), key=lambda each: each.spec.created_at)
    wanted: dict[str, Any] = {
        "recovery_point_ref": ObjectReference(point.metadata.name),
        "mode": "Disks",
        "target": TARGET,
        "source": "Snapshots",
    }
    metadata = Metadata(RESTORE.name, RESTORE.namespace, uid="u-1", generation=1)
    return RestoreSession(metadata, RestoreSessionSpec(**(wanted | spec)))


async def kept_world(**spec: Any) -> World:
    world = snapshotting_world()
    await world.run(SETS)
    world.azure.order.clear()
    world.restores.put(bring_back(world, **spec))
    return world
