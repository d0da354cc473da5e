"""What a new point says of its retention: its own, and what it has to wait for."""

from __future__ import annotations

from collections.abc import Sequence

from vmbackup_core.repository.control.log.log_entries import Recorded
from vmbackup_core.repository.control.retention.expire_plan import Group
from vmbackup_core.repository.control.retention.point_book import SIDE_BY_SIDE, PointBook
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.retention.in_force import Stamp


def stamp_before(
    control: Control, book: PointBook, newest_first: Sequence[Recorded], group: Group
) -> Stamp | None:
    """Return the stamp of the newest point of *group* among a VM's points; None where none is.

    One that does not open says nothing, and the one before it is taken. Of a VM that another policy
    backs up more often many may have to be read, each of them once as long as *book* lives.
    """
    for at in range(0, len(newest_first), SIDE_BY_SIDE):
        for each in book.known(control, newest_first[at : at + SIDE_BY_SIDE]):
            if each.known.group == group:
                return each.known.stamp
    return None
