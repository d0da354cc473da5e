"""Every kind of thing that a session leaves goes once nobody needs it, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import pytest
from msgspec.structs import replace

from tests.sampling import some_of
from tests.unit.sweeping.swept import GRACE_S, REPOSITORY, Swept
from tests.worlds.made_disk import MadeDisk
from tests.worlds.memory_azure import APPLIANCE, AWAY, HOME, account
from tests.worlds.memory_points import SECRET
from tests.worlds.memory_targets import RESTORED_GROUP
from tests.worlds.memory_world import Killed
from tests.worlds.other_subscription import across
from tests.worlds.samples import FOREIGN_VM, KEY, RING, session_of
from vmbackup_core.errors import TransientError
from vmbackup_core.repository.primitives.names import log_name
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.backup_repository import LogHead
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.naming import RUN_TAG, ArmId, launch_messages
from vmbackup_operator.sessions.tags import open_tags, seal_tags
from vmbackup_operator.sweeping.things import KINDS as KINDS_COUNTED
from vmbackup_operator.sweeping.things import Thing

DAY_S = 24 * 3600
KINDS = {
    "access", "snapshots", "workers", "interfaces", "commands", "queues", "messages", "bundles",
    "uploads",
}  # fmt: skip


def spill(swept: Swept) -> None:
    """Have a message of the session's launch in a blob, and an earlier bundle in its region.

    Also a disk that a restore was to write.
    """
    worker = swept.world.status().worker
    assert worker is not None
    assert worker.launch is not None
    swept.world.azure.blobs[f"{launch_messages(worker.id, worker.launch)}job-1-abc"] = b"sealed"
    swept.world.azure.old_bundles[account(AWAY).id] = {"0" * 16}
    disk = ArmId(f"{RESTORED_GROUP}/providers/Microsoft.Compute/disks/of-a-restore")
    tags = {RUN_TAG: "e" * 32, **RING.ownership(APPLIANCE).sealed_tag(disk)}
    swept.world.azure.disks[folded(disk)] = MadeDisk(disk, {}, tags, 1 << 30, None, ready=True)


async def test_what_a_lost_cluster_had_under_way_goes_each_kind_of_it() -> None:
    swept = Swept()
    await swept.world.run_until("ExportGranted")
    spill(swept)
    before = swept.there()
    swept.lose_cluster()

    await swept.sweep()

    assert before.keys() == KINDS
    assert swept.there() == {}


async def test_what_is_beside_a_vm_of_another_subscription_goes_too() -> None:
    swept = Swept(across(), FOREIGN_VM)
    await swept.world.run_until("ExportGranted")
    assert swept.world.azure.sas
    swept.lose_cluster()

    await swept.sweep()

    assert swept.world.azure.snapshots == {}
    assert swept.world.azure.sas == {}


async def writes_of_a_session() -> list[str]:
    swept, made = Swept(), list[str]()
    swept.world.meets(made.append)
    await swept.world.run()
    return made


async def killed_at(moment: int) -> tuple[Swept, str]:
    """Return a world whose operator is killed in the session's write number *moment*."""
    swept, count, where = Swept(), 0, ""

    def meet(what: str) -> None:
        nonlocal count, where
        count += 1
        if count == moment:
            where = what
            raise Killed

    swept.world.meets(meet)
    with pytest.raises(Killed):
        await swept.world.run()
    swept.world.meets(lambda _what: None)
    return swept, where


async def test_whatever_is_made_goes_though_it_was_never_written_down() -> None:
    """Killed at any write, and all that was written down of it is lost with its cluster.

    Before each write: what is there after one is what is there before the next.
    """
    moments = len(await writes_of_a_session())
    assert moments > 80

    for moment in some_of(range(1, moments + 1, 2)):
        swept, where = await killed_at(moment)
        swept.lose_cluster()

        await swept.sweep()

        counts = len(swept.world.points.points)
        left = {"snapshots": 3} if counts else {}
        assert {kind: len(names) for kind, names in swept.there().items()} == left, where


async def test_what_a_tenant_took_the_finalizer_from_goes_with_its_record_or_without() -> None:
    swept = Swept()
    await swept.world.run_until("ExportGranted")
    spill(swept)
    swept.take_away()

    await swept.sweep()

    assert swept.there() == {}
    assert swept.world.undo_records.stored == {}


