"""An operator's writes by kinds: where to kill it, and what two runs have in common."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from tools.demo.journal import arm_type

When = Literal["before", "after"]
#: An entry of the journal as the simulator tells it.
Raw = Mapping[str, Any]

WHENS: tuple[When, ...] = ("before", "after")
#: A request that was held and whose sender was killed never reached Azure.
NEVER_APPLIED = 499
#: That a queue is made which is there says nothing: queues have no look that costs less.
_THERE_ALREADY = 204
_CHANGES = ("PUT", "PATCH", "DELETE")
_LOOKS = ("GET", "HEAD", "CONNECT")
_MAY_COME_AGAIN = re.compile(r"/messages\b|/c/\*/x/")
_WORD = re.compile(r"[a-z-]{2,20}|[a-z]")
_HEXADECIMAL = re.compile(r"[0-9a-f]{2,}")
_SAID = re.compile(r"^(\S+)Z\s+INFO\s+session (\S+): (\w+) True:")


@dataclass(frozen=True, slots=True)
class Kind:
    """Requests that are alike in two runs: to one type of resource, one sort of blob."""

    service: str
    method: str
    what: str

    @property
    def match(self) -> dict[str, str]:
        """What a hold of the simulator's finds such requests by."""
        match = {"service": self.service, "method": self.method}
        if self.service != "arm":
            any_name = "[^/]+" if self.service == "queue" else ".+"
            return match | {"path": f"^{any_name.join(map(re.escape, self.what.split('*')))}$"}
        kind, _, action = self.what.partition(" ")
        if kind == "microsoft.resources/resourcegroups":
            return match | {"path": "/resourcegroups/[^/]+$"}
        provider, *types = kind.split("/")
        named = "".join(f"/{each}/[^/]+" for each in types)
        action = f"/{action}" if action else ""
        return match | {"path": f"/providers/{re.escape(provider)}{named}{action}$"}


@dataclass(frozen=True, slots=True)
class Point:
    """Where an operator is killed: at the first request of a kind, before or after it applies."""

    kind: Kind
    when: When


def kind_of(entry: Raw) -> Kind | None:
    """Return the kind of an operator's write, of messages taken too; None of anything else."""
    service, method, path = entry["service"], entry["method"], entry["path"]
    if entry["caller"] != "appliance" or entry["status"] == NEVER_APPLIED:
        return None
    if service == "arm" and method not in _LOOKS:
        owner, _, action = path.rpartition("/")
        what = arm_type(path) if method != "POST" else f"{arm_type(owner)} {action.lower()}"
        return Kind(service, method, what)
    takes = service == "queue" and path.endswith("/messages")
    if service in {"blob", "queue"} and (takes or method not in _LOOKS):
        return Kind(service, method, _shape(path))
    return None


def _shape(path: str) -> str:
    """Return a storage service's path with a star for each name that another run has otherwise."""
    shape = "/".join(map(_shape_of_name, path.split("/")))
    return re.sub(r"\*(/\*)+", "*", shape)


def _shape_of_name(name: str) -> str:
    for queues in ("vmb-jobs-", "vmb-events-"):
        if name.startswith(queues):
            return f"{queues}*"
    is_word = _WORD.fullmatch(name) and not _HEXADECIMAL.fullmatch(name)
    return name if is_word or not name else "*"


def first_of_each(entries: Iterable[Raw]) -> dict[Kind, Raw]:
    """Return the first write of each kind, in the order of the journal."""
    found: dict[Kind, Raw] = {}
    for entry in sorted(entries, key=lambda each: each["at"]):
        kind = kind_of(entry)
        if kind is not None:
            found.setdefault(kind, entry)
    return found


def every_point(entries: Iterable[Raw], when: When) -> list[Point]:
    """Return a point at each kind of write."""
    return [Point(kind, when) for kind in first_of_each(entries)]


def point_of_each_step(entries: Iterable[Raw], log: str, session: str) -> dict[str, Point]:
    """Return a point at the first write of each step of *session*, by the step's condition.

    They take turns in being before and after. *log* is the operator's: what was asked before it
    says that a condition is True belongs to that step, or to one before.
    """
    ends = list(_steps_ended(log, session))
    found: dict[str, Point] = {}
    for kind, entry in first_of_each(entries).items():
        step = next((name for name, at in ends if entry["at"] <= at), None)
        if step is not None and step not in found:
            found[step] = Point(kind, WHENS[len(found) % 2])
    return found


def _steps_ended(log: str, session: str) -> Iterator[tuple[str, float]]:
    for line in log.splitlines():
        said = _SAID.match(line)
        if said is not None and said[2] == session and said[3] != "Complete":
            yield said[3], datetime.fromisoformat(f"{said[1]}+00:00").timestamp()


def changes(entries: Iterable[Raw]) -> Counter[Kind]:
    """Return what was changed in Azure, by kinds: what two runs of one thing have in common.

    To Resource Manager each PUT, PATCH and DELETE counts, whatever was answered. Of blobs and
    queues those that changed anything: what is there is not written again, which a write that was
    refused may have found out. Messages are not counted: what was heard may be said again. Nor are
    parts of pack lists: each try puts its own, and prune takes those that no commit names.
    """
    counted: Counter[Kind] = Counter()
    for entry in entries:
        kind = kind_of(entry)
        if kind is None or kind.method not in _CHANGES or _MAY_COME_AGAIN.search(kind.what):
            continue
        if kind.service == "arm" or _has_changed(entry):
            counted[kind] += 1
    return counted


def _has_changed(entry: Raw) -> bool:
    made_again = entry["method"] == "PUT" and entry["status"] == _THERE_ALREADY
    return 200 <= entry["status"] < 300 and not made_again


def differences(undisturbed: Counter[Kind], killed: Counter[Kind]) -> list[str]:
    """Return in words what a killed run asked for more or less often."""
    return [
        f"{kind.method} {kind.what}: {killed[kind]} for {undisturbed[kind]}"
        for kind in sorted(undisturbed.keys() | killed.keys(), key=str)
        if killed[kind] != undisturbed[kind]
    ]


def still_open(entries: Sequence[Raw]) -> list[str]:
    """Return what a run left: queues that it made, and snapshots that may still be read."""
    queues: dict[tuple[str, str], bool] = {}
    exports: dict[str, bool] = {}
    for entry in sorted(entries, key=lambda each: each["at"]):
        kind = kind_of(entry)
        if kind is None or not 200 <= entry["status"] < 300:
            continue
        if kind.service == "queue" and "/messages" not in entry["path"] and kind.method != "POST":
            queues[entry["host"], entry["path"]] = kind.method == "PUT"
        owner, _, action = entry["path"].lower().rpartition("/")
        if action in {"begingetaccess", "endgetaccess"}:
            exports[owner] = action == "begingetaccess"
    return [str(name) for left in (queues, exports) for name, is_open in left.items() if is_open]
