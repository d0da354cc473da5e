"""The operator killed at each write of a rewind that a worker writes: nothing is done twice."""

from __future__ import annotations

from tests.sampling import some_of
from tests.unit.restores.restoring_worlds import (
    RESTORE,
    cancelled,
    holders,
    undo_what_is_left,
)
from tests.unit.restores.rewinding_worlds import ATTACHED, disks_of_vm, rewound, say_the_word
from tests.unit.restores.rewriting_worlds import are_as_backed_up, rewriting_world, written
from tests.worlds.killed_operator import run_through_kills
from tests.worlds.memory_world import Killed, World
from tests.worlds.samples import VM
from vmbackup_operator.arm_ids import folded


async def until_the_word(world: World, at: int) -> tuple[int, str]:
    """Run until the session asks for its word, killing at the write number *at*.

    Writes are counted from where the disks are made: what comes before is what other rewinds, and
    other sessions with a worker, do.
    """
    count, where = 0, ""
    await world.run_until("DisksCreated", RESTORE)

    def meet(what: str) -> None:
        nonlocal count, where
        count += 1
        if count == at:
            where = what
            raise Killed

    world.meets(meet)
    while True:
        try:
            await written(world)
        except Killed:
            world.start()
        else:
            world.meets(lambda _what: None)
            return count, where


def on_workers(world: World) -> list[str]:
    disks = [*world.loose.on_workers]
    return [each for each in disks if world.loose.worker_of(world.azure, each) is not None]


async def test_killed_anywhere_before_the_word_everything_is_made_and_written_once() -> None:
    moments, _ = await until_the_word(await rewriting_world(), 0)
    assert moments > 20

    for at in some_of(range(1, moments + 1)):
        world = await rewriting_world()
        _, where = await until_the_word(world, at)
        assert on_workers(world) == [], where
        assert holders(world) == [], where
        say_the_word(world)
        await world.run(RESTORE)
        await undo_what_is_left(world)

        status = world.restored(RESTORE)
        assert (status.outcome, status.attempt) == ("Succeeded", 1), (where, status.message)
        held = {each.disk: each.disk_id for each in rewound(world).disks}
        assert disks_of_vm(world) == held, where
        assert are_as_backed_up(world), where
        assert world.loose.attachment(VM, "0") == ATTACHED, where
        assert world.loose.power(VM) == "running", where
        assert len(world.loose.copies) == 4, where
        assert world.undo_records.stored == {}, where
        changes = [each for each in world.azure.order if "disks of" in each]
        assert [each.split(" ")[0] for each in changes] == ["attach", "detach"], where


async def test_killed_anywhere_while_it_is_undone_nothing_is_attached_or_left() -> None:
    async def cancelled_world() -> World:
        world = await rewriting_world()
        await world.run_until("DisksAttached", RESTORE)
        world.restores.put(cancelled(world.restores.stored[RESTORE.at]))
        return world

    first = await cancelled_world()
    before = {each.disk: folded(each.replaced_disk_id) for each in rewound(first).disks}
    moments, _ = await run_through_kills(first, RESTORE, 0)
    assert moments > 20

    for at in some_of(range(1, moments + 1)):
        world = await cancelled_world()
        _, where = await run_through_kills(world, RESTORE, at)
        await undo_what_is_left(world)

        assert world.restored(RESTORE).outcome == "Cancelled", where
        assert {k: folded(v) for k, v in disks_of_vm(world).items()} == before, where
        assert (on_workers(world), world.loose.copies) == ([], {}), where
        assert holders(world) == [], where
        assert world.loose.power(VM) == "running", where
        assert world.undo_records.stored == {}, where
