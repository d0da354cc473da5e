"""The engine's parts, one after another within 25 minutes; what there was no time for is said.

What is made once, images and peers and the chain of the full disk, is made before the clock runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tools.bench.engine import aged, full_disk, rounds, scenarios
from tools.bench.engine.images import images
from tools.bench.engine.ours import Refused
from tools.bench.engine.time_limit import OutOfTime, no_longer_than

Figures = dict[str, Any]

#: How long all of them may take, made in one run.
ALL_S: Final = 1500.0


@dataclass(frozen=True, slots=True)
class Part:
    """Something that is measured by itself; *usual_s* is what it takes on two quiet cores."""

    measure: Callable[[], Figures]
    usual_s: float


#: In the order of their worth.
PARTS: Final[Mapping[str, Part]] = {
    "engine": Part(rounds.measure, 800),
    "engine-disks": Part(scenarios.four_disks, 30),
    "engine-changed": Part(scenarios.changed_shares, 60),
    "engine-sizes": Part(scenarios.sizes, 60),
    "engine-latency": Part(scenarios.latencies, 60),
    "engine-extents": Part(scenarios.many_extents, 40),
    "engine-aged": Part(aged.measure, 120),
    "engine-full-disk": Part(full_disk.measure, 300),
}


def prepare(parts: Sequence[str], tell: Callable[[str], None]) -> None:
    """Make once what the *parts* need, and say what took long."""
    needed: dict[str, Callable[[], object]] = {"images": images}
    if "engine" in parts:
        needed["peers"] = rounds.versions
    if "engine-full-disk" in parts:
        needed["the chain of a full disk of 1 TiB"] = full_disk.chain
    for name, make in needed.items():
        began = time.monotonic()
        make()
        tell(f"{name}: there after {time.monotonic() - began:.0f} s")


def measure_part(name: str, left_s: float) -> Figures:
    """Return what a part measured within *left_s*, how long it took, and what it did not."""
    part = PARTS[name]
    if left_s < part.usual_s / 2:
        return {"not_measured": {name: f"not begun: {left_s:.0f} s were left for it"}}
    began = time.monotonic()
    try:
        with no_longer_than(left_s):
            found = part.measure()
    except (OutOfTime, Refused) as error:
        found = {"not_measured": {name: str(error)}}
    return {**found, "took_s": {name: round(time.monotonic() - began)}}


def merged(before: Figures, part: str, found: Figures) -> Figures:
    """Return what is known once *part* has *found* more; the rounds leave scenarios alone."""
    rounds_anew = part == "engine"
    kept = {name: each for name, each in before.items() if not rounds_anew or name in _OF_ALL}
    took_s = {**kept.get("took_s", {}), **found.get("took_s", {})}
    others = {
        name: why
        for name, why in kept.get("not_measured", {}).items()
        if name != part and (name in PARTS or not rounds_anew)
    }
    not_measured = {**others, **found.get("not_measured", {})}
    return {**kept, **found, "took_s": took_s, "not_measured": not_measured}


#: What is not of the rounds, or not of them alone.
_OF_ALL: Final = (*scenarios.NAMES, "took_s", "not_measured")
