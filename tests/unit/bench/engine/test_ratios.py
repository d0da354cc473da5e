"""What was measured against the targets: the arithmetic, and what is left out."""

from __future__ import annotations

from typing import Any

import pytest

from tools.bench.engine.ratios import TARGETS, medians, medians_of, ratios


def operation(seconds: float, **others: float) -> dict[str, float]:
    return {"s": seconds, "cpu_s": 2 * seconds, "rss_mb": 100.0, **others}


def figures() -> dict[str, Any]:
    """Return a result in which everything was measured."""
    delta = {"stored_mb_mean": 40.0, "restore": operation(2.6)}
    return {
        "full": operation(4.0, operator_s=1.0, stored_mb=600, read_mb=2000),
        "incremental": operation(0.5, operator_s=0.5, read_mb=170, stored_mb=60),
        "increments_10": {"without_delta": {"stored_mb_mean": 60.1}, "with_delta": delta},
        "restore": operation(2.0),
        "check": operation(2.0) | {"rss_mb": 161.0},
        "restore_requests": {"get_range": 41, "get_end": 20},
        "packs": 20,
        "disks_4": operation(9.0) | {"rss_mb": 300.0},
        "sizes": {
            "8 TiB": {"full": operation(9), "unchanged": operation(9.0, operator_s=2.0)},
            "32 TiB": {"full": operation(30), "unchanged": operation(9) | {"rss_mb": 299.0}},
        },
        "aged_chain": {"restore_requests": {"get_range": 300, "packs": 200}},
        "full_1_tib": {
            "one_block": {"all_mb": 0.524288},
            "scattered": {"index_mb": 0.5, "index_of_all_mb": 8.5},
        },
        "peers": {
            "qemu-img": {"version": "7.2.22", "full": operation(5.0), "restore": operation(2)},
            "restic": {
                "version": "v0.18.1",
                "full": operation(10.0),
                "incremental": operation(6.0),
                "restore": operation(3.9),
            },
            "kopia": {
                "version": "v0.22.3",
                "full": operation(9.9),
                "incremental": operation(9.0),
                "restore": operation(8),
            },
            "zstd": {"version": "1.5.4", "full": operation(4), "restore": operation(1.6)},
        },
    }


WANTED = {
    "full, times qemu-img's": (1.0, True),
    "full, times faster than restic": (2.0, True),
    "full, times faster than kopia": (1.98, False),
    "full, CPU seconds per GB of content": (4.0, False),
    "incremental, times faster than the fastest peer": (6.0, True),
    "increment stored, MB": (60.1, False),
    "increment stored with delta, MB, mean of ten": (40.0, True),
    "restore, times faster than restic": (1.95, False),
    "restore, times plain zstd's": (1.25, True),
    "restore of the tenth increment with delta, times faster than restic": (1.5, False),
    "restore of the tenth increment with delta, times plain zstd's": (1.625, False),
    "requests of a restore, times its packs": (2.05, False),
    "requests of a restore after 1,000 points, times its packs": (1.5, True),
    "RSS of one disk, MB": (161.0, False),
    "RSS of four disks, MB": (300.0, True),
    "RSS at 32 TiB, MB": (299.0, True),
    "an unchanged disk of 8 TiB, seconds": (11.0, False),
    "one changed block of a full 1 TiB, KiB stored in all": (512.0, True),
    "index stored at 0.1 % changed of 1 TiB, MiB": (8.106, False),
}


def test_each_target_is_told_with_its_bound_and_whether_it_is_met() -> None:
    told = ratios(figures())

    assert {name: (each["value"], each["met"]) for name, each in told.items()} == WANTED
    assert told["full, times qemu-img's"]["target"] == "at most 1"
    assert told["full, times faster than restic"]["target"] == "at least 2"


def test_every_target_is_one_that_this_file_works_out() -> None:
    assert {target.name for target in TARGETS} == WANTED.keys()


@pytest.mark.parametrize(
    ("missing", "gone"),
    [
        ("incremental", {"incremental, times faster than the fastest peer"}),
        ("packs", {"requests of a restore, times its packs"}),
        ("sizes", {"RSS at 32 TiB, MB", "an unchanged disk of 8 TiB, seconds"}),
    ],
)
def test_what_was_not_measured_makes_no_ratio(missing: str, gone: set[str]) -> None:
    found = figures()
    del found[missing]

    assert WANTED.keys() - ratios(found).keys() == gone


def test_without_the_peer_its_ratios_are_left_out_and_all_others_told() -> None:
    found = figures()
    del found["peers"]["restic"]
    told = ratios(found)

    assert WANTED.keys() - told.keys() == {
        "full, times faster than restic",
        "restore, times faster than restic",
        "restore of the tenth increment with delta, times faster than restic",
    }
    assert told["incremental, times faster than the fastest peer"]["value"] == 9.0


def test_a_median_is_of_every_round_and_of_what_all_rounds_have() -> None:
    rounds = [{"s": 3.0, "cpu_s": 1.0}, {"s": 1.0}, {"s": 2.0004, "cpu_s": 5.0}]

    assert medians(rounds) == {"s": 2.0}


def test_an_operation_that_some_rounds_lack_is_the_median_of_the_others() -> None:
    rounds = [{"full": {"s": 1.0}}, {"full": {"s": 2.0}, "check": {"s": 4.0}}]

    assert medians_of(rounds) == {"full": {"s": 1.5}, "check": {"s": 4.0}}
