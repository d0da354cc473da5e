"""Figures that are computed from what was measured."""

from __future__ import annotations

from collections import Counter

import pytest

from tools.bench.figures import latencies, per_session, per_thousand, percentile


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([], 99, 0), ([7], 99, 7), (list(range(1, 101)), 99, 99), ([3, 1, 2], 50, 2), ([1, 2], 1, 1)],
)
def test_a_percentile_is_a_value_that_was_seen(
    values: list[float], percent: float, expected: float
) -> None:
    assert percentile(values, percent) == expected


def test_waits_are_told_in_all_and_after_the_burst() -> None:
    waits = [(float(at_s), 10.0 if at_s < 50 else 0.5) for at_s in range(100)]

    assert latencies(waits, 49) == {
        "p50": 0.5, "p99": 10.0, "longest": 10.0, "p99_after_burst": 0.5,
    }  # fmt: skip
    assert latencies([], 0)["p99"] == 0


def test_memory_is_told_without_the_worlds() -> None:
    assert per_thousand(150, 250, 40, 3000) == 20.0


def test_requests_are_told_by_session() -> None:
    assert per_session(Counter(reads=10, writes=5), 4) == 3.8
    assert per_session(Counter(), 0) == 0
