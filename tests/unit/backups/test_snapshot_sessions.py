"""Sessions that take snapshot sets and move no data: what they make, keep, show and restore."""

from __future__ import annotations

from dataclasses import replace as seen
from typing import Any

import pytest
from msgspec.structs import replace

from tests.sampling import some_of
from tests.unit.restores.restoring_worlds import RESTORE, TARGET, undo_what_is_left
from tests.unit.restores.rewinding_worlds import WHERE, disks_of_vm, rewound, run_confirmed
from tests.worlds.killed_operator import run_killed_every, run_through_kills
from tests.worlds.memory_azure import SUBSCRIPTION
from tests.worlds.memory_policies import policy
from tests.worlds.memory_world import World
from tests.worlds.samples import FOREIGN_SUBSCRIPTION, KEY, VM, machine, session_of
from vmbackup_core.ids import RunId
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.backup_policy import BackupPolicy
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.metadata import Metadata, ObjectKey
from vmbackup_operator.model.recovery_point import RecoveryPoint
from vmbackup_operator.model.references import LocalReference, ObjectReference
from vmbackup_operator.model.restore_session import RestoreSession, RestoreSessionSpec
from vmbackup_operator.model.retention import Retention, SessionRetention
from vmbackup_operator.sessions.tags import open_tags

SETS = ObjectKey("team", "sets")


def snapshot_session(key: ObjectKey = SETS, **spec: Any) -> BackupSession:
    """Return a session that takes a set of the samples' VM."""
    made = session_of(key)
    wanted = {"type": "Snapshot", "repository_ref": None} | spec
    fields = {name: getattr(made.spec, name) for name in made.spec.__struct_fields__} | wanted
    return replace(made, spec=type(made.spec)(**fields))


def snapshotting_world(**spec: Any) -> World:
    world = World()
    world.add(machine(disks=2))
    world.sessions.put(snapshot_session(**spec))
    return world


async def taken(world: World, number: int, **spec: Any) -> RunId:
    """Take another set, an hour after the one before, and return its run."""
    key = ObjectKey("team", f"sets-{number}")
    world.clock.turn(3600)
    world.sessions.put(snapshot_session(key, **spec))
    await world.run(key)
    status = world.status(key)
    assert status.outcome == "Succeeded", status.message
    assert status.run_id is not None
    return status.run_id


def policy_of_sets(**retention: int) -> BackupPolicy:
    """Return a policy that takes sets of the samples' VM."""
    return replace(
        policy(VM, type="Snapshot", repository_ref=None, retention=Retention(**retention)),
        metadata=Metadata("hourly", "team", uid="p-1", generation=1),
    )


def points(world: World) -> dict[RunId, RecoveryPoint]:
    return {each.spec.run_id: each for each in world.point_objects.stored.values()}


def runs(world: World) -> set[RunId]:
    """Return the runs of the snapshots that there are, by their sealed tags."""
    return {
        open_tags(world.ground.ring, each.id, each.tags).run_id
        for each in world.azure.snapshots.values()
    }


async def test_a_set_of_all_disks_is_taken_and_shown_and_nothing_else_is_made() -> None:
    world = snapshotting_world()
    await world.run(SETS)

    status = world.status(SETS)
    assert status.outcome == "Succeeded", status.message
    assert len(world.azure.snapshots) == len(status.snapshot_set) == 2
    assert world.azure.workers == {}
    assert world.points.points == {}
    assert world.undo_records.stored == {}
    (point,) = points(world).values()
    assert (point.spec.type, point.spec.run_id) == ("Snapshot", status.run_id)
    assert point.spec.repository_ref is None
    assert {each.lun for each in point.spec.disks} == {None, 0}
    assert point.spec.created_at == status.taken_at


async def test_the_phases_are_those_of_its_own_steps() -> None:
    world = snapshotting_world()
    await world.run_until("SnapshotsReady", SETS)
    assert world.status(SETS).phase == "Recording"
    await world.run(SETS)

    assert world.status(SETS).phase == "Complete"


