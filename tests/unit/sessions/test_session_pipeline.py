"""A backup session from its first look to its last, as Azure and Kubernetes see it."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from tests.worlds.memory_azure import APPLIANCE, HOME, account
from tests.worlds.memory_world import World
from tests.worlds.samples import KEY, RING, VM, machine, session_of
from vmbackup_core.ids import RunId
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_operator.backups.table import STEPS
from vmbackup_operator.model.conditions import find_condition, is_true
from vmbackup_operator.model.metadata import (
    APPLIANCE_LABEL,
    FINALIZER,
    POLICY_GENERATION_ANNOTATION,
    POLICY_LABEL,
    ObjectKey,
)
from vmbackup_operator.model.references import LocalReference
from vmbackup_operator.naming import ArmId, arm_id
from vmbackup_operator.sessions.tags import open_tags

SECOND = ObjectKey("team", "nightly-2")


def asked(world: World, what: str) -> list[str]:
    return [each for each in world.azure.order if each.startswith(what)]


async def test_a_session_ends_complete_with_a_recovery_point_and_its_object(world: World) -> None:
    await world.run()

    status = world.status()
    point = world.points.points[status.run_id or RunId("")]
    (mirror,) = world.point_objects.stored.values()
    assert (status.outcome, status.phase) == ("Succeeded", "Complete")
    assert [disk.lun for disk in point.disks] == [None, 0, 1]
    assert (mirror.spec.run_id, mirror.metadata.namespace) == (status.run_id, "team")
    assert world.condition("Complete").status == "True"
    assert all(world.condition(step.condition).status == "True" for step in STEPS)


async def test_the_policy_is_named_by_the_recovery_point_and_its_generation_by_the_session(
    world: World,
) -> None:
    made = session_of(SECOND, policy_ref=LocalReference("nightly"), trigger="now")
    labels = {APPLIANCE_LABEL: APPLIANCE}
    annotations = {POLICY_GENERATION_ANNOTATION: "7"}
    metadata = replace(made.metadata, labels=labels, annotations=annotations)
    world.sessions.put(replace(made, metadata=metadata))

    await world.run(SECOND)

    (mirror,) = [
        each
        for each in world.point_objects.stored.values()
        if each.spec.run_id == world.status(SECOND).run_id
    ]
    resolved = world.status(SECOND).resolved
    assert mirror.metadata.labels[POLICY_LABEL] == "nightly"
    assert resolved is not None
    assert resolved.policy_generation == 7


async def test_the_steps_come_in_the_seeds_order(world: World) -> None:
    await world.run()

    first = [
        next(i for i, each in enumerate(world.azure.order) if each.startswith(kind))
        for kind in (
            f"region {HOME}",
            "snapshot",
            "region north",
            "worker",
            "command",
            "disk access",
            "associate",
            "grant",
            "message to vmb-jobs",
            "revoke",
            "deallocate",
        )
    ]
    assert first == sorted(first)


async def test_all_snapshots_are_asked_for_before_any_is_waited_for(world: World) -> None:
    await world.run()

    at = [i for i, each in enumerate(world.azure.order) if each.startswith("snapshot ")]
    assert at == list(range(at[0], at[0] + 3))


async def test_snapshots_carry_the_tags_of_one_set_when_they_are_made(world: World) -> None:
    await world.run_until("SnapshotsReady")

    facts = [open_tags(RING, each.id, each.tags) for each in world.azure.snapshots.values()]
    assert {each.run_id for each in facts} == {world.status().run_id}
    assert [(each.position, each.members) for each in facts] == [(0, 3), (1, 3), (2, 3)]
    assert {each.virtual_machine_id for each in facts} == {VM}


async def test_nothing_outside_is_touched_before_the_finalizer_is_there(world: World) -> None:
    def meet(what: str) -> None:
        if what.startswith("before") and "finalizers" not in what:
            assert FINALIZER in world.sessions.stored[KEY].metadata.finalizers

    world.meets(meet)

    await world.run_until("RecoveryPointStored")


async def test_the_finalizer_goes_when_nothing_is_left_to_undo(world: World) -> None:
    await world.run_until("WorkerReleased")
    assert FINALIZER in world.sessions.stored[KEY].metadata.finalizers

    await world.run()

    assert world.sessions.stored[KEY].metadata.finalizers == ()


async def test_afterwards_no_access_is_left_and_the_worker_is_deallocated(world: World) -> None:
    await world.run()

    assert world.azure.sas == {}
    assert [each.state for each in world.azure.workers.values()] == ["deallocated"]
    assert world.status().exports == ()
    assert world.ground.grants == {}


async def test_the_outcome_is_absent_until_access_is_revoked(world: World) -> None:
    await world.run_until("RecoveryPointStored")
    assert world.status().outcome is None

    await world.run_until("AccessRevoked")

    assert world.status().outcome == "Succeeded"


async def test_no_secret_enters_a_status_an_event_or_a_queue(world: World) -> None:
    seen: list[str] = []

    def meet(_what: str) -> None:
        seen.append(msgspec.json.encode(world.sessions.stored[KEY].status).decode())
        seen.extend(each.text for queue in world.azure.queues.values() for each in queue)

    world.meets(meet)

    await world.run()

    told = " ".join(message for *_, message in world.events.told)
    assert not [text for text in [*seen, told] if "sig=" in text or "keys-" in text]


async def test_six_disks_take_two_disk_accesses_and_none_exports_more_than_five() -> None:
    world = World()
    world.add(machine(disks=6))
    world.sessions.put(session_of())

    await world.run()

    assert world.status().outcome == "Succeeded"
    assert len(world.azure.disk_accesses) == 2
    assert len(asked(world, "associate")) == 6


async def test_in_a_public_region_snapshots_are_exported_without_disk_access(world: World) -> None:
    world.azure.private = False

    await world.run()

    assert world.status().outcome == "Succeeded"
    assert world.azure.disk_accesses == {}


async def test_excluded_disks_are_not_snapshotted() -> None:
    world = World()
    world.sessions.put(session_of(exclude_data_disk_luns=(0,)))

    await world.run()

    point = world.points.points[world.status().run_id or RunId("")]
    assert [disk.lun for disk in point.disks] == [None, 1]


async def test_a_second_session_makes_nothing_again_and_starts_the_same_worker(
    world: World,
) -> None:
    await world.run()
    before = dict(world.azure.asked)
    world.sessions.put(session_of(SECOND))

    await world.run(SECOND)

    made = {what for what in world.azure.asked if what not in before}
    assert world.status(SECOND).outcome == "Succeeded"
    assert world.status(SECOND).worker == world.status(SECOND).worker
    assert {what.split()[0] for what in made} == {
        "snapshot", "associate", "grant", "revoke", "command", "delete", "start",
        "queue", "message",
        "disk",  # its snapshots and those before: six exports
    }  # fmt: skip
    assert len(asked(world, "disk access ")) == 2
    assert len(asked(world, "worker ")) == 1
    assert len(asked(world, "start ")) == 1


async def test_snapshots_beyond_the_policys_number_are_deleted_the_newest_set_stays(
    world: World,
) -> None:
    await world.run()
    world.clock.turn(3600)
    world.sessions.put(session_of(SECOND))

    await world.run(SECOND)

    run_id = world.status(SECOND).run_id or ""
    assert len(world.azure.snapshots) == 3
    assert all(run_id[:20] in each.id for each in world.azure.snapshots.values())


async def test_as_many_sets_stay_as_the_session_says(world: World) -> None:
    await world.run()
    world.clock.turn(3600)
    world.sessions.put(session_of(SECOND, snapshots_to_keep=2))

    await world.run(SECOND)

    assert len(world.azure.snapshots) == 6


async def test_two_vms_share_one_worker_one_after_the_other(world: World) -> None:
    other = arm_id("11111111-1111-4111-8111-111111111111", "prod",
                   "Microsoft.Compute/virtualMachines", "db-01")  # fmt: skip
    world.add(machine(vm_id=other))
    world.sessions.put(session_of(SECOND, vm_id=other))

    await world.run(KEY, SECOND)

    assert [world.status(key).outcome for key in (KEY, SECOND)] == ["Succeeded", "Succeeded"]
    assert len(world.azure.workers) == 1
    assert len(asked(world, "deallocate")) == 1
    assert world.woken.count(KEY) + world.woken.count(SECOND) > 0


async def test_where_a_region_may_have_two_workers_two_sessions_have_one_each(
    world: World,
) -> None:
    world.azure.max_workers = 2
    other = arm_id("11111111-1111-4111-8111-111111111111", "prod",
                   "Microsoft.Compute/virtualMachines", "db-01")  # fmt: skip
    world.add(machine(vm_id=other))
    world.sessions.put(session_of(SECOND, vm_id=other))

    await world.run(KEY, SECOND)

    assert len(world.azure.workers) == 2


async def test_an_idle_look_at_an_ended_session_writes_nothing(world: World) -> None:
    await world.run()
    writes, azure = world.sessions.writes, dict(world.azure.asked)

    for _ in range(5):
        assert await world.look() is None

    assert (world.sessions.writes, dict(world.azure.asked)) == (writes, azure)


async def test_a_session_whose_recovery_point_exists_adopts_it_and_does_nothing(
    world: World,
) -> None:
    await world.run()
    asked_before = dict(world.azure.asked)
    again = World(clock=world.clock)
    again.points = world.points
    again.azure.regions = world.azure.regions
    again.start()
    again.sessions.put(session_of())

    await again.run()

    assert again.status().outcome == "Succeeded"
    assert [each.disk for each in again.status().disks] == ["os", "0", "1"]
    assert not asked(again, "snapshot") + asked(again, "worker") + asked(again, "grant")
    assert len(again.point_objects.stored) == 1
    assert asked_before


async def test_another_appliances_session_is_left_alone(world: World) -> None:
    session = world.sessions.stored[KEY]
    status = msgspec.structs.replace(session.status, appliance_id="somebody-else")
    world.sessions.put(msgspec.structs.replace(session, status=status))

    assert await world.look() is None
    assert world.azure.order == []


async def test_the_job_carries_this_chains_keys_only_and_fresh_ways(world: World) -> None:
    await world.run()

    ((_, sequence, job),) = world.jobs
    assert sequence == 1
    keys = [ChainKeys.parse(disk.keys) for disk in job.disks]
    assert [each.chain for each in keys] == [disk.chain_id for disk in job.disks]
    assert len({each.chain for each in keys}) == 3
    assert {run for each in keys for _, run in each.runs} == {job.run_id}
    assert [each.data for each in keys] == [{}, {}, {}]
    assert job.conversation is not None
    assert "sp=store" in job.repository.container_url
    assert "sp=send" in job.conversation.events_url


async def test_queues_are_in_the_home_region_only(world: World) -> None:
    await world.run_until("WorkerReady")
    worker = world.status().worker
    assert worker is not None

    assert set(world.azure.queues) == {
        (account(HOME).id, worker.jobs_queue),
        (account(HOME).id, worker.events_queue),
    }


async def test_the_queues_of_a_launch_go_with_it_and_the_next_launch_has_others(
    world: World,
) -> None:
    await world.run()
    first = world.status().worker
    assert first is not None
    assert world.azure.queues == {}
    assert world.intake.heard_workers == frozenset()
    world.sessions.put(session_of(SECOND))

    await world.run(SECOND)

    second = world.status(SECOND).worker
    assert second is not None
    assert first.id == second.id
    assert first.launch != second.launch
    assert first.events_queue != second.events_queue
    assert world.azure.queues == {}


@pytest.mark.parametrize("disks", [1, 3, 12])
async def test_status_stays_small_whatever_the_number_of_disks(disks: int) -> None:
    world = World()
    world.add(machine(disks=disks))
    world.sessions.put(session_of())

    await world.run()

    size = len(msgspec.json.encode(world.status()))
    assert size < 6_000 + 1_500 * disks
    assert ArmId(world.status().snapshot_set[0].snapshot_id)


async def test_a_disk_access_on_its_way_is_looked_at_again_without_a_long_pause(
    world: World,
) -> None:
    await world.run_until("WorkerReady")
    waits: list[float] = []

    while not is_true(world.conditions(), "ExportGranted"):
        wait = await world.look()
        said = find_condition(world.conditions(), "ExportGranted")
        if wait is not None and said is not None and "is being made" in said.message:
            waits.append(wait)

    assert waits
    assert max(waits) < world.ground.pacing.look_again_s
