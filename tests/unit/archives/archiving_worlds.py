"""Worlds that hold a recovery point, a repository for archives, and sessions that copy it there."""

from __future__ import annotations

from msgspec.structs import replace

from tests.unit.repository.opened.whole_bench import finish_all
from tests.worlds.memory_cluster import archive_repository
from tests.worlds.memory_points import ARCHIVES, CONTAINER
from tests.worlds.memory_world import World
from tests.worlds.samples import VM, machine, session_of
from vmbackup_core.repository.control.chains.holds import all_holds
from vmbackup_core.repository.control.points.points import RecoveryPoint
from vmbackup_core.repository.control.retention.prune_plan import PrunePlan
from vmbackup_core.repository.primitives.parsed_names import PackName, is_pack, parse_data
from vmbackup_operator.model.backup_session import ArchiveSpec, BackupSession
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.references import ObjectReference
from vmbackup_operator.naming import ArmId
from vmbackup_operator.sessions.left_behind import LeftBehind
from vmbackup_operator.wiring.tables import UNDO

ARCHIVING = ObjectKey("team", "archive-1")
INTO = ObjectReference("archive", "team")


def archiving(
    world: World, key: ObjectKey = ARCHIVING, vm_id: ArmId = VM, /, **spec: object
) -> BackupSession:
    """Return a session that copies the world's first recovery point."""
    point = next(iter(world.point_objects.stored.values()))
    reference = ObjectReference(point.metadata.name, point.metadata.namespace)
    asked = {"repository_ref": INTO, "archive": ArchiveSpec(reference)} | spec
    return session_of(key, vm_id, "", type="Archive", **asked)


async def backed_up_world(disks: int = 2, made: World | None = None) -> World:
    """Return a world after a backup of its VM, with a repository for archives."""
    world = made or World()
    world.repositories.put(archive_repository())
    world.add(machine(disks=disks))
    world.sessions.put(session_of())
    await world.run()
    assert world.status().outcome == "Succeeded"
    world.woken.clear()
    return world


async def archiving_world(disks: int = 2, **spec: object) -> World:
    """Return a world with a session that is to copy its point."""
    world = await backed_up_world(disks)
    world.sessions.put(archiving(world, **spec))
    return world


def archived_points(world: World) -> list[RecoveryPoint]:
    """Return the points that count in the archive repository."""
    return [each.point for each in world.points.open(ARCHIVES).points()]


def holders(world: World) -> list[str]:
    """Return who holds manifests in either repository."""
    return [
        each.holder
        for container in (CONTAINER, ARCHIVES)
        for each in all_holds(world.points.open(container).log.control)
    ]


def archived_packs(world: World) -> list[str]:
    """Return the names of the packs in the archive repository."""
    names = (each.name for each in world.points.containers.container(ARCHIVES).list(""))
    return [name for name in names if isinstance(parse_data(name), PackName)]


def archive_packs(world: World) -> None:
    """Have the packs of the backup repository put into the Archive tier, as a rule of Azure's."""
    data = world.points.containers.container(CONTAINER)
    for each in list(data.list("")):
        if is_pack(each.name):
            data.archive(each.name)


def alter_repository(world: World, key: ObjectKey, /, **spec: object) -> None:
    """Have the BackupRepository say something else."""
    there = world.repositories.stored[key]
    world.repositories.put(replace(there, spec=replace(there.spec, **spec)))


async def undo_what_is_left(world: World) -> None:
    left = LeftBehind(world.ground, UNDO)
    for _ in range(20):
        await left.reconcile()
        world.clock.turn(10)


def prune(world: World) -> None:
    """Have deleted what nothing needs in the archive repository, commits without a point first."""
    upkeep = world.points.open(ARCHIVES).upkeep
    for chain in upkeep.chains():
        upkeep.begin_expire(upkeep.plan_expire_commits(chain, lambda _run: True))
    finish_all(upkeep)
    for plan in upkeep.plan_prune():
        if isinstance(plan, PrunePlan):
            upkeep.prune(plan, lambda: None)
        else:
            assert plan.is_empty, plan
