"""What a session asked of Resource Manager, counted from the journal; pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
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


def idle_figures(
    entries: Iterable[Entry], audited: Iterable[Mapping[str, Any]], operator: str
) -> dict[str, Any]:
    """Return what the *operator* asked of Azure and of Kubernetes; the Lease and watches apart.

    *audited* are lines of the API server's audit log, *entries* those of the simulated Azure.
    """
    arm: dict[str, int] = defaultdict(int)
    for entry in entries:
        if entry.caller == "appliance" and entry.service in {"arm", "blob", "queue"}:
            kind = _kind(entry) if entry.service == "arm" else entry.service
            arm[f"{entry.method} {kind}"] += 1
    kubernetes: dict[str, int] = defaultdict(int)
    for line in audited:
        if line["user"]["username"] == operator:
            kubernetes[_spoken(line)] += 1
    apart = {word: count for word, count in kubernetes.items() if _is_apart(word)}
    rest = {word: count for word, count in kubernetes.items() if not _is_apart(word)}
    writes = sum(count for word, count in rest.items() if word.split(" ")[0] not in _LOOKS)
    return {
        "azure_requests": dict(arm),
        "kubernetes_reads": sum(rest.values()) - writes,
        "kubernetes_writes": writes,
        "kubernetes_by_kind": rest,
        "lease_and_watches": apart,
    }


_LOOKS = frozenset({"get", "list"})


def _spoken(line: Mapping[str, Any]) -> str:
    return f"{line['verb']} {line.get('objectRef', {}).get('resource', '?')}"


def _is_apart(spoken: str) -> bool:
    return spoken.endswith(" leases") or spoken.startswith("watch ")


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
