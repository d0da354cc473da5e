"""The engine's parts: what each adds to what is known, and what there was no time for."""

from __future__ import annotations

import signal
import threading

import pytest

from tools.bench.engine.parts import ALL_S, PARTS, measure_part, merged
from tools.bench.engine.scenarios import NAMES
from tools.bench.engine.time_limit import OutOfTime, no_longer_than

KNOWN = {
    "full": {"s": 9.0},
    "sizes": {"1 TiB": {}},
    "took_s": {"engine": 800, "engine-sizes": 50},
    "not_measured": {
        "borg 2": "not built",
        "engine-extents": "not begun",
        "incremental": "refused",
    },
}


def test_a_scenario_adds_to_what_is_known() -> None:
    found = {"extents": {"listed": 1}, "took_s": {"engine-extents": 30}}
    now = merged(KNOWN, "engine-extents", found)

    assert now["full"] == {"s": 9.0}
    assert now["extents"] == {"listed": 1}
    assert now["took_s"] == {"engine": 800, "engine-sizes": 50, "engine-extents": 30}


def test_what_a_part_measures_now_is_not_said_to_be_missing_any_more() -> None:
    now = merged(KNOWN, "engine-extents", {"extents": {}})

    assert now["not_measured"] == {"borg 2": "not built", "incremental": "refused"}


def test_the_rounds_are_written_anew_beside_the_scenarios() -> None:
    now = merged(KNOWN, "engine", {"check": {"s": 3.0}, "not_measured": {"borg 2": "not built"}})

    assert now.keys() == {"check", "sizes", "took_s", "not_measured"}
    assert now["not_measured"] == {"borg 2": "not built", "engine-extents": "not begun"}


def test_a_part_that_there_is_no_time_for_is_not_begun_and_said() -> None:
    found = measure_part("engine-sizes", 1.0)

    assert found == {"not_measured": {"engine-sizes": "not begun: 1 s were left for it"}}


def test_all_parts_have_time_in_one_run() -> None:
    assert sum(part.usual_s for part in PARTS.values()) <= ALL_S
    assert len(PARTS) == len(NAMES) + 1


def test_what_takes_too_long_is_given_up() -> None:
    with pytest.raises(OutOfTime, match="after 0 s"), no_longer_than(0.01):
        threading.Event().wait(30)

    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_what_is_done_in_time_is_left_alone() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with no_longer_than(30):
        pass

    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
