"""The tags on what sessions make: the settings', and those that prove whose it is."""

from __future__ import annotations

import dataclasses

import msgspec
from typing_extensions import override

from tests.worlds.memory_azure import APPLIANCE
from tests.worlds.memory_workers import MemoryWorkers
from tests.worlds.memory_world import World
from tests.worlds.samples import RING, session_of
from vmbackup_operator.sessions.reconciler import SessionReconciler
from vmbackup_operator.sessions.seen import WorkerSeen, WorkerWanted
from vmbackup_operator.wiring.tables import backup_sessions


class RecordedWorkers(MemoryWorkers):
    """Workers that keep what was asked for."""

    asked: WorkerWanted | None = None

    @override
    async def ensure(self, wanted: WorkerWanted) -> WorkerSeen:
        self.asked = wanted
        return await super().ensure(wanted)


async def test_snapshots_carry_the_settings_tags_and_workers_prove_whose_they_are() -> None:
    world = World()
    world.sessions.put(session_of())
    workers = RecordedWorkers(world.azure, RING)
    settings = msgspec.structs.replace(world.ground.settings, tags={"team": "backup"})
    world.ground = dataclasses.replace(world.ground, settings=settings, workers=workers)
    world.reconciler = SessionReconciler(world.ground, backup_sessions(world.sessions))

    while workers.asked is None:
        world.clock.turn(await world.look() or 0)

    tags = [each.tags for each in world.azure.snapshots.values()]
    assert [each["team"] for each in tags] == ["backup"] * len(tags)
    assert tags
    assert RING.ownership(APPLIANCE).owns(workers.asked.vm_id, workers.asked.tags)
