"""What a session asked of Resource Manager, counted from the journal; pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tools.demo.journal import Entry, arm_type

#: Before the operator has begun, and behind the last step.
OUTSIDE = "-"


@dataclass(frozen=True, slots=True)
class Moment:
    """From the journal's entry behind *after* on, the session was at *step*."""

    after: int
    step: str


def figures(entries: Iterable[Entry], moments: Sequence[Moment]) -> dict[str, Any]:
    """Return how many reads (polls included) and writes there were, in all and by step.

    *moments* are in their order. Requests of other tasks count where they fall.
    """
    by_step: dict[str, dict[str, int]] = defaultdict(lambda: {"reads": 0, "writes": 0})
    by_kind: dict[str, int] = defaultdict(int)
    for entry in entries:
        if entry.service != "arm" or entry.caller == "internet":
            continue
        word = "reads" if entry.method in {"GET", "HEAD"} else "writes"
        by_step[_step_at(entry.sequence, moments)][word] += 1
        by_kind[f"{entry.method} {_kind(entry)}"] += 1
    return {
        "arm_reads": sum(count["reads"] for count in by_step.values()),
        "arm_writes": sum(count["writes"] for count in by_step.values()),
        "by_step": dict(by_step),
        "by_kind": dict(sorted(by_kind.items(), key=lambda item: (-item[1], item[0]))),
    }


def _step_at(sequence: int, moments: Sequence[Moment]) -> str:
    at = OUTSIDE
    for moment in moments:
        if moment.after >= sequence:
            break
        at = moment.step
    return at


def _kind(entry: Entry) -> str:
    """Return the resource type, of an action with its name; operations are one kind."""
    path = entry.path.lower()
    if "operation" in path.rsplit("/providers/", 1)[-1] or "/operationresults/" in path:
        return "operation"
    if entry.method == "POST":
        owner, _, action = path.rpartition("/")
        return f"{arm_type(owner)}/{action}"
    return arm_type(path) or "?"
