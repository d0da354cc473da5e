"""Who gets which worker and which disk access."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from typing_extensions import override

from tests.unit.sessions.sharing_scene import OWN, Woken, allocator, region, seen, session
from tests.worlds.memory_azure import AWAY
from tests.worlds.turned_clock import TurnedClock
from vmbackup_core.ids import DiskUniqueId, SnapshotUniqueId, WorkerId
from vmbackup_operator.model.backup_session import (
    BackupSession,
)
from vmbackup_operator.model.session_findings import (
    Export,
)
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.sessions.allocator import Allocator, Displaced
from vmbackup_operator.sessions.book import SessionBook
from vmbackup_operator.sessions.seen import (
    SnapshotSeen,
    WorkerSeen,
)
from vmbackup_operator.sessions.sharing import ExportsWanted, exports_in_use, spread, turns


def test_where_there_is_no_worker_the_session_launches_its_own() -> None:
    allots, _ = allocator(session("me"))

    assert allots.choose_worker([], session("me"), region(), OWN) == OWN


def test_a_stopped_worker_is_started_again() -> None:
    allots, _ = allocator()

    chosen = allots.choose_worker([seen("w", "deallocated")], session("me"), region(), OWN)

    assert chosen == "w"


def test_a_running_idle_worker_is_preferred() -> None:
    allots, _ = allocator()
    existing = [seen("a", "deallocated"), seen("b", "running")]

    assert allots.choose_worker(existing, session("me"), region(2), OWN) == "b"


def test_a_worker_that_serves_another_session_is_waited_for() -> None:
    allots, _ = allocator(session("other", "w"), session("me"))

    chosen = allots.choose_worker([seen("w", "running")], session("me"), region(), OWN)

    assert isinstance(chosen, Waiting)
    assert chosen.reason == "WorkerBusy"


def test_a_worker_whose_key_is_missing_counts_is_named_and_is_given_to_nobody() -> None:
    allots, _ = allocator(session("me"))
    doubt = "its key 'k1' is missing"
    doubtful = WorkerSeen(ArmId("/w"), WorkerId("w"), "deallocated", None, doubt=doubt)

    chosen = allots.choose_worker([doubtful], session("me"), region(), OWN)

    assert isinstance(chosen, Waiting)
    assert chosen.reason == "WorkerBusy"
    assert "w is left alone: its key 'k1' is missing" in chosen.message
    assert allots.choose_worker([doubtful], session("me"), region(2), OWN) == OWN


def test_the_room_of_a_worker_that_goes_for_a_reader_is_the_readers() -> None:
    reading = session("reading")
    reading = replace(reading, spec=replace(reading.spec, type="Verify"))
    allots, _ = allocator(reading, session("backup"))
    idle, deleted = seen("w", "deallocated"), seen("w", "deleting")

    first = allots.choose_worker([idle], reading, region(), OWN)
    meanwhile = [
        allots.choose_worker([shown], session("backup"), region(), WorkerId("backup-1"))
        for shown in (idle, deleted)
    ]
    again = allots.choose_worker([deleted], reading, region(), OWN)
    gone = allots.choose_worker([], reading, region(), OWN)

    assert first == again == Displaced(WorkerId("w"), idle.vm_id)
    assert [isinstance(each, Waiting) and each.reason for each in meanwhile] == ["WorkerBusy"] * 2
    assert gone == OWN


def test_a_reader_that_goes_away_lets_the_idle_worker_be() -> None:
    reading = session("reading")
    reading = replace(reading, spec=replace(reading.spec, type="Verify"))
    allots, _ = allocator(reading)
    idle = seen("w", "deallocated")
    allots.choose_worker([idle], reading, region(), OWN)

    allots.drop(reading.metadata.key)

    assert allots.choose_worker([idle], session("backup"), region(), OWN) == "w"


def test_what_a_wait_for_a_worker_says_does_not_change_with_who_has_them() -> None:
    one, _ = allocator(session("other", "w"))
    another, _ = allocator(session("third", "w"))
    existing = [seen("w", "running")]

    said = [each.choose_worker(existing, session("me"), region(), OWN) for each in (one, another)]

    assert said[0] == said[1]


def test_a_worker_that_is_only_promised_counts() -> None:
    allots, _ = allocator(session("other", "w"))

    assert isinstance(allots.choose_worker([], session("me"), region(), OWN), Waiting)


def test_a_worker_that_was_given_and_is_not_written_down_yet_is_given_to_nobody_else() -> None:
    allots, _ = allocator(session("one"), session("two"))
    existing = [seen("w", "running")]

    first = allots.choose_worker(existing, session("one"), region(), OWN)
    second = allots.choose_worker(existing, session("two"), region(), OWN)
    again = allots.choose_worker(existing, session("one"), region(), OWN)

    assert (first, again) == ("w", "w")
    assert isinstance(second, Waiting)


def test_workers_of_other_regions_do_not_count() -> None:
    allots, _ = allocator(session("other", "w", place="elsewhere"))

    assert allots.choose_worker([], session("me"), region(), OWN) == OWN


def test_a_broken_worker_is_not_used_and_takes_no_room() -> None:
    allots, _ = allocator()

    assert allots.choose_worker([seen("w", "failed")], session("me"), region(), OWN) == OWN


def test_an_abandoned_worker_is_given_to_nobody_though_its_session_has_ended() -> None:
    held = session("other", "w")
    assert held.status.worker is not None
    abandoned = replace(
        held.status,
        outcome="Failed",
        worker=replace(held.status.worker, abandoned=True),
    )
    allots, _ = allocator()
    allots.settle(replace(held, status=abandoned))

    chosen = allots.choose_worker([seen("w", "running")], session("me"), region(2), OWN)

    assert chosen == OWN


def test_there_is_room_up_to_the_regions_number() -> None:
    allots, _ = allocator(session("one", "a"), session("two", "b"))
    existing = [seen("a", "running"), seen("b", "running")]

    assert isinstance(allots.choose_worker(existing, session("me"), region(2), OWN), Waiting)
    assert allots.choose_worker(existing, session("me"), region(3), OWN) == OWN


def test_who_waits_for_longer_comes_first_and_is_woken_by_what_is_left_for_it() -> None:
    first = session("first", waits=True, began=1)
    late = session("late", began=2)
    allots, woken = allocator(first, late)
    existing = [seen("w", "running")]

    assert isinstance(allots.choose_worker(existing, late, region(1), OWN), Waiting)
    assert woken == [first.metadata.key]
    assert allots.choose_worker(existing, late, region(2), OWN) == OWN
    assert set(woken) == {first.metadata.key}


def test_who_gets_one_of_several_free_workers_has_the_next_one_woken() -> None:
    first, second = session("first", waits=True, began=1), session("second", waits=True, began=2)
    allots, woken = allocator(first, second)
    existing = [seen("a", "running"), seen("b", "running")]

    assert allots.choose_worker(existing, first, region(2), OWN) == "a"
    assert woken == [second.metadata.key]
    assert allots.choose_worker(existing, second, region(2), OWN) == "b"
    assert woken == [second.metadata.key]


def test_one_session_waits_for_one_worker_beside_a_namespace_with_hundreds() -> None:
    many = [session(f"many-{n}", waits=True, began=n, namespace="rich") for n in range(500)]
    busy = [session(f"busy-{n}", worker=f"w{n}", namespace="rich") for n in range(4)]
    one = session("one", waits=True, began=1000, namespace="poor")
    allots, _ = allocator(*many, *busy, one)

    assert allots.next_in(AWAY) == one.metadata.key


def test_within_a_namespace_and_between_equals_it_is_first_come_first_served() -> None:
    waiting = [
        session("b2", waits=True, began=4, namespace="b"),
        session("a1", waits=True, began=1, namespace="a"),
        session("a2", waits=True, began=2, namespace="a"),
        session("b1", waits=True, began=3, namespace="b"),
    ]

    assert [each.metadata.name for each in turns(waiting, {})] == ["a1", "b1", "a2", "b2"]
    assert [each.metadata.name for each in turns(waiting, {"a": 2})] == ["b1", "b2", "a1", "a2"]


class Unlistable(SessionBook):
    """A picture of so many that whoever lists them all takes too long."""

    @override
    def unfinished(self) -> Sequence[BackupSession]:
        raise AssertionError("nothing that is done for one session looks at all of them")


def test_nothing_is_shared_out_by_a_look_at_all_sessions() -> None:
    book, woken = Unlistable(), Woken()
    shared = Allocator(book, woken.append)
    for number in range(3):
        book.note(session(f"n-{number}", waits=True))
    first = session("n-0", waits=True)

    shared.choose_worker([], first, region(2), OWN)
    shared.share_exports(first, ExportsWanted([ArmId("s-1")], access_of), [])
    shared.next_in(AWAY)
    shared.wake_for_vm(first.spec.virtual_machine_id)
    shared.turn_of_vm(first, first.spec.virtual_machine_id)
    shared.leave(OWN, first.metadata.key)

    assert first.metadata.key in woken


def test_a_worker_that_two_are_stopping_is_nobodys_before_both_are_through() -> None:
    """What the slower one still deletes would be the queues of the next session's launch."""
    one, other, third = session("one"), session("other"), session("third", waits=True)
    shared, _ = allocator(third)
    worker = seen("w-1", "running")

    assert shared.leave(worker.id, one.metadata.key) is None
    assert shared.leave(worker.id, other.metadata.key) is None
    shared.left(worker.id, one.metadata.key)
    shared.left(worker.id, third.metadata.key)  # who never was at it ends nothing
    busy = shared.choose_worker([worker], third, region(1), OWN)
    shared.left(worker.id, other.metadata.key)

    assert isinstance(busy, Waiting)
    assert shared.choose_worker([worker], third, region(1), OWN) == "w-1"


