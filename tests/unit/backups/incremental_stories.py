"""What tests of incremental backups tell of sessions that follow each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.worlds.memory_world import World
from tests.worlds.samples import session_of
from vmbackup_core.protocol import BackupJob, DiskToBackUp, Fallback, FallbackReason
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.session_findings import Predecessor

SECOND, THIRD, FOURTH = (ObjectKey("team", name) for name in ("second", "third", "fourth"))


async def back_up(world: World, key: ObjectKey, **spec: Any) -> None:
    world.clock.turn(3600)
    world.sessions.put(session_of(key, **spec))
    await world.run(key)
    assert world.status(key).outcome == "Succeeded"


def predecessors(world: World, key: ObjectKey) -> tuple[Predecessor, ...]:
    resolved = world.status(key).resolved
    assert resolved is not None
    return resolved.predecessors


def reasons(world: World, key: ObjectKey) -> dict[str, str]:
    return {each.disk: each.reason for each in world.status(key).full_reads}


def kinds(world: World, key: ObjectKey) -> dict[str, str]:
    return {each.disk: each.kind for each in world.status(key).disks}


def told(world: World, reason: str) -> list[str]:
    return [each[-1] for each in world.events.told if each[-2] == reason]


def job_of(world: World, key: ObjectKey) -> BackupJob:
    run = world.status(key).run_id
    return [job for _, _, job in world.jobs if job.run_id == run][-1]


def falling_back(
    reason: FallbackReason, lun: int | None
) -> Callable[[DiskToBackUp], Fallback | None]:
    """Return how an agent behaves that reads one disk whole for this reason."""

    def behave(disk: DiskToBackUp) -> Fallback | None:
        return Fallback.of(reason, "status 409") if disk.grant.disk.lun == lun else None

    return behave
