"""What expires, what stays, and that nothing goes before the log says so."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import msgspec
import pytest
from typing_extensions import override

from tests.unit.repository.control.log_bench import (
    MOMENT,
    MemoryHeads,
    chain,
    expiring,
    pointless,
    run,
    wanting,
)
from tests.unit.repository.control.repository_bench import (
    ALWAYS,
    VM,
    RepositoryBench,
    UnreadableNow,
    finish_all,
    manifest_of,
)
from vmbackup_core.ids import CommitSlot
from vmbackup_core.repository.control.chains.holds import Holder, held_slots, hold, is_held, release
from vmbackup_core.repository.control.log.heads import Head, HistoryRolledBack
from vmbackup_core.repository.control.log.log import ReadOnly
from vmbackup_core.repository.control.log.log_entries import Claimed, Dropped
from vmbackup_core.repository.control.points.points import (
    RecoveryPoint,
    StampedRetention,
    open_counted,
    stored_points,
)
from vmbackup_core.repository.control.points.recording import record
from vmbackup_core.repository.control.retention.expire import begin_expire
from vmbackup_core.repository.control.retention.expire_plan import (
    CountedPoint,
    KnownPoint,
    Letting,
    Rules,
    entry_of,
    plan_pointless,
    plan_points,
)
from vmbackup_core.repository.control.retention.sights import Sights
from vmbackup_core.repository.control.sealed_objects import is_there
from vmbackup_core.repository.primitives.names import commit_name, point_name
from vmbackup_core.retention.in_force import LiveRule

HOLDER = Holder(run(77), "restore", "a test")


class NoPolicies(Rules):
    @override
    def live_rule(self, namespace: str, policy: str) -> LiveRule | None:
        return None


class NewSights(Sights):
    @override
    def age(self, number: int | None) -> timedelta:
        return timedelta(hours=23)


def with_points(count: int) -> RepositoryBench:
    bench = RepositoryBench().begun()
    for number in range(1, count + 1):
        record(bench.log(), bench.store, bench.committed(number, number))
    return bench


def outcomes(bench: RepositoryBench) -> list[str]:
    return [each.outcome for each in finish_all(bench.log(), bench.store)]


def test_a_point_goes_with_its_manifest_and_the_log_forgets_it() -> None:
    bench = with_points(2)
    bench.let_go(1)

    assert outcomes(bench) == ["done"]

    assert not is_there(bench.store, manifest_of(1, 1))
    assert list(stored_points(bench.control(), VM)) == [(VM, run(2))]
    state = bench.log().read().state
    assert (list(state.counted), state.expiring) == ([(VM, run(2))], {})
    assert bench.complaints() == []
    assert is_there(bench.store, commit_name(chain(0), CommitSlot(1)))


def test_nothing_goes_within_a_day_of_our_first_sight() -> None:
    bench = with_points(2)
    bench.let_go(1)

    (going,) = finish_all(bench.log(), bench.store, NewSights())

    assert going.outcome == "waits"
    assert is_there(bench.store, manifest_of(1, 1))


def test_the_newest_commits_manifest_stays_until_there_is_another() -> None:
    bench = with_points(1)
    bench.let_go(1)
    assert outcomes(bench) == ["stays"]
    assert is_there(bench.store, manifest_of(1, 1))

    bench.commit(2, 2)

    assert outcomes(bench) == ["done"]


def test_a_held_manifest_stays_until_it_is_released() -> None:
    bench = with_points(2)
    place = [(chain(0), CommitSlot(1))]
    hold(bench.control(), place, HOLDER, MOMENT)
    hold(bench.control(), place, HOLDER, MOMENT)
    bench.let_go(1)
    assert held_slots(bench.control(), chain(0)) == {1}
    assert outcomes(bench) == ["stays"]

    release(bench.control(), place, HOLDER.id)

    assert not is_held(bench.control(), *place[0])
    assert outcomes(bench) == ["done"]


@pytest.mark.parametrize("what", ["damaged", "lost"])
def test_nothing_goes_while_the_newest_commit_is_unknown(what: str) -> None:
    bench = with_points(2)
    bench.let_go(1)
    bench.store.delete(commit_name(chain(0), CommitSlot(2)))
    if what == "damaged":
        bench.store.put_new(commit_name(chain(0), CommitSlot(2)), b"damaged")

    assert outcomes(bench) == ["stays"]


def test_a_point_that_is_damaged_goes_by_the_commits_of_its_slots() -> None:
    bench = with_points(2)
    bench.let_go(1)
    bench.store.delete(point_name(VM, run(1)))
    bench.store.put_new(point_name(VM, run(1)), b"damaged")

    assert outcomes(bench) == ["done"]
    assert not is_there(bench.store, manifest_of(1, 1))


def test_a_commit_without_point_goes_and_its_successor_stays() -> None:
    bench = with_points(1)
    bench.commit(2, 2)
    bench.commit(3, 3)
    state = bench.log().read().state

    planned = list(plan_pointless(bench.control(), bench.store, state, chain(0), lambda _run: True))
    begin_expire(bench.log(), planned)

    assert planned == [pointless(2), pointless(3)]
    assert sorted(outcomes(bench)) == ["done", "stays"]
    assert not is_there(bench.store, manifest_of(2, 2))
    assert is_there(bench.store, manifest_of(3, 3))


def test_a_commit_of_a_run_that_goes_on_is_no_pointless_one() -> None:
    bench = RepositoryBench().begun()
    bench.commit(2, 1)
    state = bench.log().read().state

    assert not list(
        plan_pointless(bench.control(), bench.store, state, chain(0), lambda _run: False)
    )


def test_the_manifest_of_a_pointless_commit_that_is_damaged_waits_for_a_person() -> None:
    bench = with_points(1)
    bench.commit(2, 2)
    bench.commit(3, 3)
    bench.log().append(wanting(pointless(2)))
    bench.store.delete(commit_name(chain(0), CommitSlot(2)))
    assert outcomes(bench) == ["stays"]

    drop = Dropped(chain=chain(0), slot=CommitSlot(2), what="commit", session=None, why="lost")
    bench.log().append(wanting(drop))

    assert outcomes(bench) == ["done"]


def test_a_point_recorded_since_the_plan_is_not_let_go_as_pointless() -> None:
    bench = with_points(0)
    point = bench.committed(1, 1)
    record(bench.log(), bench.store, point)

    (appended,) = begin_expire(bench.log(), [pointless(1)])

    assert appended.entries == ()


def test_a_rolled_back_log_lets_nothing_go() -> None:
    bench = with_points(2)
    heads = MemoryHeads()
    heads.held = Head(99, "a" * 64)
    (entry, _) = bench.log().read().state.counted.values()

    with pytest.raises(HistoryRolledBack):
        begin_expire(bench.log(heads=heads), [entry_of(entry)])
    bench.let_go(1)
    with pytest.raises(HistoryRolledBack):
        finish_all(bench.log(heads=heads), bench.store)
    assert is_there(bench.store, manifest_of(1, 1))


def test_the_former_owner_deletes_nothing() -> None:
    bench = with_points(2)
    bench.let_go(1)
    claim = Claimed(appliance="other", from_=bench.log().read().state.owner)
    bench.log(appliance="other").append(wanting(claim))

    with pytest.raises(ReadOnly):
        finish_all(bench.log(), bench.store)
    assert is_there(bench.store, manifest_of(1, 1))


class TestPlan:
    def counted(self, bench: RepositoryBench) -> list[CountedPoint]:
        entries = bench.log().read().state.counted.values()
        return [
            CountedPoint(entry, KnownPoint.of(open_counted(bench.control(), entry)))
            for entry in entries
        ]

    def seen(
        self, bench: RepositoryBench, counted: CountedPoint, vm_id: str, rule: StampedRetention
    ) -> RecoveryPoint:
        point = open_counted(bench.control(), counted.entry)
        return msgspec.structs.replace(point, vm_id=vm_id, retention=rule)

    def test_without_a_policy_the_newest_points_stamp_rules(self) -> None:
        bench = with_points(4)
        counted = self.counted(bench)
        rule = msgspec.structs.replace(ALWAYS, last=2)
        newest = dataclasses.replace(counted[-1].known, stamp=rule.stamp)
        counted[-1] = CountedPoint(counted[-1].entry, newest)

        planned = plan_points(counted, Letting(NoPolicies(), timedelta(days=7), MOMENT))

        assert [entry.run for entry in planned] == [run(1), run(2)]
        assert planned[0] == expiring(counted[0].entry)

    def test_policies_of_one_vm_are_judged_apart(self) -> None:
        bench = with_points(2)
        counted = self.counted(bench)
        rule = msgspec.structs.replace(ALWAYS, last=1)
        apart = [
            CountedPoint(
                each.entry,
                KnownPoint(("default", name, each.known.group[2]), rule.stamp),
            )
            for each, name in zip(counted, ("daily", "weekly"), strict=True)
        ]

        assert plan_points(apart, Letting(NoPolicies(), timedelta(), MOMENT)) == []

    def test_the_case_of_a_vms_id_makes_no_group(self) -> None:
        bench = with_points(2)
        rule = msgspec.structs.replace(ALWAYS, last=1)
        first, second = (
            CountedPoint(
                each.entry,
                KnownPoint.of(self.seen(bench, each, vm_id, rule)),
            )
            for each, vm_id in zip(self.counted(bench), ("/VM/Web", "/vm/web"), strict=True)
        )

        planned = plan_points([first, second], Letting(NoPolicies(), timedelta(), MOMENT))

        assert [entry.run for entry in planned] == [run(1)]


def test_what_cannot_be_read_now_stays_and_keeps_no_other_from_going() -> None:
    bench = with_points(3)
    bench.let_go(1)
    bench.let_go(2)
    store = UnreadableNow(bench.store, point_name(VM, run(1)))

    going = finish_all(bench.log(store=store), store)

    assert [each.outcome for each in going] == ["stays", "done"]
    assert is_there(bench.store, manifest_of(1, 1))