async def test_nothing_is_touched_that_an_unfinished_session_needs() -> None:
    moments = len(await writes_of_a_session())

    for moment in some_of(range(1, moments + 1, 5)):
        swept, where = await killed_at(moment)
        if swept.world.status().outcome is not None:
            continue
        swept.start()
        writes: list[str] = []
        swept.world.meets(writes.append)

        for _ in range(3):
            await swept.look()
            swept.world.clock.turn(GRACE_S)

        assert writes == [], where
        swept.world.meets(lambda _what: None)
        await swept.world.run()
        assert swept.world.status().outcome == "Succeeded", where


async def test_the_snapshots_of_a_recovery_point_stay_and_the_next_increment_is_made_of_them() -> (
    None
):
    swept = Swept()
    await swept.world.run()
    swept.lose_cluster()
    before = swept.there()["snapshots"]

    await swept.sweep()

    assert swept.there() == {"snapshots": before}
    following = ObjectKey("team", "nightly-2")
    swept.world.sessions.put(session_of(following))
    await swept.world.run(following)
    assert swept.world.status(following).outcome == "Succeeded"
    assert swept.world.status(following).full_reads == ()


async def lost_with_a_snapshot() -> Swept:
    swept = Swept()
    await swept.world.run_until("ExportGranted")
    swept.lose_cluster()
    return swept


def hide_key(swept: Swept) -> None:
    swept.world.points.secrets.drop(SECRET)


def unconfigure(swept: Swept) -> None:
    swept.world.repositories.stored.clear()


@pytest.mark.parametrize("unreadable", [hide_key, unconfigure])
async def test_it_only_lists_while_not_every_catalog_can_be_read(
    unreadable: Callable[[Swept], None], caplog: pytest.LogCaptureFixture
) -> None:
    swept = await lost_with_a_snapshot()
    unreadable(swept)
    swept.start()
    writes: list[str] = []
    swept.world.meets(writes.append)

    for _ in range(4):
        assert await swept.look() == GRACE_S
        swept.world.clock.turn(GRACE_S)

    assert writes == []
    assert len(swept.world.azure.snapshots) == 3
    for name in swept.world.azure.snapshots:
        assert name in caplog.text.lower()
    told = [each for each in swept.world.events.reasons if each[0] == "SweeperWaits"]
    assert bool(told) == (unreadable is hide_key)


async def test_one_unreadable_repository_of_two_keeps_all_from_going() -> None:
    swept = await lost_with_a_snapshot()
    one = swept.world.repositories.stored[REPOSITORY]
    other = replace(one.metadata, name="other", uid="other-uid")
    key = replace(one.spec.encryption_key.secret_ref, name="nowhere")
    spec = replace(one.spec, encryption_key=replace(one.spec.encryption_key, secret_ref=key))
    swept.world.repositories.put(replace(one, metadata=other, spec=spec))
    before = swept.there()

    for _ in range(4):
        await swept.look()
        swept.world.clock.turn(GRACE_S)

    assert swept.there() == before


async def test_a_repository_that_was_put_back_to_an_earlier_time_counts_as_unreadable() -> None:
    """It does not know of the points that came after."""
    swept = Swept()
    await swept.world.run()
    swept.lose_cluster()
    await swept.sweep()
    head = swept.world.points.open().head()
    assert head is not None
    (one,) = swept.world.repositories.stored.values()
    status = replace(one.status, log=LogHead(head.number, head.sha256))
    swept.world.repositories.put(replace(one, status=status))
    swept.world.points.control.delete(log_name(head.number))
    queue = f"vmb-jobs-{'a' * 20}-1-{'b' * 8}"
    swept.world.azure.queues[(account(HOME).id, queue)] = []
    swept.start()
    before = swept.there()

    await swept.sweep()

    assert swept.there() == before
    assert before["queues"] == [queue]
    assert "SweeperWaits" in {reason for reason, _ in swept.world.events.reasons}


async def test_the_grace_period_begins_anew_once_all_can_be_read() -> None:
    swept = await lost_with_a_snapshot()
    one = swept.world.repositories.stored.pop(REPOSITORY)
    await swept.look()
    swept.world.clock.turn(2 * GRACE_S)
    swept.world.repositories.put(one)
    before = swept.there()

    await swept.look()

    assert swept.there() == before


