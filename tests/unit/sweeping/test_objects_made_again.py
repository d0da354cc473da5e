"""Objects that are made again, while the sweeper and who undoes what is left look all the time."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.sampling import some_of
from tests.unit.sweeping.swept import GRACE_S, Swept
from tests.worlds.memory_world import Killed
from tests.worlds.samples import VM, session_of
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.references import LocalReference
from vmbackup_operator.naming import session_name_of_slot
from vmbackup_operator.sessions.left_behind import LeftBehind
from vmbackup_operator.wiring.tables import UNDO

SLOT = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
OF_POLICY = ObjectKey("team", session_name_of_slot("nightly", VM, SLOT))


def of_policy(number: int) -> BackupSession:
    """Return the policy's session as it is made for the *number*th time, without its status."""
    uid = f"00000000-0000-4000-8000-{number:012d}"
    return session_of(OF_POLICY, uid=uid, policy_ref=LocalReference("nightly"), slot=SLOT)


def begun() -> Swept:
    swept = Swept()
    swept.world.sessions.stored.clear()
    swept.world.sessions.put(of_policy(1))
    return swept


async def lost_at(moment: int) -> Swept | None:
    """Return a world whose policy's session lost its object at write number *moment*."""
    swept, count = begun(), 0

    def meet(_what: str) -> None:
        nonlocal count
        count += 1
        if count == moment:
            raise Killed

    swept.world.meets(meet)
    try:
        await swept.world.run(OF_POLICY)
    except Killed:
        swept.world.meets(lambda _what: None)
        swept.take_away(OF_POLICY)
        swept.start()
        return swept
    return None


async def test_what_a_session_has_made_stays_where_its_object_is_made_again_in_time() -> None:
    """Nothing looked yet for what was left: the session goes on with what its run has made."""
    for moment in some_of(range(1, 160, 12)):
        swept = await lost_at(moment)
        if swept is None:
            continue
        there = set(swept.world.azure.snapshots)
        swept.world.sessions.put(of_policy(2))
        await swept.world.look(OF_POLICY)

        await swept.sweep(hours=1)

        assert there <= set(swept.world.azure.snapshots)
        await swept.world.run(OF_POLICY)
        assert swept.world.status(OF_POLICY).outcome == "Succeeded"
        assert len(swept.world.points.points) == 1
        assert swept.world.azure.sas == {}


async def test_made_again_after_its_end_a_policys_session_does_nothing_in_azure() -> None:
    swept = begun()
    await swept.world.run(OF_POLICY)
    run = swept.world.status(OF_POLICY).run_id
    swept.take_away(OF_POLICY)
    swept.world.point_objects.stored.clear()
    swept.world.sessions.put(of_policy(2))
    before = len(swept.world.azure.order)

    await swept.world.run(OF_POLICY)
    await swept.sweep(hours=1)

    made = [each for each in swept.world.azure.order[before:] if "delete worker" not in each]
    status = swept.world.status(OF_POLICY)
    assert (status.outcome, status.run_id) == ("Succeeded", run)
    assert [each for each in made if each.startswith(("snapshot", "grant", "interface"))] == []
    assert len(swept.world.azure.snapshots) == 3
    assert len(swept.world.points.points) == 1
    assert len(swept.world.point_objects.stored) == 1


async def test_a_users_session_made_again_is_another_and_what_the_first_had_begun_goes() -> None:
    swept = Swept()
    await swept.world.run_until("ExportGranted")
    first = swept.world.status().run_id
    assert first is not None
    swept.take_away()
    swept.world.sessions.put(session_of(uid="11111111-0000-4000-8000-000000000000"))

    for _ in range(40):
        await swept.world.look_again()
        swept.world.agents_work()
        await swept.world.intake.round()
        await LeftBehind(swept.world.ground, UNDO).reconcile()
        swept.world.clock.turn(5)
    await swept.world.run()
    await swept.sweep()

    status = swept.world.status()
    assert status.outcome == "Succeeded"
    assert status.run_id != first
    assert [*swept.world.points.points] == [status.run_id]
    assert not [each for each in swept.world.azure.snapshots if first[:20] in each]
    assert swept.world.azure.sas == {}
    assert swept.world.undo_records.stored == {}


async def test_a_session_whose_object_comes_back_late_takes_its_snapshots_again() -> None:
    """What was left had been undone by then; the run is the same, and its point is one."""
    swept = begun()
    await swept.world.run_until("ExportGranted", OF_POLICY)
    run = swept.world.status(OF_POLICY).run_id
    swept.take_away(OF_POLICY)
    await swept.sweep()
    assert swept.there() == {}
    swept.world.clock.turn(GRACE_S)

    swept.world.sessions.put(of_policy(2))
    await swept.world.run(OF_POLICY)

    assert swept.world.status(OF_POLICY).outcome == "Succeeded"
    assert [*swept.world.points.points] == [run]
