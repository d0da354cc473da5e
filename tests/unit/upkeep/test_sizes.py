"""The size that a repository's status says."""

from __future__ import annotations

from tests.worlds.memory_upkeep import UpkeepWorld
from vmbackup_operator.upkeep.ports import JobDone


async def test_the_size_stays_as_the_last_prune_that_saw_all_of_the_repository_said(
    world: UpkeepWorld,
) -> None:
    sizes = []
    for stored_bytes in (4096, None, 0):
        world.jobs.finds["Prune"] = JobDone("chains looked at", stored_bytes=stored_bytes)
        await world.pass_night()
        sizes.append(world.maintenance.stored_bytes)

    assert sizes == [4096, 4096, 0]