async def test_only_what_the_retention_keeps_stays_and_objects_go_with_their_sets() -> None:
    world = snapshotting_world(retention=SessionRetention(last=2))
    await world.run(SETS)
    made = [await taken(world, each, retention=SessionRetention(last=2)) for each in range(3)]

    assert runs(world) == set(made[1:])
    assert points(world).keys() == set(made[1:])


async def test_a_retention_that_keeps_less_takes_effect_after_the_delay() -> None:
    much, little = SessionRetention(last=3), SessionRetention(last=1)
    world = snapshotting_world(retention=much)
    await world.run(SETS)
    made = [await taken(world, each, retention=much) for each in range(2)]
    made += [await taken(world, 2, retention=little)]
    before = runs(world)
    world.clock.turn(7 * 24 * 3600)
    newest = await taken(world, 3, retention=little)

    assert before == set(made)
    assert runs(world) == {newest}


async def test_what_a_policy_says_counts_where_a_session_was_made_before_the_edit() -> None:
    rule = SessionRetention(last=1)
    world = snapshotting_world(retention=rule, policy_ref=LocalReference("hourly"))
    world.policies.put(policy_of_sets(last=3))
    await world.run(SETS)
    for each in range(2):
        await taken(world, each, retention=rule, policy_ref=LocalReference("hourly"))

    assert len(runs(world)) == 3


async def test_the_newest_of_each_day_stays_where_the_retention_says_so() -> None:
    world = snapshotting_world()
    rule = SessionRetention(last=1, daily=3)
    world.sessions.put(snapshot_session(retention=rule))
    await world.run(SETS)
    made = [await taken(world, each, retention=rule) for each in range(26)]

    kept = [points(world)[each].spec.created_at for each in made if each in points(world)]
    assert len({each.date() for each in kept}) == len(kept) >= 2
    assert made[-1] in runs(world)
    assert runs(world) == points(world).keys()


async def test_sets_and_backups_of_one_vm_leave_each_other_alone() -> None:
    world = snapshotting_world(retention=SessionRetention(last=1))
    world.sessions.put(session_of())
    await world.run()
    await world.run(SETS)
    again = ObjectKey("team", "nightly-2")
    world.sessions.put(session_of(again))
    await world.run(again)
    newest = await taken(world, 1, retention=SessionRetention(last=1))

    status = world.status(again)
    assert status.full_reads == ()
    assert newest in runs(world)
    assert status.run_id in runs(world)
    assert len(runs(world)) == 2


async def test_a_set_waits_for_a_backup_of_its_vm() -> None:
    world = snapshotting_world()
    world.sessions.put(session_of())
    await world.run_until("SnapshotsReady", KEY)
    for _ in range(5):
        await world.look_again(SETS)

    assert world.condition("Accepted", SETS).reason == "VirtualMachineBusy"
    await world.run(KEY)
    await world.run(SETS)
    assert world.status(SETS).outcome == "Succeeded"


async def test_a_set_that_is_restored_from_is_not_deleted() -> None:
    rule = SessionRetention(last=1)
    world = snapshotting_world(retention=rule)
    await world.run(SETS)
    first = world.status(SETS).run_id
    world.restores.put(bring_back(world))
    await world.run_until("Accepted", RESTORE)
    await taken(world, 1, retention=rule)
    assert first in runs(world)
    await world.run(RESTORE)
    newest = await taken(world, 2, retention=rule)

    assert world.restored(RESTORE).outcome == "Succeeded"
    assert runs(world) == {newest}


async def test_objects_that_went_with_the_cluster_come_back_with_the_next_session() -> None:
    world = snapshotting_world()
    await world.run(SETS)
    (before,) = points(world).values()
    world.point_objects.stored.clear()
    await taken(world, 1)

    back = points(world)[before.spec.run_id]
    assert replace(back.spec, packed_description="") == replace(before.spec, packed_description="")
    assert back.metadata.key == before.metadata.key


