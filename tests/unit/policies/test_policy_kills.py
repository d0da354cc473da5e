"""What is kept of an occasion when objects go, and when the operator is killed."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from typing_extensions import override

from tests.worlds.memory_policies import PolicyWorld, fleet, policy
from vmbackup_operator.model.backup_policy import SessionHistory
from vmbackup_operator.model.metadata import FINALIZER
from vmbackup_operator.model.session import Outcome
from vmbackup_operator.reconciling.outcome import Outcome as Answer


class Killed(BaseException):
    """The operator's process ends here."""


class Kill(PolicyWorld):
    """*world*, whose operator is killed once, at the write *number*, and started again."""

    def __init__(self, number: int, world: PolicyWorld) -> None:
        self.__dict__ = world.__dict__
        self.left, self.done = number, False
        self.policies.meets = self.sessions.meets = self.meet

    def meet(self, _what: str) -> None:
        self.left -= 1
        if self.left == -1:
            self.done = True
            raise Killed

    @override
    async def settle(self) -> Answer:
        try:
            return await super().settle()
        except Killed:
            self.start()
            return await super().settle()


@pytest.mark.parametrize("history", [SessionHistory(0, 0, 0), SessionHistory(1, 1, 1)], ids=str)
async def test_no_session_is_made_again_because_its_object_is_gone(
    world: PolicyWorld, history: SessionHistory
) -> None:
    world.put(policy(*fleet(4), max_concurrent_sessions=1, session_history=history))
    await world.settle()
    world.trigger("go")
    for _ in range(40):
        await world.settle()
        world.sessions.end()
        await world.settle()
        for session in list(world.sessions.stored.values()):
            if session.status.outcome is not None:
                await world.sessions.delete(session)
        world.start()
        world.clock.turn(60)

    assert len(set(world.sessions.created)) == len(world.sessions.created)


async def play(world: PolicyWorld) -> None:
    """Two nights of a policy with room for two of its three VMs at once, and a trigger."""
    await world.settle()
    world.clock.turn(2 * 3600)
    await world.settle()
    world.sessions.end()
    world.trigger("go")
    await world.settle()
    world.sessions.end()
    await world.settle()
    world.clock.turn(21 * 3600)
    await world.settle()


async def test_killed_at_any_write_each_vm_still_has_one_session_per_occasion() -> None:
    """Killed at each write in turn, and looked at again by a process that remembers nothing."""
    moments = 0
    while True:
        world = PolicyWorld()
        world.put(policy(*fleet(3), max_concurrent_sessions=2))
        kill = Kill(moments, world)
        await play(kill)
        if not kill.done:
            break
        moments += 1
        asked = [
            (each.spec.virtual_machine_id, each.spec.slot, each.spec.trigger)
            for each in world.sessions.stored.values()
        ]
        assert len(set(asked)) == len(asked) == len(set(world.sessions.created)) == 7
        assert len(world.sessions.created) == 7

    assert moments > 20


async def test_histories_are_apart_and_keep_the_newest_of_each_vm(idle: PolicyWorld) -> None:
    idle.edit(session_history=SessionHistory(2, 1, 1))
    given: tuple[tuple[Outcome, tuple[str, ...]], ...] = (
        ("Succeeded", ("good-0", "good-1", "good-2")),
        ("Failed", ("bad-0", "bad-1")),
        ("Skipped", ("none-0", "none-1", "none-2")),
    )
    for outcome, tokens in given:
        for token in tokens:
            idle.trigger(token)
            await idle.settle()
            idle.sessions.end(outcome)
            idle.clock.turn(60)
    await idle.settle()

    left = [session.spec.trigger for session in idle.sessions.stored.values()]
    assert left == ["good-1", "good-2", "bad-1", "none-2"]


async def test_a_session_that_has_something_to_undo_stays_whatever_the_history(
    idle: PolicyWorld,
) -> None:
    idle.edit(session_history=SessionHistory(0, 0, 0))
    idle.trigger("go")
    await idle.settle()
    (session,) = idle.sessions.stored.values()
    held = replace(session.metadata, finalizers=(FINALIZER,))
    idle.sessions.store(replace(session, metadata=held))
    idle.sessions.end()
    await idle.settle()

    assert session.metadata.key in idle.sessions.stored
    assert idle.sessions.deleted == []
