"""How many backups of one namespace are under way at once: the settings' number, and no more."""

from __future__ import annotations

from msgspec.structs import replace

from tests.worlds.memory_azure import SUBSCRIPTION
from tests.worlds.memory_world import World
from tests.worlds.samples import SETTINGS, machine, session_of
from tests.worlds.turned_clock import TurnedClock
from vmbackup_operator.model.backup_session import BackupSession, BackupSessionStatus, SessionType
from vmbackup_operator.model.conditions import Condition
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.naming import ArmId, arm_id
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.sessions.allocator import Allocator
from vmbackup_operator.sessions.book import SessionBook
from vmbackup_operator.settings import Settings

MOST = 3


def vm_called(name: str) -> ArmId:
    return arm_id(SUBSCRIPTION, "prod", "Microsoft.Compute/virtualMachines", name)


def settings_with(most: int) -> Settings:
    tenancy = (replace(each, max_concurrent_backups=most) for each in SETTINGS.tenancy)
    return replace(SETTINGS, tenancy=tuple(tenancy))


def world_of(count: int) -> tuple[World, list[ObjectKey]]:
    """Return a world in which a team has *count* sessions, each of a VM of its own."""
    world = World(settings=settings_with(MOST))
    keys = [ObjectKey("team", f"s-{number:02}") for number in range(count)]
    for key in keys:
        world.add(machine(vm_id=vm_called(key.name)))
        world.sessions.put(session_of(key, vm_called(key.name)))
    return world, keys


def begun(world: World, keys: list[ObjectKey]) -> int:
    """Return how many of the sessions may make something in Azure: begun, and without an end."""
    statuses = (world.status(key) for key in keys)
    return sum(each.resolved is not None and each.outcome is None for each in statuses)


async def test_a_namespace_has_no_more_backups_under_way_than_the_settings_say() -> None:
    world, keys = world_of(8)
    most = 0
    for _ in range(400):
        for key in keys:
            await world.look_again(key)
            most = max(most, begun(world, keys))
        world.agents_work()
        await world.intake.round()
        world.clock.turn(5)
        if all(world.status(key).outcome is not None for key in keys):
            break

    assert [world.status(key).outcome for key in keys] == ["Succeeded"] * len(keys)
    assert most == MOST


async def test_who_waits_has_taken_no_snapshot_and_says_what_for() -> None:
    world, keys = world_of(MOST + 1)
    for key in keys[:-1]:
        await world.run_until("SnapshotsReady", key)
    for _ in range(5):
        await world.look_again(keys[-1])

    said = world.condition("Accepted", keys[-1])
    assert (said.reason, said.message) == (
        "NamespaceBusy",
        "namespace team may have 3 backups under way, and has",
    )
    assert world.status(keys[-1]).snapshot_set == ()
    assert all(world.status(key).snapshot_set for key in keys[:-1])


async def test_the_end_of_one_wakes_who_has_waited_for_longest() -> None:
    world, keys = world_of(MOST + 2)
    for key in keys[:MOST]:
        await world.run_until("Accepted", key)
    for key in keys[MOST:]:
        for _ in range(5):
            await world.look_again(key)
        world.clock.turn(5)
    world.woken.clear()
    world.sessions.edit_spec(keys[0], cancel=True)
    await world.run(keys[0])

    assert keys[MOST] in world.woken
    assert keys[MOST + 1] not in world.woken


async def test_an_operator_that_was_started_again_counts_what_is_under_way() -> None:
    world, keys = world_of(MOST + 1)
    for key in keys[:-1]:
        await world.run_until("Accepted", key)
    world.start()
    for _ in range(5):
        await world.look_again(keys[-1])

    assert world.condition("Accepted", keys[-1]).reason == "NamespaceBusy"


def waiting(name: str, namespace: str = "team", kind: SessionType = "Backup") -> BackupSession:
    made = session_of(ObjectKey(namespace, name), vm_called(name))
    return replace(made, spec=replace(made.spec, type=kind))


def accepted(session: BackupSession) -> BackupSession:
    now = TurnedClock().now()
    yes = Condition("Accepted", "True", "Accepted", "", now)
    return replace(session, status=BackupSessionStatus(start_time=now, conditions=(yes,)))


def test_other_namespaces_and_what_takes_no_snapshots_do_not_count() -> None:
    book = SessionBook()
    allots = Allocator(book, lambda _key: None)
    for other in (waiting("o", "other"), waiting("v", kind="Verify"), waiting("a", kind="Archive")):
        book.note(accepted(other))
    one, two = waiting("one"), waiting("two")
    book.note(one)
    book.note(two)

    assert allots.turn_of_namespace(one, 1) is None
    assert isinstance(allots.turn_of_namespace(two, 1), Waiting)


def test_one_that_may_begin_and_has_not_written_it_down_counts_until_it_has_gone() -> None:
    book = SessionBook()
    allots = Allocator(book, lambda _key: None)
    one, two = waiting("one"), waiting("two")
    book.note(one)
    book.note(two)

    assert allots.turn_of_namespace(one, 1) is None
    assert allots.turn_of_namespace(one, 1) is None  # however often it asks
    assert isinstance(allots.turn_of_namespace(two, 1), Waiting)
    book.forget(one.metadata.key)
    allots.drop(one.metadata.key)
    assert allots.turn_of_namespace(two, 1) is None