async def test_the_sweeper_knows_a_set_that_stands_alone() -> None:
    world = snapshotting_world()
    await world.run(SETS)

    facts = [
        open_tags(world.ground.ring, each.id, each.tags) for each in world.azure.snapshots.values()
    ]
    assert [(each.alone, each.repository_id) for each in facts] == [(True, None)] * 2


@pytest.mark.parametrize(
    ("namespace", "vm_id", "reason"),
    [
        ("strangers", VM, "ScopeNotAllowed"),
        ("team", VM.replace(SUBSCRIPTION, FOREIGN_SUBSCRIPTION), "CrossSubscriptionRefused"),
        ("team", f"{VM}-gone", "VirtualMachineNotFound"),
    ],
)
async def test_a_vm_that_it_may_not_or_cannot_name_is_refused(
    namespace: str, vm_id: str, reason: str
) -> None:
    world, key = snapshotting_world(), ObjectKey(namespace, "refused")
    world.sessions.put(snapshot_session(key, virtual_machine_id=vm_id))
    await world.run(key)

    assert world.condition("Failed", key).reason == reason
    assert world.azure.snapshots == {}
    assert world.undo_records.stored == {}


async def test_a_cancelled_session_leaves_no_set_and_no_object() -> None:
    world = snapshotting_world()
    await world.run_until("SnapshotsReady", SETS)
    stored = world.sessions.stored[SETS]
    world.sessions.put(replace(stored, spec=replace(stored.spec, cancel=True)))
    await world.run(SETS)

    assert world.status(SETS).outcome == "Cancelled"
    assert world.azure.snapshots == {}
    assert world.point_objects.stored == {}
    assert world.undo_records.stored == {}


async def test_of_a_session_without_its_finalizer_no_unfinished_set_is_left() -> None:
    world = snapshotting_world()
    await world.run_until("SnapshotsReady", SETS)
    assert len(world.azure.snapshots) == 2
    del world.sessions.stored[SETS]
    world.sessions.gone(SETS)
    await undo_what_is_left(world)

    assert world.azure.snapshots == {}
    assert world.undo_records.stored == {}


async def test_killed_anywhere_the_set_is_taken_once() -> None:
    moments, _ = await run_through_kills(snapshotting_world(), SETS, 0)
    assert moments > 10

    for at in some_of(range(1, moments + 1)):
        world = snapshotting_world()
        _, where = await run_through_kills(world, SETS, at)
        await undo_what_is_left(world)

        status = world.status(SETS)
        assert (status.outcome, status.attempt) == ("Succeeded", 1), where
        assert len(world.azure.snapshots) == 2, where
        assert len(world.point_objects.stored) == 1, where
        assert world.undo_records.stored == {}, where
        assert [what for what, count in world.azure.asked.items() if count > 1] == [], where


async def test_killed_anywhere_while_it_is_cancelled_nothing_is_left() -> None:
    async def cancelled_world() -> World:
        world = snapshotting_world()
        await world.run_until("SnapshotsReady", SETS)
        stored = world.sessions.stored[SETS]
        world.sessions.put(replace(stored, spec=replace(stored.spec, cancel=True)))
        return world

    moments, _ = await run_through_kills(await cancelled_world(), SETS, 0)
    assert moments > 5

    for at in some_of(range(1, moments + 1)):
        world = await cancelled_world()
        _, where = await run_through_kills(world, SETS, at)
        await undo_what_is_left(world)

        assert world.azure.snapshots == {}, where
        assert world.point_objects.stored == {}, where
        assert world.undo_records.stored == {}, where


async def test_killed_again_and_again_it_still_ends() -> None:
    world = snapshotting_world()
    await run_killed_every(world, SETS, 4, starts=300)

    assert world.status(SETS).outcome == "Succeeded"
    assert len(world.azure.snapshots) == 2


