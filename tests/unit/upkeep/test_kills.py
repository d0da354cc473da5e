"""A pass goes on where it was, whenever the operator is killed."""

from __future__ import annotations

from collections import Counter

from msgspec.structs import replace

from tests.worlds.memory_upkeep import CHAINS, UpkeepWorld
from tests.worlds.samples import VM
from vmbackup_operator.reconciling.outcome import Conflict
from vmbackup_operator.upkeep.passes import ORDER
from vmbackup_operator.upkeep.ports import JobDone

VMS = [f"{VM}-{number}" for number in range(3)]


class Killed(BaseException):
    """The operator's process ends here."""


class Kill:
    """Kills the operator of *world* once, at the meeting *number*, and starts it again."""

    def __init__(self, number: int, world: UpkeepWorld) -> None:
        self.left, self.done, self.world = number, False, world
        world.meets(self.meet)

    def meet(self, _what: str) -> None:
        self.left -= 1
        if self.left == -1:
            self.done = True
            raise Killed

    async def settle(self) -> None:
        try:
            await self.world.settle()
        except Killed:
            self.world.start()
            await self.world.settle()


async def play(kill: Kill) -> None:
    """A pass in which a VM after the other is read back."""
    await kill.settle()
    kill.world.annotate(upkeep="now")
    for vm_id in VMS:
        await kill.settle()
        kill.world.clock.turn(400)
        kill.world.sessions.end()
        assert vm_id
    await kill.settle()


async def test_killed_at_any_moment_every_job_is_done_and_said() -> None:
    """At each write, creation and piece of a job in turn; then a process that remembers nothing."""
    moments = 0
    while True:
        world = UpkeepWorld()
        world.due.vms = list(VMS)
        world.jobs.finds["Check"] = JobDone("1 pack is gone", findings=True)
        kill = Kill(moments, world)
        await play(kill)
        if not kill.done:
            break
        moments += 1
        assert world.outcomes() == dict.fromkeys(ORDER, "Succeeded") | {"Check": "Findings"}
        assert world.maintenance.running is None
        assert world.maintenance.handled_upkeep == "now"
        assert [each.number for each in world.maintenance.sights] == [7]
        # Each VM has had one session, and no piece was left out.
        asked = [each.spec.virtual_machine_id for each in world.sessions.stored.values()]
        assert sorted(asked) == sorted(VMS)
        assert len(world.sessions.created) == len(VMS)
        done = Counter(world.jobs.done)
        assert set(done) == {(job, chain)
                             for job in ("Catalog", "Expire", "Prune", "Lists", "Check")
                             for chain in CHAINS}  # fmt: skip

    assert moments > 40


async def test_the_cursor_is_written_now_and_then_and_a_crash_goes_on_from_it(
    world: UpkeepWorld,
) -> None:
    world.annotate(upkeep="now")
    await world.look()
    world.clock.turn(40)
    await world.look()
    running = world.maintenance.running
    assert running is not None
    assert running.cursor == CHAINS[2]
    assert running.message == "2 of 3 chains"

    world.start()
    await world.settle()

    done = Counter(world.jobs.done)
    assert [done["Catalog", chain] for chain in CHAINS] == [1, 1, 1]


async def test_what_a_long_job_came_to_is_kept_over_a_conflict(world: UpkeepWorld) -> None:
    """A check of hours is not done again because somebody wrote the object just then."""
    clashes = 0

    def clash(what: str) -> None:
        nonlocal clashes
        running = world.maintenance.running
        if what == "before the status" and running and running.job == "Check" and clashes < 3:
            clashes += 1
            status = replace(world.repository.status, recovery_points=clashes)
            world.repositories.store(replace(world.repository, status=status))
            raise Conflict("BackupRepository team/repo")

    world.repositories.meets = clash
    world.annotate(upkeep="now")
    await world.settle()

    assert clashes == 3
    assert world.jobs.done.count(("Check", CHAINS[-1])) == 1
    assert world.record("Check").outcome == "Succeeded"
    assert world.repository.status.recovery_points == clashes
