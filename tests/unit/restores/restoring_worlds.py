"""Worlds that hold a recovery point, and sessions that bring it back."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from tests.worlds.made_disk import MadeDisk
from tests.worlds.memory_azure import AWAY, SUBSCRIPTION
from tests.worlds.memory_points import HELD_BYTES, SnapshotBytes
from tests.worlds.memory_world import World
from tests.worlds.samples import machine, session_of
from vmbackup_core.repository.control.chains.holds import all_holds
from vmbackup_operator.model.metadata import Metadata, ObjectKey
from vmbackup_operator.model.references import ObjectReference
from vmbackup_operator.model.restore_session import (
    RestoreKey,
    RestoreSession,
    RestoreSessionSpec,
    RestoreTarget,
)
from vmbackup_operator.sessions.left_behind import LeftBehind
from vmbackup_operator.wiring.tables import UNDO

RESTORE = RestoreKey("team", "bring-back")
TARGET = RestoreTarget(SUBSCRIPTION, "restored", AWAY, disk_sku="Premium_LRS")


def restore(world: World, key: ObjectKey = RESTORE, /, **spec: Any) -> RestoreSession:
    """Return a session that brings the world's only recovery point back."""
    point = next(iter(world.point_objects.stored.values()))
    wanted = RestoreSessionSpec(
        recovery_point_ref=ObjectReference(point.metadata.name), mode="Disks", target=TARGET
    )
    fields = {name: getattr(wanted, name) for name in wanted.__struct_fields__} | spec
    uid = f"{zlib.crc32(str(key).encode()):08x}-0000-4000-8000-000000000000"
    metadata = Metadata(key.name, key.namespace, uid=uid, generation=1)
    return RestoreSession(metadata, RestoreSessionSpec(**fields))


def cancelled(session: RestoreSession) -> RestoreSession:
    """Return the session as its user has cancelled it."""
    return replace(session, spec=replace(session.spec, cancel=True))


def cancel(world: World) -> None:
    """Cancel the world's restore, as its user does."""
    world.restores.put(cancelled(world.restores.stored[RESTORE.at]))


def take_away(world: World) -> None:
    """Have the restore go without its finalizer: nothing of it is left but records."""
    del world.restores.stored[RESTORE.at]
    world.restores.gone(RESTORE.at)


async def cancelled_when(world: World, condition: str, is_so: Callable[[World], bool]) -> World:
    """Return *world* with its restore cancelled as soon as something is so, behind *condition*."""
    await world.run_until(condition, RESTORE)
    for _ in range(40):
        if is_so(world):
            break
        await world.look_again(RESTORE)
    assert is_so(world)
    cancel(world)
    return world


async def backed_up_world(
    disks: int = 2, made: World | None = None, *, keeps: bool = False
) -> World:
    """Return a world after a backup of its VM, and before anything else.

    *keeps*: its VM is the one that *made* has.
    """
    world = made or World()
    if not keeps:
        world.add(machine(disks=disks))
    world.sessions.put(session_of())
    await world.run()
    assert world.status().outcome == "Succeeded"
    world.woken.clear()
    world.azure.asked.clear()
    return world


async def restoring_world(machine_disks: int = 2, **spec: Any) -> World:
    """Return a world with a session that is to bring its point back."""
    world = await backed_up_world(machine_disks)
    world.restores.put(restore(world, **spec))
    return world


def made_disks(world: World) -> list[MadeDisk]:
    """Return the disks that were made, in order of name."""
    return [world.azure.disks[each] for each in sorted(world.azure.disks)]


def is_as_backed_up(world: World, disk: MadeDisk) -> bool:
    """Tell whether the disk holds, byte for byte, what its snapshot held when it was read."""
    said = next(
        each
        for each in next(iter(world.points.points.values())).disks
        if disk.id.rsplit("/", 1)[-1].startswith(each.name)
    )
    wanted, found = bytearray(HELD_BYTES), bytearray(HELD_BYTES)
    SnapshotBytes(said.snapshot_unique_id).read_into(0, memoryview(wanted))
    for offset, data in disk.written.items():
        found[offset : offset + len(data)] = data
    return bytes(found) == bytes(wanted) and disk.has_footer


def holders(world: World) -> list[str]:
    """Return the runs that hold manifests in the repository."""
    return [each.holder for each in all_holds(world.points.open().log.control)]


async def undo_what_is_left(world: World) -> None:
    """Do what the operator does every few minutes for sessions that have gone."""
    left = LeftBehind(world.ground, UNDO)
    for _ in range(30):
        await left.reconcile()
        world.clock.turn(10)
