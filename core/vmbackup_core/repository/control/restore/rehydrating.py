"""A point's packs in the Archive tier: found, copied to be read, and the copies removed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Final

from vmbackup_core.ids import RunId
from vmbackup_core.repository.control.chains.listed_packs import listed_packs
from vmbackup_core.repository.control.points.points import RecoveryPoint
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.repository.primitives.names import (
    copy_name,
    prefix_of_copies,
)
from vmbackup_core.stores.archive_tier import ArchiveTier, Priority
from vmbackup_core.stores.port import DELETED_AT_ONCE, Store, StoredObject

#: How many copies are asked for at once.
_AT_ONCE: Final = 16


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
    copies = {each.name: each for each in data.list(prefix_of_copies(run))}
    packs = size_bytes = back = under_way = 0
    for pack in _archived(control, data, point):
        packs, size_bytes = packs + 1, size_bytes + pack.size_bytes
        copy = copies.get(copy_name(run, pack.name))
        if copy is not None and not _is_other(copy, pack):
            back += not copy.archived
            under_way += copy.archived
    return Archived(packs, size_bytes, back, under_way)


def bring_back(  # noqa: PLR0913 - what, whence, for whom and how
    control: Control,
    data: Store,
    tier: ArchiveTier,
    point: RecoveryPoint,
    run: RunId,
    *,
    priority: Priority,
    most: int | None = None,
) -> None:
    """Have archived packs of *point* copied to where *run* can read them: *most* at a time.

    Twice is once. What lies under a copy's name and has not the pack's size was put by somebody
    else, and goes.
    """
    copies = {each.name: each for each in data.list(prefix_of_copies(run))}
    owed = _owed(_archived(control, data, point), copies, run, data)
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        missing = islice(owed, most)
        while some := [*islice(missing, _AT_ONCE)]:
            begun = threads.map(
                lambda name: tier.bring_back(name, copy_name(run, name), priority), some
            )
            for _ in begun:
                pass


def _owed(
    archived: Iterator[StoredObject], copies: Mapping[str, StoredObject], run: RunId, data: Store
) -> Iterator[str]:
    """Yield the packs that have no copy; what is none of theirs goes as they are asked for."""
    for pack in archived:
        copy = copies.get(copy_name(run, pack.name))
        if copy is not None and _is_other(copy, pack):
            data.delete(copy.name)
        elif copy is not None:
            continue
        yield pack.name


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


def _archived(control: Control, data: Store, point: RecoveryPoint) -> Iterator[StoredObject]:
    """Yield the packs of *point* that a listing has in the Archive tier."""
    return (pack for pack in listed_packs(control, data, point) if pack.archived)