def test_a_session_that_has_gone_keeps_no_worker_from_others() -> None:
    gone, next_one = session("gone"), session("next", waits=True)
    shared, worker = allocator(next_one)[0], seen("w-1", "running")
    shared.leave(worker.id, gone.metadata.key)
    shared.all_left(gone.metadata.key)

    assert shared.choose_worker([worker], next_one, region(1), OWN) == "w-1"


def test_one_session_of_a_vm_runs_at_a_time_in_the_order_in_which_they_began() -> None:
    older, newer = session("older", began=1), session("newer", began=2)
    allots, woken = allocator(older, newer)

    assert allots.turn_of_vm(older, "/VM") is None
    waits = allots.turn_of_vm(newer, "/vm")
    allots.wake_for_vm("/vm")

    assert waits is not None
    assert (waits.reason, "team/older" in waits.message) == ("VirtualMachineBusy", True)
    assert woken == [older.metadata.key]


def access_of(number: int) -> ArmId:
    return ArmId(f"/DA-{number}")


@given(st.integers(0, 40), st.dictionaries(st.integers(0, 20), st.integers(0, 5)))
def test_no_disk_access_ever_gets_more_than_five_exports(
    count: int, in_use_by_number: dict[int, int]
) -> None:
    snapshots = [ArmId(f"/snapshot-{number}") for number in range(count)]
    in_use = Counter({access_of(n).lower(): used for n, used in in_use_by_number.items()})

    through = spread(ExportsWanted(snapshots, access_of), in_use)

    given_out = Counter(access.lower() for access in through.values())
    assert list(through) == snapshots
    assert all(given_out[key] + in_use[key] <= 5 for key in given_out)
    # No access of a higher number is used while one of a lower number has room.
    last = max((int(key.removeprefix("/da-")) for key in given_out), default=0)
    assert all(given_out[f"/da-{n}"] + in_use[f"/da-{n}"] == 5 for n in range(last))