async def test_snapshots_stay_whose_repository_this_cluster_does_not_know() -> None:
    """Its object was deleted: the points are in there all the same, and may come back."""
    swept = Swept()
    await swept.world.run()
    (one,) = swept.world.repositories.stored.values()
    swept.world.repositories.stored.clear()
    key = ObjectKey("team", "another")
    swept.lose_cluster()
    before = swept.there()["snapshots"]
    for snapshot_id, seen in list(swept.world.azure.snapshots.items()):
        facts = replace(open_tags(RING, seen.id, seen.tags), repository_id="f" * 32)
        tags = {**seen.tags, **seal_tags(RING.active, seen.id, facts, nonce=bytes(12))}
        swept.world.azure.snapshots[snapshot_id] = type(seen)(**{
            **{name: getattr(seen, name) for name in seen.__slots__}, "tags": tags
        })  # fmt: skip
    swept.world.repositories.put(
        replace(one, metadata=replace(one.metadata, name=key.name, uid="another-uid"))
    )

    await swept.sweep()

    assert swept.there() == {"snapshots": before}


async def test_what_does_not_prove_to_be_ours_stays() -> None:
    swept = await lost_with_a_snapshot()
    for snapshot_id, seen in list(swept.world.azure.snapshots.items()):
        tags = {name: value for name, value in seen.tags.items() if not name.endswith("-0")}
        swept.world.azure.snapshots[snapshot_id] = type(seen)(**{
            **{name: getattr(seen, name) for name in seen.__slots__}, "tags": tags
        })  # fmt: skip
    swept.world.azure.queues[(account(HOME).id, "vmb-orders")] = []
    swept.world.azure.blobs["somebody/elses"] = b""
    before = swept.there()

    await swept.sweep()

    left = swept.there()
    assert left["snapshots"] == before["snapshots"]
    assert left["access"] == before["access"]
    assert (left["queues"], left["messages"]) == (["vmb-orders"], ["somebody/elses"])


async def test_a_worker_goes_in_a_region_that_nobody_looks_after() -> None:
    swept = await lost_with_a_snapshot()
    swept.remains.forgotten = {AWAY}

    await swept.sweep()

    assert swept.there() == {}


async def test_one_thing_that_azure_refuses_keeps_no_other_from_going(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    swept = await lost_with_a_snapshot()
    refused = ArmId(min(swept.world.azure.snapshots))
    delete = swept.world.ground.snapshots.delete

    async def refuse_one(snapshot: ArmId) -> bool:
        if snapshot.lower() == refused:
            raise TransientError("deleting: 503")
        return await delete(snapshot)

    monkeypatch.setattr(swept.world.ground.snapshots, "delete", refuse_one)

    await swept.sweep()

    assert swept.there() == {"snapshots": [refused]}


async def test_where_nothing_is_left_the_next_look_is_a_day_away() -> None:
    swept = Swept()
    await swept.world.run()

    assert await swept.look() == DAY_S
    assert swept.world.status(KEY).outcome == "Succeeded"


def test_each_kind_of_thing_has_a_name_to_be_counted_by() -> None:
    assert KINDS_COUNTED.keys() == set(get_args(Thing))
    assert len(set(KINDS_COUNTED.values())) == len(KINDS_COUNTED)


async def test_what_nothing_needs_is_counted_from_the_look_that_found_it_until_it_has_gone() -> (
    None
):
    swept = Swept()
    await swept.world.run_until("ExportGranted")
    spill(swept)
    before = swept.sweeper.seen()
    await swept.look()
    needed = swept.sweeper.seen()
    swept.lose_cluster()
    await swept.look()
    found, looked = swept.sweeper.seen(), swept.world.clock.now()
    await swept.sweep()
    gone = swept.sweeper.seen()

    assert before is None
    assert needed is not None
    assert set(needed.counts.values()) == {0, 1}  # a bundle of an earlier version
    assert found is not None
    assert found.looked == looked
    # Workers of this region are looked after anyway.
    kinds = set(KINDS_COUNTED.values()) - {"worker", "worker_part"}
    assert {kind for kind, number in found.counts.items() if number} == kinds
    assert gone is not None
    assert set(gone.counts.values()) == {0}


async def test_what_only_is_listed_is_counted_too() -> None:
    swept = Swept()
    await swept.world.run_until("ExportGranted")
    swept.lose_cluster()
    swept.world.repositories.stored.clear()

    await swept.look()

    seen = swept.sweeper.seen()
    assert seen is not None
    assert (seen.counts["access"], seen.counts["snapshot"]) == (3, 0)
