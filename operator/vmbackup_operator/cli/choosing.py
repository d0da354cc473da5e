"""Which recovery points are meant, of those that a repository holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from vmbackup_core.errors import PermanentError, VmbackupError
from vmbackup_core.ids import RunId
from vmbackup_core.repository.control.log.log_entries import Recorded
from vmbackup_core.repository.control.points.catalog import Damage
from vmbackup_core.repository.control.points.points import RecoveryPoint
from vmbackup_core.repository.opened import OpenedRepository
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.cli.wanted_points import ByName, ByRun, Latest, WantedPoint
from vmbackup_operator.naming import recovery_point_name

#: How many candidates a message names.
MOST_NAMED = 8


@dataclass(slots=True)
class Found:
    """The points that were read, the oldest first, and what was wrong with others by their run."""

    points: list[RecoveryPoint] = field(default_factory=list)
    damaged: dict[RunId, VmbackupError] = field(default_factory=dict)


def read_points(
    repository: OpenedRepository,
    wanted: WantedPoint | None,
    vm: str | None,
    one_more: Callable[[], None],
) -> Found:
    """Return the points that *wanted* and *vm* leave; *one_more* hears of each that was read."""
    found = Found()

    def damaged(entry: Recorded, error: Damage) -> None:
        found.damaged[entry.run] = error

    entries = (each for each in repository.counted() if _may_be_meant(each.run, wanted))
    for opened in repository.points(damaged, entries):
        point = opened.point
        if (vm is None or is_of(point, vm)) and _is_meant(point, wanted):
            found.points.append(point)
        one_more()
    found.points.sort(key=_age)
    if isinstance(wanted, Latest):
        found.points = latest_of_each(found.points)
    return found


def choose(found: Found, wanted: WantedPoint, vm: str | None) -> RecoveryPoint:
    """Return the one point that is meant; raise where there is none, or more than one."""
    points = found.points
    candidates = [_line(each) for each in points]
    if not candidates and found.damaged:
        raise next(iter(found.damaged.values()))
    if not isinstance(wanted, Latest):  # of the latest it is said that some could not be read
        candidates += [f"{run} (damaged)" for run in found.damaged]
    if not candidates:
        raise PermanentError(_nothing(wanted, vm), reason="NoRecoveryPoint")
    if len(candidates) > 1:
        what = "of several VMs" if isinstance(wanted, Latest) else "several recovery points"
        raise PermanentError(
            f"--point {_text(wanted)} means {what}: {_some(candidates)}", reason="AmbiguousPoint"
        )
    return points[0]


def latest_of_each(points: Iterable[RecoveryPoint]) -> list[RecoveryPoint]:
    """Return the newest of *points* of each VM, the oldest of these first."""
    newest = {folded(point.vm_id): point for point in sorted(points, key=_age)}
    return sorted(newest.values(), key=_age)


def is_of(point: RecoveryPoint, vm: str) -> bool:
    """Tell whether *point* is of the VM with this name or ARM id; Azure's compare without case."""
    return folded(vm) in {folded(point.vm_name), folded(point.vm_id)}


def name_of(point: RecoveryPoint) -> str:
    """Return what the RecoveryPoint is called that mirrors *point* in a cluster."""
    return recovery_point_name(point.vm_name, point.created_at, point.run_id)


def _may_be_meant(run: RunId, wanted: WantedPoint | None) -> bool:
    """Tell by the run alone whether the point has to be read."""
    return not isinstance(wanted, (ByRun, ByName)) or run.startswith(wanted.digits)


def _is_meant(point: RecoveryPoint, wanted: WantedPoint | None) -> bool:
    return not isinstance(wanted, ByName) or name_of(point) == wanted.name


def _age(point: RecoveryPoint) -> tuple[float, RunId]:
    return point.created_at.timestamp(), point.run_id


def _line(point: RecoveryPoint) -> str:
    return f"{point.run_id} of {point.vm_id} ({point.created_at:%Y-%m-%dT%H:%MZ})"


def _some(candidates: Sequence[str]) -> str:
    more = len(candidates) - MOST_NAMED
    return ", ".join(candidates[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _text(wanted: WantedPoint) -> str:
    match wanted:
        case Latest():
            return "latest"
        case ByRun(digits):
            return digits
        case ByName(name):
            return name


def _nothing(wanted: WantedPoint, vm: str | None) -> str:
    of = "" if vm is None else f" of VM {vm}"
    which = "" if isinstance(wanted, Latest) else f" {_text(wanted)}"
    return f"the repository has no recovery point{which}{of}"
