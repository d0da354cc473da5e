"""Worlds that have something to be read back, and sessions that do so."""

from __future__ import annotations

from tests.worlds.memory_points import CONTAINER
from tests.worlds.memory_world import World
from tests.worlds.samples import VM, session_of
from vmbackup_core.repository.control.chains.holds import all_holds
from vmbackup_operator.model.backup_session import BackupSession, VerifySpec
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.naming import ArmId

READING = ObjectKey("team", "verify-1")


def verification(
    key: ObjectKey = READING,
    vm_id: ArmId = VM,
    reread: int = 1000,
    sample: int = 0,
    **spec: object,
) -> BackupSession:
    """Return a session that reads back the VM's data, and so many in a thousand old packs.

    Of each disk it compares *sample* blocks with a snapshot.
    """
    wanted = VerifySpec(reread, sample)
    return session_of(key, vm_id, "", type="Verify", verify=wanted, **spec)


async def backed_up_world(made: World | None = None) -> World:
    """Return a world after a backup of its VM."""
    world = made or World()
    world.sessions.put(session_of())
    await world.run()
    assert world.status().outcome == "Succeeded"
    world.woken.clear()
    return world


def holders(world: World) -> list[str]:
    """Return the runs that hold manifests in the repository."""
    return [each.holder for each in all_holds(world.points.open().log.control)]


def proven(world: World) -> dict[str, int]:
    """Return how many packs the log says were read back, by what was proven."""
    found: dict[str, int] = {}
    for (_, what, _), each in world.points.open().reading().state.proven.items():
        found[what] = found.get(what, 0) + each.amount
    return found


def packs(world: World) -> list[str]:
    """Return the names of all packs."""
    data = world.points.containers.container(CONTAINER)
    return sorted(each.name for each in data.list("") if "/p/" in each.name)
