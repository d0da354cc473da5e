"""What a worker still holds an hour after its session gave it back opens nothing."""

from __future__ import annotations

import pytest

from tests.worlds.memory_azure import Azure
from tests.worlds.memory_world import World
from tests.worlds.samples import KEY

HOUR_S = 3600


def still_open(azure: Azure) -> list[str]:
    """Return what was signed and opens something that is there, without the signatures."""
    queues = {queue for _account, queue in azure.queues}
    return [
        url.partition("?")[0]
        for url in azure.signed
        if azure.opens(url) and _is_there(azure, queues, url.partition("?")[0])
    ]


def _is_there(azure: Azure, queues: set[str], address: str) -> bool:
    """Containers stay; queues and the blobs of messages may be gone."""
    if ".queue." in address:
        return address.rpartition("/")[2] in queues
    _, is_message, name = address.partition("/messages/")
    return not is_message or name in azure.blobs


async def test_an_hour_after_a_session_nothing_that_was_signed_opens_anything(
    world: World,
) -> None:
    await world.run()
    assert world.status().outcome == "Succeeded"
    assert still_open(world.azure), "a worker had no access at all"

    world.clock.turn(HOUR_S)

    assert still_open(world.azure) == []
    assert world.azure.sas == {}  # of exports


@pytest.mark.parametrize("at", ["WorkerReady", "ExportGranted", "DataTransferred"])
async def test_nor_where_it_was_cancelled_on_its_way(world: World, at: str) -> None:
    await world.run_until(at)
    world.sessions.edit_spec(KEY, cancel=True)
    await world.run()
    assert world.status().outcome == "Cancelled"

    world.clock.turn(HOUR_S)

    assert still_open(world.azure) == []
    assert world.azure.sas == {}