def test_exports_that_were_given_and_are_not_written_down_yet_count() -> None:
    one, two = session("one"), session("two")
    allots, _ = allocator(one, two)
    first = [ArmId(f"/one-{number}") for number in range(3)]
    second = [ArmId(f"/two-{number}") for number in range(3)]

    allots.share_exports(one, ExportsWanted(first, access_of), [])
    given_out = allots.share_exports(two, ExportsWanted(second, access_of), [])

    assert sorted(given_out.values()) == ["/DA-0", "/DA-0", "/DA-1"]


def test_exports_of_other_sessions_and_leftovers_count_once_and_own_ones_do_not() -> None:
    exports = tuple(Export(f"/S-{number}", "/DA-0") for number in range(3))
    leftover = SnapshotSeen(
        id=ArmId("/left"),
        source_disk_id=ArmId("/disk"),
        source_unique_id=DiskUniqueId("u"),
        unique_id=SnapshotUniqueId("s"),
        size_bytes=1,
        created_at=TurnedClock().now(),
        tags={},
        ready=True,
        failure=None,
        network_access="AllowPrivate",
        public_access=False,
        disk_access_id=ArmId("/da-0"),
        exported=True,
    )
    me, other = session("me", exports=(Export("/mine", "/da-0"),)), session("o", exports=exports)

    assert exports_in_use([me, other], [leftover], me) == {"/da-0": 4}
