"""What a new point says of its retention: its own, and what it has to wait for."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final

from vmbackup_core.repository.control.log.log_entries import Recorded
from vmbackup_core.repository.control.points.catalog import opened_points
from vmbackup_core.repository.control.retention.expire_plan import Group, KnownPoint
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.retention.in_force import Stamp

#: So many of a VM's points are opened to find the last one of the same policy; other policies back
#: a VM up a few times more often, or have made none for as long.
LOOKED_AT_MOST: Final = 64


def stamp_before(control: Control, newest_first: Iterable[Recorded], group: Group) -> Stamp | None:
    """Return the stamp of the newest point of *group* among a VM's points; None where none is.

    One that does not open says nothing, and the one before it is taken.
    """
    looked_at = islice(newest_first, LOOKED_AT_MOST)
    for opened in opened_points(control, looked_at, _passed_over):
        known = KnownPoint.of(opened.point)
        if known.group == group:
            return known.stamp
    return None


def _passed_over(_entry: Recorded, _damage: object) -> None:
    return
