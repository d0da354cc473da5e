"""The job Verify: one BackupSession after the other, the longest due first."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from tests.worlds.memory_azure import APPLIANCE
from tests.worlds.memory_upkeep import UpkeepWorld
from tests.worlds.samples import VM, session_of
from vmbackup_core.errors import TransientError
from vmbackup_operator.model.metadata import APPLIANCE_LABEL, REPOSITORY_LABEL, ObjectKey
from vmbackup_operator.model.references import ObjectReference
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Waiting

VMS = [ArmId(f"{VM}-{number}") for number in range(4)]


async def run(world: UpkeepWorld, *, value: str = "now") -> None:
    """Have a pass come to Verify."""
    world.annotate(upkeep=value)
    await world.settle()


async def test_the_longest_due_has_the_first_session_and_there_is_one_at_a_time(
    world: UpkeepWorld,
) -> None:
    world.due.vms = list(VMS)
    await run(world)
    for count in range(1, len(VMS) + 1):
        assert len(world.sessions.running()) == 1
        assert len(world.sessions.created) == count
        world.clock.turn(60)
        world.sessions.end()
        await world.settle()

    asked = [each.spec.virtual_machine_id for each in world.sessions.stored.values()]
    assert asked == VMS
    assert world.record("Verify").outcome == "Succeeded"
    assert "4 BackupSessions" in world.record("Verify").message


async def test_the_session_is_of_the_repository_and_shows_whose_it_is(world: UpkeepWorld) -> None:
    world.due.vms = [VMS[0]]
    await run(world)
    (session,) = world.sessions.running()
    running = world.maintenance.running
    assert running is not None

    assert running.session == session.metadata.name
    assert "reads back" in running.message
    assert session.metadata.name.startswith("verify-")
    assert session.metadata.namespace == "team"
    assert session.metadata.labels[APPLIANCE_LABEL] == APPLIANCE
    assert session.metadata.labels[REPOSITORY_LABEL] == "repo"
    assert session.spec.type == "Verify"
    assert session.spec.repository_ref == ObjectReference("repo", "team")


async def test_within_which_times_is_asked_as_the_repository_says(world: UpkeepWorld) -> None:
    world.edit(verify_new_within_days=2, verify_all_within_days=30)
    await run(world)

    assert world.due.asked == [(timedelta(days=2), timedelta(days=30))]
    assert world.record("Verify").message == "nothing was due to be read back"


async def test_a_session_that_fails_keeps_no_other_from_its_turn(world: UpkeepWorld) -> None:
    world.due.vms = list(VMS[:2])
    await run(world)
    world.sessions.end("Failed")
    await world.settle()
    world.sessions.end()
    await world.settle()

    assert len(world.sessions.created) == 2
    assert world.record("Verify").outcome == "Failed"
    assert world.sessions.created[0] in world.record("Verify").message


async def test_damage_is_a_finding_with_an_event(world: UpkeepWorld) -> None:
    world.due.vms = [VMS[0]]
    await run(world)
    world.sessions.end(bad=2, message="2 packs are damaged")
    await world.settle()

    assert world.record("Verify").outcome == "Findings"
    ((kind, reason, message),) = world.events.told
    assert (kind, reason) == ("Warning", "UpkeepFindings")
    assert "2 packs are damaged" in message


async def test_no_session_begins_once_the_next_pass_is_due(world: UpkeepWorld) -> None:
    world.due.vms = list(VMS)
    await run(world)
    await world.pass_time(24 * 3600, sessions_end=False)

    assert len(world.sessions.created) == 1
    assert world.sessions.created[0] in world.record("Verify").message


async def test_a_session_that_still_runs_is_waited_for_in_the_next_pass(
    world: UpkeepWorld,
) -> None:
    world.due.vms = list(VMS)
    await run(world)
    await world.pass_time(24 * 3600, sessions_end=False)
    await world.pass_time(3600, sessions_end=False)
    running = world.maintenance.running

    assert running is not None
    assert running.session == world.sessions.created[0]
    assert len(world.sessions.created) == 1


async def test_a_suspended_repository_makes_no_more(world: UpkeepWorld) -> None:
    world.due.vms = list(VMS)
    await run(world)
    world.edit(suspend=True)
    world.sessions.end()
    await world.settle()

    assert len(world.sessions.created) == 1


async def test_a_session_that_a_user_deleted_is_not_waited_for(world: UpkeepWorld) -> None:
    world.due.vms = [VMS[0]]
    await run(world)
    (session,) = world.sessions.running()
    world.due.vms = []
    world.sessions.request_deletion(session.metadata.key)
    await world.settle()

    assert world.maintenance.running is None


async def test_an_object_of_the_name_that_is_another_is_left_alone(world: UpkeepWorld) -> None:
    world.due.vms = [VMS[0]]
    await run(world)
    (session,) = world.sessions.running()
    world.sessions.end()
    await world.settle()
    other = session_of(ObjectKey("team", session.metadata.name))
    world.sessions.stored.clear()
    world.sessions.put(other)
    await run(world, value="again")

    assert world.record("Verify").message == "nothing was due to be read back"


async def test_the_share_of_old_packs_follows_the_time_since_the_last_one(
    world: UpkeepWorld,
) -> None:
    world.edit(verify_all_within_days=90)
    world.due.vms = [VMS[0]]
    await run(world)
    world.sessions.end()
    await world.settle()
    world.due.vms = []
    world.clock.turn(8 * 24 * 3600 + 12 * 3600)
    world.due.vms = [VMS[0]]
    await world.settle()

    first, second = world.sessions.stored.values()
    assert first.spec.verify is not None
    assert second.spec.verify is not None
    assert first.spec.verify.reread_per_mille == 77
    assert second.spec.verify.reread_per_mille == 95
    assert world.due.verified == {VMS[0].lower(): first.status.start_time}


async def test_where_old_packs_have_no_turn_none_is_read_again(world: UpkeepWorld) -> None:
    world.due.vms, world.due.rota = [VMS[0]], False
    await run(world)
    (session,) = world.sessions.running()
    assert session.spec.verify is not None
    assert session.spec.verify.reread_per_mille == 0

    world.sessions.end()
    await world.settle()
    await run(world, value="again")
    assert world.due.verified == {}


async def test_ended_sessions_go_but_for_the_newest_of_each_vm(world: UpkeepWorld) -> None:
    world.due.vms = list(VMS[:2])
    for _ in range(6):
        await world.pass_night()

    kept = [each.spec.virtual_machine_id for each in world.sessions.stored.values()]
    # Two from before this pass's own end, when they are counted.
    assert len(world.sessions.created) == 12
    assert kept.count(VMS[0]) == kept.count(VMS[1]) == 2


async def test_the_one_that_succeeded_stays_however_many_failed_since(world: UpkeepWorld) -> None:
    world.due.vms = [VMS[0]]
    await run(world)
    world.sessions.end()
    await world.settle()
    (good,) = world.sessions.created
    for number in range(4):
        world.clock.turn(3600)
        await run(world, value=f"again {number}")
        world.sessions.end("Failed")
        await world.settle()

    names = {each.metadata.name for each in world.sessions.stored.values()}
    assert good in names
    assert len(names) == 3


async def test_what_is_due_cannot_be_told_for_an_hour_and_the_pass_ends(
    world: UpkeepWorld,
) -> None:
    await world.pass_time(3 * 3600)
    world.due.trouble = TransientError("503")
    await run(world)
    await world.pass_time(4000)

    assert world.record("Verify").outcome == "Failed"
    assert "503" in world.record("Verify").message
    assert world.maintenance.running is None


async def test_a_pass_whose_time_is_over_before_anything_is_known_leaves_it(
    world: UpkeepWorld,
) -> None:
    world.due.waiting = Waiting(30, "the repository is at work")
    await run(world)
    await world.pass_time(24 * 3600)

    assert world.record("Verify").outcome == "Left"
    assert "before anything was read back" in world.record("Verify").message


async def test_another_repositorys_sessions_are_not_counted(world: UpkeepWorld) -> None:
    other = session_of(ObjectKey("team", "verify-abc-202611220200"), VMS[1], type="Verify")
    labels = {REPOSITORY_LABEL: "other"}
    world.sessions.put(replace(other, metadata=replace(other.metadata, labels=labels)))
    world.due.vms = [VMS[0]]
    await run(world)

    assert len(world.sessions.created) == 1
