"""Backups of VMs of another subscription: through a disk access there, or refused at once."""

from __future__ import annotations

import pytest

from tests.sampling import some_of
from tests.worlds.killed_operator import run_killed_every, run_through_kills
from tests.worlds.memory_azure import AWAY, SUBSCRIPTION
from tests.worlds.memory_world import World
from tests.worlds.other_subscription import across
from tests.worlds.rings import ROTATED, pass_over_snapshots, restart, sealing_keys
from tests.worlds.samples import (
    FOREIGN_GROUP,
    FOREIGN_SUBSCRIPTION,
    FOREIGN_VM,
    KEY,
    SETTINGS_ACROSS,
    session_of,
)
from vmbackup_core.errors import LostAttempt, PermanentError
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.naming import ArmId, environment_names, resource_group_of, subscription_of
from vmbackup_operator.sessions.snapshot_sets import all_snapshots

NEXT = ObjectKey("team", "nightly-2")
#: Asking for these twice is harmless, and what a crash before the record of the first one leads to.
REPEATABLE = ("message to vmb-jobs",)


def across_with_session(snapshots_to_keep: int = 2) -> World:
    """Return a world in which a VM of another subscription has a session, which may be run."""
    world = across()
    world.sessions.put(session_of(vm_id=FOREIGN_VM, snapshots_to_keep=snapshots_to_keep))
    return world


def made_of_it(world: World) -> list[str]:
    """Return what was made because of a session, in order, without the home region."""
    return [each for each in world.azure.order if not each.startswith(("region west", "queue"))]


async def test_all_that_is_beside_the_disks_is_in_their_subscription() -> None:
    world = across_with_session()

    await world.run()

    assert world.status().outcome == "Succeeded"
    places = {(subscription_of(each.id), resource_group_of(each.id).lower())
              for each in world.azure.snapshots.values()}  # fmt: skip
    assert places == {(FOREIGN_SUBSCRIPTION, FOREIGN_GROUP)}
    names = environment_names(SETTINGS_ACROSS.appliance.id, FOREIGN_SUBSCRIPTION, AWAY)
    (access,) = world.azure.disk_accesses
    assert access.startswith(f"/subscriptions/{FOREIGN_SUBSCRIPTION}/resourcegroups/exports/")
    assert access.endswith(names.disk_access(0))
    assert {each.disk_access_id for each in world.azure.snapshots.values()} == {
        next(iter(world.azure.snapshots.values())).disk_access_id
    }
    assert {subscription_of(each.vm_id) for each in world.azure.workers.values()} == {SUBSCRIPTION}
    assert world.azure.sas == {}


async def test_the_way_stands_before_a_snapshot_is_asked_for() -> None:
    world = across_with_session()

    await world.run()

    order = made_of_it(world)
    first = {kind: next(at for at, each in enumerate(order) if each.startswith(kind))
             for kind in ("disk access", "snapshot")}  # fmt: skip
    assert first["disk access"] < first["snapshot"]


async def test_the_next_backup_reads_what_has_changed_and_older_sets_go() -> None:
    world = across_with_session(snapshots_to_keep=1)
    await world.run()
    first = set(world.azure.snapshots)
    world.clock.turn(3600)
    world.sessions.put(session_of(NEXT, FOREIGN_VM, snapshots_to_keep=1))

    await world.run(NEXT)

    resolved = world.status(NEXT).resolved
    assert resolved is not None
    assert {each.snapshot_id.lower() for each in resolved.predecessors} == first
    assert len(world.azure.snapshots) == 3
    assert first.isdisjoint(world.azure.snapshots)
    # Six exports: two disk accesses there.
    assert len(world.azure.disk_accesses) == 2
    assert {subscription_of(ArmId(each)) for each in world.azure.disk_accesses} == {
        FOREIGN_SUBSCRIPTION
    }
    assert world.azure.sas == {}


