"""Epochs that begin beside backups and beside each other, at every call to a store."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial

from hypothesis import given
from hypothesis import strategies as st

from tests.sampling import some_of
from tests.unit.repository.data.bench import noise
from tests.unit.repository.opened.whole_bench import WholeBench
from tests.unit.repository.primitives.keepers import A, B
from tests.unit.repository.turns import Stopped, Work, calls_of, interleave
from vmbackup_core.repository.control.log.log_entries import LogObject, NewEpoch
from vmbackup_core.repository.control.points.points import RecoveryPoint
from vmbackup_core.repository.primitives.failures import KeyRingIncomplete
from vmbackup_core.repository.primitives.names import LOG
from vmbackup_core.repository.primitives.reading import Places

CONTENT = {"os": noise(1, 4 * 4096)}


@cache
def built() -> WholeBench:
    bench = WholeBench()
    bench.begun()
    bench.back_up(1, CONTENT)
    bench.opened().add_key(B)
    return bench


def over(bench: WholeBench, places: Places) -> WholeBench:
    """Return the same repository as it is seen through *places*."""
    return WholeBench(places, disks=bench.disks)


def rotating(bench: WholeBench, places: Places) -> int:
    return over(bench, places).opened().rotate([A, B])


def backing_up(bench: WholeBench, places: Places) -> RecoveryPoint:
    """Back up as run 2, again where an epoch was begun meanwhile."""
    while True:
        try:
            return over(bench, places).back_up(2, CONTENT)
        except KeyRingIncomplete:
            continue


def next_or_first(left: Iterator[int], _going: int) -> int:
    return next(left, 0)


def check(bench: WholeBench, points: int) -> None:
    """Check that each key opens all that there is, and nothing of the log was passed over."""
    for key in (A, B):
        opened = bench.opened(key=key, appliance=None)
        found = [each.point for each in opened.points()]
        assert len(found) == points
        assert bench.restored(found[0], opened) == []
        assert opened.log_findings() == ()


def calls_of_a_rotation() -> int:
    bench = built().copied()
    return calls_of(bench.places, partial(rotating, bench))


def test_a_rotation_that_was_stopped_anywhere_is_begun_again() -> None:
    every = calls_of_a_rotation()
    assert every > 20

    for calls in some_of(range(every + 1)):
        bench = built().copied()
        left = iter([0] * calls + [-1])
        work = partial(rotating, bench)
        (outcome,) = interleave(bench.places, [work], partial(next_or_first, left))

        bench.opened().rotate([B, A])
        bench.back_up(2, CONTENT)

        check(bench, 2)
        assert isinstance(outcome, Stopped) == (calls < every)


@given(picks=st.lists(st.integers(0, 1), max_size=300))
def test_a_backup_beside_a_rotation_counts_and_opens(picks: list[int]) -> None:
    bench = built().copied()
    works: list[Work] = [partial(rotating, bench), partial(backing_up, bench)]

    epoch, point = interleave(bench.places, works, partial(next_or_first, iter(picks)))

    assert epoch == 2
    assert isinstance(point, RecoveryPoint), point
    check(bench, 2)


def epochs_logged(bench: WholeBench) -> list[int]:
    """Return the epochs that the log has as the newest, one after the other."""
    control = bench.opened().log.control
    found = [
        control.open("LOGO", control.get("LOGO", each.name), LogObject)
        for each in control.store.list(LOG)
    ]
    entries = [each for said in reversed(found) for each in said.entries]
    return [each.epoch for each in entries if isinstance(each, NewEpoch)]


@given(picks=st.lists(st.integers(0, 1), max_size=200))
def test_of_two_rotations_each_is_the_newest_in_its_turn(picks: list[int]) -> None:
    bench = built().copied()
    works = [partial(rotating, bench), partial(rotating, bench)]

    epochs = interleave(bench.places, works, partial(next_or_first, iter(picks)))

    assert all(isinstance(each, int) for each in epochs), epochs
    assert set(epochs) == set(epochs_logged(bench))
    bench.back_up(2, CONTENT)
    check(bench, 2)


def test_who_rotates_behind_another_is_told_an_epoch_that_was_the_newest() -> None:
    every = calls_of_a_rotation()
    assert every > 20

    for calls in some_of(range(every + 1)):
        bench = built().copied()
        left = iter([0] * calls + [1] * 300)
        works: list[Work] = [partial(rotating, bench), partial(rotating, bench)]

        mine, others = interleave(bench.places, works, partial(next_or_first, left))

        assert {mine, others} == set(epochs_logged(bench)), calls
        check(bench, 1)
