"""The operator killed at whatever writes: the session ends, and nothing stays open."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.worlds.memory_world import Killed, World
from tests.worlds.samples import KEY, session_of

#: How many writes go well before each of the kills.
Distances = st.lists(st.integers(1, 60), min_size=1, max_size=40)


@given(Distances)
async def test_killed_at_whatever_writes_the_session_ends_and_nothing_stays_open(
    distances: list[int],
) -> None:
    world = World()
    world.sessions.put(session_of())
    left = list(distances)

    def meet(_what: str) -> None:
        if left:
            left[0] -= 1
            if not left[0]:
                left.pop(0)
                raise Killed

    world.meets(meet)
    for _ in range(len(distances) + 1):
        try:
            await world.run()
        except Killed:
            world.start()
        else:
            break

    assert world.status().outcome == "Succeeded"
    assert world.azure.sas == {}
    assert [each.state for each in world.azure.workers.values()] == ["deallocated"]
    assert world.sessions.stored[KEY].metadata.finalizers == ()