def bring_back(world: World, **spec: Any) -> RestoreSession:
    """Return a session that brings the world's oldest point back from its snapshots."""
    point = min(world.point_objects.stored.values(), key=lambda each: each.spec.created_at)
    wanted: dict[str, Any] = {
        "recovery_point_ref": ObjectReference(point.metadata.name),
        "mode": "Disks",
        "target": TARGET,
        "source": "Snapshots",
    }
    metadata = Metadata(RESTORE.name, RESTORE.namespace, uid="u-1", generation=1)
    return RestoreSession(metadata, RestoreSessionSpec(**(wanted | spec)))


async def kept_world(**spec: Any) -> World:
    world = snapshotting_world()
    await world.run(SETS)
    world.azure.order.clear()
    world.restores.put(bring_back(world, **spec))
    return world


async def test_disks_are_made_of_a_set_that_no_repository_knows() -> None:
    world = await kept_world()
    await world.run(RESTORE)

    status = world.restored(RESTORE)
    assert status.outcome == "Succeeded", status.message
    assert {folded(each.source_id) for each in world.loose.copies.values()} == (
        world.azure.snapshots.keys()
    )
    assert status.restored is not None
    assert status.restored.recovery_point.repository is None
    assert world.undo_records.stored == {}


async def test_a_vm_is_rewound_to_a_set_that_no_repository_knows() -> None:
    world = await kept_world(mode="Rewind", target=WHERE, source=None)
    before = disks_of_vm(world)
    await run_confirmed(world)

    status = world.restored(RESTORE)
    assert status.outcome == "Succeeded", status.message
    assert not set(before.values()) & set(disks_of_vm(world).values())
    assert {folded(each.source_snapshot_id) for each in rewound(world).disks} == (
        world.azure.snapshots.keys()
    )


async def test_it_is_not_restored_from_a_repository_that_does_not_have_it() -> None:
    world = await kept_world(source="Repository")
    await world.run(RESTORE)

    failed = world.condition("Failed", RESTORE)
    assert failed.reason == "PointNotInRepository"
    assert "source Snapshots" in failed.message


async def test_after_the_loss_of_the_cluster_disks_come_back_and_no_vm() -> None:
    world = snapshotting_world()
    await world.run(SETS)
    world.point_objects.stored.clear()
    await taken(world, 1)
    world.restores.put(bring_back(world, mode="VirtualMachine"))
    await world.run(RESTORE)
    assert world.condition("Failed", RESTORE).reason == "VirtualMachineNotDescribed"

    made = bring_back(world)
    key = replace(made.metadata, name="disks-alone", uid="u-2")
    world.restores.put(replace(made, metadata=key))
    again = type(RESTORE)("team", "disks-alone")
    await world.run(again)
    assert world.restored(again).outcome == "Succeeded", world.restored(again).message


@pytest.mark.parametrize("harm", ["gone", "altered", "of others"])
async def test_a_set_that_is_not_there_or_not_the_namespaces_is_refused(harm: str) -> None:
    world = await kept_world()
    key, snapshot = next(iter(world.azure.snapshots.items()))
    if harm == "gone":
        world.azure.snapshots.clear()
    elif harm == "altered":
        tags = {**snapshot.tags, "vmbackup-sealed-0": "A" * 256}
        world.azure.snapshots[key] = seen(snapshot, tags=tags)
    else:
        (point,) = world.point_objects.stored.values()
        forged = replace(point, metadata=replace(point.metadata, namespace="others"))
        world.point_objects.put(forged)
        named = ObjectReference(point.metadata.name, "others")
        world.restores.put(bring_back(world, recovery_point_ref=named))
    await world.run(RESTORE)

    assert world.condition("Failed", RESTORE).reason == "PointNotRetained"
    assert world.loose.copies == {}
