"""Runs, retries and paused leaders that commit one disk, interleaved at every call to the stores.

`tests/soak/test_commits_interleaved.py` draws many more of the same.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.sampling import some_of
from tests.unit.repository.control.backup.commit_pairs import PAIRS, play
from tests.unit.repository.control.commit_bench import (
    CHAIN,
    CommitBench,
    Told,
    back_up,
    content_of,
)
from tests.unit.repository.turns import Stopped, interleave
from vmbackup_core.repository.control.commits.commits import commits

SCHEDULES = 24


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("begun", [False, True], ids=["empty", "begun"])
def test_whoever_is_faster_each_run_has_one_commit_that_comes_back(
    pair: str, *, begun: bool
) -> None:
    for seed in some_of(range(SCHEDULES)):
        assert play(pair, seed, begun=begun) == [], f"seed {seed}"


def test_a_run_stopped_at_any_call_is_finished_by_its_retry() -> None:
    bench = CommitBench().begun()
    bench.committed(1)
    calls = count_calls(bench)
    assert calls > 30
    for last in some_of(range(calls)):
        bench = CommitBench().begun()
        bench.committed(1)
        told: Told = {}

        (ended,) = interleave(bench.places, [back_up(bench, 2, told)], stopped_after(last))

        assert isinstance(ended, Stopped)
        back_up(bench, 2, told)(bench.places)
        back_up(bench, 3, told)(bench.places)
        assert bench.complaints(told) == [], f"stopped at call {last}"


@pytest.mark.parametrize("rival", [2, 3], ids=["its retry", "another run"])
def test_a_rival_that_comes_between_any_two_calls_takes_nothing_from_a_run(rival: int) -> None:
    for before in some_of(range(count_calls(CommitBench().begun()))):
        bench = CommitBench().begun()
        told: Told = {}
        works = [back_up(bench, 2, told), back_up(bench, rival, told)]

        ended = interleave(bench.places, works, rival_after(before))

        assert ended == [None, None]
        assert bench.complaints(told) == [], f"after call {before}"


def rival_after(calls: int) -> Callable[[int], int]:
    order = iter([0] * calls)
    return lambda _: next(order, 1)


def stopped_after(calls: int) -> Callable[[int], int]:
    order = iter([0] * calls)
    return lambda _: next(order, -1)


def count_calls(bench: CommitBench) -> int:
    """Return how many calls a run makes from its beginning to its end."""
    calls = 0

    def choose(_: int) -> int:
        nonlocal calls
        calls += 1
        return 0

    interleave(bench.places, [back_up(bench, 2, {})], choose)
    return calls


def test_runs_one_behind_the_other_each_have_a_slot() -> None:
    bench = CommitBench().begun()
    told: Told = {}
    for number in (1, 2, 3):
        back_up(bench, number, told)(bench.places)

    assert bench.complaints(told) == []
    assert [each.slot for each in commits(bench.control, CHAIN)] == [3, 2, 1]
    assert bench.restored(told[2][0]) == content_of(2)
