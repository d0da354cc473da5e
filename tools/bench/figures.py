"""Figures computed from what was measured; pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest of *values* that so many percent of them do not exceed; 0 of none."""
    if not values:
        return 0.0
    rank = max(1, math.ceil(len(values) * percent / 100))
    return sorted(values)[rank - 1]


def latencies(waits: Sequence[tuple[float, float]], burst_until_s: float) -> dict[str, float]:
    """Return how long changes waited for their looks: in all, and after the burst had passed.

    Each wait comes with the moment of its end.
    """
    every = [wait for _, wait in waits]
    later = [wait for at_s, wait in waits if at_s > burst_until_s]
    return {
        "p50": round(percentile(every, 50), 4),
        "p99": round(percentile(every, 99), 3),
        "longest": round(max(every, default=0.0), 3),
        "p99_after_burst": round(percentile(later, 99), 3),
    }


def per_thousand(before_mb: float, after_mb: float, world_mb: float, count: int) -> float:
    """Return the MiB for each thousand of *count*, without what the world itself holds."""
    return round((after_mb - before_mb - world_mb) / count * 1000, 1)


def per_session(counts: Mapping[str, int], sessions: int) -> float:
    """Return how many of what was counted fall on one session."""
    return round(sum(counts.values()) / max(1, sessions), 1)
