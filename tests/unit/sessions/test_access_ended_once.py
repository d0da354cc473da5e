"""Access to a snapshot is ended once, however long that of the set's others takes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from typing_extensions import override

from tests.worlds.memory_snapshots import MemorySnapshots
from tests.worlds.memory_world import World
from tests.worlds.samples import session_of
from vmbackup_operator.naming import ArmId
from vmbackup_operator.sessions.reconciler import SessionReconciler
from vmbackup_operator.wiring.tables import backup_sessions


class SlowLast(MemorySnapshots):
    """Tells the end of each once, and of the last of a set much later."""

    def __init__(self, world: World) -> None:
        super().__init__(world.azure, world.ring)
        self.begun: Counter[str] = Counter()
        self._looks: Counter[str] = Counter()

    @override
    async def revoke(self, snapshot_id: ArmId) -> bool:
        if self._looks[snapshot_id] == 0:
            self.begun[snapshot_id] += 1
        self._looks[snapshot_id] += 1
        closed = await super().revoke(snapshot_id)
        least = 8 if snapshot_id.endswith("-2") else 2
        if not closed or self._looks[snapshot_id] < least:
            return False
        self._looks[snapshot_id] = 0  # told once: who asks again, asks Azure anew
        return True


async def test_each_snapshot_of_a_set_is_closed_once() -> None:
    world = World()
    world.sessions.put(session_of())
    slow = SlowLast(world)
    world.ground = replace(world.ground, snapshots=slow)
    world.reconciler = SessionReconciler(world.ground, backup_sessions(world.booked))

    await world.run()

    assert world.status().outcome == "Succeeded"
    assert sorted(slow.begun.values()) == [1, 1, 1]
    assert world.azure.sas == {}
    assert world.ground.closed == set()
