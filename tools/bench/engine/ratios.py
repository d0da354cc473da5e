"""What was measured against what is wanted of it; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final, Literal

Figures = Mapping[str, Any]

_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Target:
    """One figure and its bound; *find* raises KeyError where something of it was not measured."""

    name: str
    bound: Literal["at most", "at least"]
    wanted: float
    find: Callable[[Figures], float]

    def ratio(self, figures: Figures) -> dict[str, object]:
        """Return the figure with its target and whether it is met."""
        value = self.find(figures)
        met = value <= self.wanted if self.bound == "at most" else value >= self.wanted
        said = round(value, _DIGITS)
        return {"value": said, "target": f"{self.bound} {self.wanted:g}", "met": met}


def _whole_s(figures: Figures, operation: str) -> float:
    """Return what a backup took from its order to its recovery point."""
    return float(figures[operation]["s"] + figures[operation].get("operator_s", 0))


def _peer_s(figures: Figures, peer: str, operation: str) -> float:
    return float(figures["peers"][peer][operation]["s"])


def _fastest_incremental_s(figures: Figures) -> float:
    peers = figures["peers"].values()
    return float(min(each["incremental"]["s"] for each in peers if "incremental" in each))


def _against(peer: str, operation: str) -> Callable[[Figures], float]:
    """Return how many times as long as ours the peer's operation takes."""
    return lambda found: _peer_s(found, peer, operation) / _whole_s(found, operation)


def _tenth_restore_s(figures: Figures) -> float:
    return float(figures["increments_10"]["with_delta"]["restore"]["s"])


def _requests_of_a_pack(requests: Figures) -> float:
    return float(requests["get_range"] / requests["packs"])


def _largest_rss_mb(figures: Figures) -> float:
    operations = ("full", "incremental", "later_full", "restore", "check")
    return float(max(figures[each]["rss_mb"] for each in operations if each in figures))


TARGETS: Final = (
    Target(
        "full, times qemu-img's",
        "at most",
        1.0,
        lambda found: _whole_s(found, "full") / _peer_s(found, "qemu-img", "full"),
    ),
    Target("full, times faster than restic", "at least", 2.0, _against("restic", "full")),
    Target("full, times faster than kopia", "at least", 2.0, _against("kopia", "full")),
    Target(
        "full, CPU seconds per GB of content",
        "at most",
        3.0,
        lambda found: float(found["full"]["cpu_s"] / (found["full"]["read_mb"] / 1000)),
    ),
    Target(
        "incremental, times faster than the fastest peer",
        "at least",
        6.0,
        lambda found: _fastest_incremental_s(found) / _whole_s(found, "incremental"),
    ),
    Target(
        "increment stored, MB",
        "at most",
        60.0,
        lambda found: float(found["increments_10"]["without_delta"]["stored_mb_mean"]),
    ),
    Target(
        "increment stored with delta, MB, mean of ten",
        "at most",
        40.0,
        lambda found: float(found["increments_10"]["with_delta"]["stored_mb_mean"]),
    ),
    Target("restore, times faster than restic", "at least", 2.0, _against("restic", "restore")),
    Target(
        "restore, times plain zstd's",
        "at most",
        1.3,
        lambda found: _whole_s(found, "restore") / _peer_s(found, "zstd", "restore"),
    ),
    Target(
        "restore of the tenth increment with delta, times faster than restic",
        "at least",
        2.0,
        lambda found: _peer_s(found, "restic", "restore") / _tenth_restore_s(found),
    ),
    Target(
        "restore of the tenth increment with delta, times plain zstd's",
        "at most",
        1.3,
        lambda found: _tenth_restore_s(found) / _peer_s(found, "zstd", "restore"),
    ),
    Target(
        "requests of a restore, times its packs",
        "at most",
        2.0,
        lambda found: _requests_of_a_pack({**found["restore_requests"], "packs": found["packs"]}),
    ),
    Target(
        "requests of a restore after 1,000 points, times its packs",
        "at most",
        2.0,
        lambda found: _requests_of_a_pack(found["aged_chain"]["restore_requests"]),
    ),
    Target("RSS of one disk, MB", "at most", 160.0, _largest_rss_mb),
    Target(
        "RSS of four disks, MB", "at most", 300.0, lambda found: float(found["disks_4"]["rss_mb"])
    ),
    Target(
        "RSS at 32 TiB, MB",
        "at most",
        300.0,
        lambda found: float(max(each["rss_mb"] for each in found["sizes"]["32 TiB"].values())),
    ),
    Target(
        "an unchanged disk of 8 TiB, seconds",
        "at most",
        10.0,
        lambda found: _whole_s(found["sizes"]["8 TiB"], "unchanged"),
    ),
    Target(
        "one changed block of a full 1 TiB, KiB stored in all",
        "at most",
        512.0,
        lambda found: float(found["full_1_tib"]["one_block"]["all_mb"] * 1e6 / 1024),
    ),
    Target(
        "index stored at 0.1 % changed of 1 TiB, MiB",
        "at most",
        8.0,
        lambda found: float(found["full_1_tib"]["scattered"]["index_of_all_mb"] * 1e6 / 1024**2),
    ),
)


def ratios(figures: Figures) -> dict[str, dict[str, object]]:
    """Return each target that can be told from *figures*, by its name."""
    return dict(_told(figures))


def _told(figures: Figures) -> Iterator[tuple[str, dict[str, object]]]:
    for target in TARGETS:
        try:
            yield target.name, target.ratio(figures)
        except (KeyError, ValueError, ZeroDivisionError):
            continue  # something of it was not measured, which the result says


def medians(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the median of each figure that every round has."""
    names = [name for name in rounds[0] if all(name in each for each in rounds)]
    return {name: round(median(each[name] for each in rounds), _DIGITS) for name in names}


def medians_of(rounds: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, float]]:
    """Return the medians of each operation over the rounds that have it."""
    operations = dict.fromkeys(name for each in rounds for name in each)
    return {name: medians([each[name] for each in rounds if name in each]) for name in operations}