async def test_killed_anywhere_it_ends_complete_and_asks_for_nothing_twice() -> None:
    moments, _ = await run_through_kills(across_with_session(), KEY, 0)
    assert moments > 80

    for at in some_of(range(1, moments + 1)):
        world = across_with_session()
        _, where = await run_through_kills(world, KEY, at)

        assert world.status().outcome == "Succeeded", where
        twice = [what for what, count in world.azure.asked.items() if count > 1]
        assert all(what.startswith(REPEATABLE) for what in twice), (where, twice)
        assert world.azure.sas == {}, where
        assert len(world.azure.snapshots) == 3, where
        assert world.status().attempt == 1, where
        assert world.sessions.stored[KEY].metadata.finalizers == ()


@pytest.mark.parametrize("every", [5, 11])
async def test_killed_again_and_again_it_still_ends(every: int) -> None:
    world = across_with_session()

    await run_killed_every(world, KEY, every, starts=2000)

    assert world.status().outcome == "Succeeded"
    assert world.azure.sas == {}


async def test_a_session_that_is_deleted_on_its_way_leaves_nothing_there() -> None:
    world = across_with_session()
    await world.run_until("ExportGranted")
    assert world.azure.sas

    world.sessions.request_deletion(KEY)
    await world.run()

    assert world.azure.snapshots == {}
    assert world.azure.sas == {}


async def test_what_an_older_key_sealed_there_is_sealed_anew() -> None:
    world = across_with_session()
    await world.run()
    restart(world, ROTATED)

    await pass_over_snapshots(world)

    assert sealing_keys(world) == ["k2"] * 3


async def test_a_subscription_that_cannot_be_listed_hides_nothing_of_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = across()
    world.sessions.put(session_of())
    await world.run()
    world.azure.forbidden.add(FOREIGN_SUBSCRIPTION)

    seen = await all_snapshots(world.ground)

    assert len(seen) == 3
    assert FOREIGN_SUBSCRIPTION in caplog.text


async def test_a_verification_compares_with_snapshots_there_where_data_may_cross() -> None:
    world = across_with_session()
    await world.run()
    reads = ObjectKey("team", "reads-back")
    world.clock.turn(3600)
    world.sessions.put(session_of(reads, FOREIGN_VM, type="Verify"))
    await world.run(reads)

    resolved = world.status(reads).resolved
    assert world.status(reads).outcome == "Succeeded"
    assert resolved is not None
    assert {subscription_of(ArmId(each.snapshot_id)) for each in resolved.retained} == {
        FOREIGN_SUBSCRIPTION
    }
    assert world.azure.sas == {}


async def refused(world: World) -> str:
    await world.run()
    failed = world.condition("Failed")
    assert failed.reason == "CrossSubscriptionRefused"
    assert FOREIGN_VM in failed.message
    assert world.azure.snapshots == {}
    assert world.azure.workers == {}
    return failed.message


async def test_what_the_region_does_not_let_cross_is_refused_and_nothing_is_made() -> None:
    world = across_with_session()
    world.azure.exports_refused = "RegionEnvironment away says crossSubscriptionExport: Refuse"

    assert "crossSubscriptionExport: Refuse" in await refused(world)

    assert made_of_it(world) == []


async def test_what_the_identity_may_not_reach_is_refused_before_a_snapshot() -> None:
    world = across_with_session()
    world.azure.forbidden.add(FOREIGN_SUBSCRIPTION)

    message = await refused(world)

    assert "NotAuthorized" in message
    assert not any(each.startswith("snapshot") for each in world.azure.order)


@pytest.mark.parametrize(
    "trouble",
    [
        PermanentError("a key is missing", reason="KeyRingIncomplete"),
        LostAttempt("there is no room", reason="QuotaExceeded"),
    ],
    ids=["mended by hand", "of the next attempt"],
)
async def test_what_passes_is_no_refusal(trouble: PermanentError) -> None:
    world = across_with_session()

    def fence(what: str) -> None:
        if what.startswith("disk access") and world.clock.monotonic_s() < until_s:
            raise trouble

    until_s = world.clock.monotonic_s() + 120
    world.azure.fence = fence

    await world.run()

    assert world.status().outcome == "Succeeded"


async def test_a_vm_of_the_appliances_subscription_needs_no_leave() -> None:
    world = World(settings=SETTINGS_ACROSS)
    world.sessions.put(session_of())

    await world.run()

    assert world.status().outcome == "Succeeded"
    assert {subscription_of(ArmId(each)) for each in world.azure.disk_accesses} == {SUBSCRIPTION}
