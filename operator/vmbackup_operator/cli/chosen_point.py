"""The recovery point that a command is about, with what stands in the way of being sure."""

from __future__ import annotations

from vmbackup_core.repository.control.points.points import RecoveryPoint
from vmbackup_core.repository.opened import OpenedRepository
from vmbackup_operator.cli import complaints
from vmbackup_operator.cli.choosing import choose, read_points
from vmbackup_operator.cli.commands import Where
from vmbackup_operator.cli.opening import complain_of_log
from vmbackup_operator.cli.printing import Console
from vmbackup_operator.cli.progress import ProgressLine, counted
from vmbackup_operator.cli.wanted_points import WantedPoint


def chosen_point(
    repository: OpenedRepository,
    where: Where,
    wanted: WantedPoint,
    vm: str | None,
    console: Console,
) -> tuple[RecoveryPoint, bool]:
    """Return the point, and whether no damaged one may have been meant in its stead."""
    line = ProgressLine("looking", console, quiet=where.quiet)
    with counted(line, "recovery point") as one_more:
        found = read_points(repository, wanted, vm, one_more)
    point = choose(found, wanted, vm)
    for error in found.damaged.values():
        text = f"a later recovery point may be among those that can't be read: {error}"
        console.complain(complaints.complaint("PointLeftOut", text))
    is_log_whole = not complain_of_log(repository, console)
    return point, is_log_whole and not found.damaged
