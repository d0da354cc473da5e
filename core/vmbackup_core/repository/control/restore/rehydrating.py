"""A point's packs in the Archive tier: found, copied to be read, and the copies removed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import NamedTuple

from vmbackup_core.ids import RunId
from vmbackup_core.repository.control.chains.listed_packs import listed_packs
from vmbackup_core.repository.control.points.points import RecoveryPoint
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.repository.crew import work_through
from vmbackup_core.repository.primitives.names import (
    copy_name,
    prefix_of_copies,
)
from vmbackup_core.stores.archive_tier import AT_ONCE, ArchiveTier, Priority
from vmbackup_core.stores.port import DELETED_AT_ONCE, Store, StoredObject


@dataclass(frozen=True, slots=True)
class Archived:
    """How many packs of a point are in the Archive tier, and how many copies of them there are.

    *back* can be read, *under_way* cannot yet.
    """

    packs: int
    size_bytes: int
    back: int
    under_way: int

    @property
    def missing(self) -> int:
        """How many have no copy, readable or not."""
        return self.packs - self.back - self.under_way

    @property
    def is_readable(self) -> bool:
        """Whether every pack of the point can be read, from its copy where it is archived."""
        return self.back == self.packs


def look_at_archived(control: Control, data: Store, point: RecoveryPoint, run: RunId) -> Archived:
    """Return what of *point* is in the Archive tier, and how far the copies for *run* are."""
    return _look(control, data, point, run, most=0)[0]


def bring_back(  # noqa: PLR0913 - what, whence, for whom and how
    control: Control,
    data: Store,
    tier: ArchiveTier,
    point: RecoveryPoint,
    run: RunId,
    *,
    priority: Priority,
    most: int | None = None,
) -> Archived:
    """Have archived packs of *point* copied to where *run* can read them; return how far that is.

    *most* are begun, then it is for the caller to go on. Twice is once. What lies under a copy's
    name and has not the pack's size was put by somebody else, and goes.
    """

    def begin(missing: _Missing) -> None:
        copy = copy_name(run, missing.pack)
        if missing.is_taken:
            data.delete(copy)
        tier.bring_back(missing.pack, copy, priority)

    found, missing = _look(control, data, point, run, most=most)
    work_through(missing, begin, AT_ONCE)
    return replace(found, under_way=found.under_way + len(missing))


class _Missing(NamedTuple):
    """A pack without a copy, and whether something else has the copy's name."""

    pack: str
    is_taken: bool


def _look(
    control: Control, data: Store, point: RecoveryPoint, run: RunId, *, most: int | None
) -> tuple[Archived, list[_Missing]]:
    """Return how far the copies for *run* are, and *most* of the packs that have none."""
    copies = {each.name: each for each in data.list(prefix_of_copies(run))}
    packs = size_bytes = back = under_way = 0
    missing: list[_Missing] = []
    for pack in listed_packs(control, data, point):
        if not pack.archived:
            continue
        packs, size_bytes = packs + 1, size_bytes + pack.size_bytes
        copy = copies.get(copy_name(run, pack.name))
        if copy is not None and not _is_other(copy, pack):
            back += not copy.archived
            under_way += copy.archived
        elif most is None or len(missing) < most:
            missing.append(_Missing(pack.name, is_taken=copy is not None))
    return Archived(packs, size_bytes, back, under_way), missing


def _is_other(copy: StoredObject, pack: StoredObject) -> bool:
    """Tell whether *copy* can't be one of *pack*; what is on its way may have no size yet."""
    return not copy.archived and copy.size_bytes != pack.size_bytes


def remove_copies(data: Store, run: RunId) -> int:
    """Delete what was copied for *run*, also what is on its way; return how many copies."""
    names = (each.name for each in [*data.list(prefix_of_copies(run))])
    removed = 0
    while some := [*islice(names, DELETED_AT_ONCE)]:
        data.delete_all(some)
        removed += len(some)
    return removed
