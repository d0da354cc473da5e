"""A recovery point describes the VM as it was when its backup was accepted."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from typing_extensions import override

from tests.worlds.memory_cluster import MemoryUndoRecords
from tests.worlds.memory_machines import MemoryMachines
from tests.worlds.memory_world import World
from tests.worlds.samples import VM, machine
from vmbackup_core.ids import RunId
from vmbackup_operator.naming import ArmId
from vmbackup_operator.sessions.reconciler import SessionReconciler
from vmbackup_operator.sessions.seen import VirtualMachineSeen
from vmbackup_operator.wiring.tables import backup_sessions

LATER = '{"vm": "another size since"}'


class CountedMachines(MemoryMachines):
    looks = 0

    @override
    async def find(self, vm_id: ArmId) -> VirtualMachineSeen | None:
        self.looks += 1
        return await super().find(vm_id)


def count_looks(world: World) -> CountedMachines:
    counted = CountedMachines(world.azure)
    world.ground = replace(world.ground, virtual_machines=counted)
    world.reconciler = SessionReconciler(world.ground, backup_sessions(world.booked))
    return counted


def described(world: World) -> str:
    return world.points.points[world.status().run_id or RunId("")].vm_description


def change(world: World) -> None:
    world.add(replace(machine(), description=LATER))


async def test_a_vm_is_looked_at_once(world: World) -> None:
    machines = count_looks(world)
    await world.run_until("Accepted")
    change(world)
    await world.run()

    assert machines.looks == 1
    assert described(world) == machine().description
    assert world.ground.descriptions == {}


async def test_after_a_restart_it_is_described_as_it_is(world: World) -> None:
    await world.run_until("Accepted")
    change(world)
    world.start()
    await world.run()

    assert described(world) == LATER


async def test_one_that_is_gone_by_then_is_described_as_it_was_resolved(world: World) -> None:
    await world.run_until("Accepted")
    del world.azure.machines[VM.lower()]
    world.start()
    world.azure.machines[f"{VM}-other".lower()] = machine(vm_id=VM)  # its disks are still there
    await world.run()

    assert '"resolved"' in described(world)


async def test_what_was_kept_of_another_acceptance_is_not_used(world: World) -> None:
    await world.run_until("Accepted")
    world.ground.descriptions.update(
        dict.fromkeys(world.ground.descriptions, b"x\x9c\x03\0\0\0\0\1")
    )
    await world.run()

    assert described(world) == machine().description


async def test_a_session_that_fails_leaves_nothing_in_memory(world: World) -> None:
    await world.run_until("SnapshotsReady")
    world.sessions.edit_spec(next(iter(world.sessions.stored)), cancel=True)
    await world.run()

    assert world.status().outcome == "Cancelled"
    assert world.ground.descriptions == {}


class CountedRecords(MemoryUndoRecords):
    def __init__(self) -> None:
        super().__init__()
        self.dropped: Counter[RunId] = Counter()

    @override
    async def drop(self, vm_id: str, run_id: RunId) -> None:
        self.dropped[run_id] += 1
        await super().drop(vm_id, run_id)


async def test_an_ended_session_that_is_looked_at_again_drops_its_record_no_more(
    world: World,
) -> None:
    records = CountedRecords()
    world.ground = replace(world.ground, undo_records=records)
    world.reconciler = SessionReconciler(world.ground, backup_sessions(world.booked))
    await world.run()
    for _ in range(3):
        assert await world.look() is None

    assert set(records.dropped.values()) == {1}
