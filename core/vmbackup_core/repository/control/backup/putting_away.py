"""A recovery point's packs are put into the Archive tier, once it counts.

Nothing else ever is: what a listing, expire, prune, a new key or a check has to read stays online.
A pack's tier is in the listing, so whoever goes on with it needs no memory of what was done.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Final

from vmbackup_core.ids import RunId
from vmbackup_core.repository.control.chains.listed_packs import listed_packs
from vmbackup_core.repository.control.log.log import Log
from vmbackup_core.repository.control.points.points import (
    RecoveryPoint,
    names_of_vm,
    open_counted,
)
from vmbackup_core.repository.control.points.recording import counted_points
from vmbackup_core.stores.archive_tier import ArchiveTier
from vmbackup_core.stores.port import Store

#: How many packs are put away at once: each is a request of its own, of some ten milliseconds.
_AT_ONCE: Final = 16


@dataclass(frozen=True, slots=True)
class PutAway:
    """How many packs a point needs and how many of these are in the Archive tier; bytes of all."""

    packs: int
    size_bytes: int
    away: int

    @property
    def is_done(self) -> bool:
        """Whether every pack of the point is in the tier."""
        return self.away == self.packs


def find_counted(log: Log, vm_id: str, run: RunId) -> RecoveryPoint | None:
    """Return the point that *run* made of the VM, where it counts."""
    entries = counted_points(log.read().state, names_of_vm(log.control, vm_id))
    entry = next((each for each in entries if each.run == run), None)
    return None if entry is None else open_counted(log.control, entry)


def put_away(
    log: Log, data: Store, tier: ArchiveTier, vm_id: str, run: RunId, *, most: int
) -> PutAway | None:
    """Put packs of the point that *run* made of the VM into *tier*; return how far that is.

    *most* are put there, then it is for the caller to go on. Twice is once. None where no such
    point counts: packs without one are garbage, and deleting these from the tier would cost.
    """
    point = find_counted(log, vm_id, run)
    if point is None:
        return None
    packs = size_bytes = away = 0
    owed: list[str] = []
    for pack in listed_packs(log.control, data, point):
        packs, size_bytes = packs + 1, size_bytes + pack.size_bytes
        away += pack.archived
        if not pack.archived and len(owed) < most:
            owed.append(pack.name)
    _put(tier, owed)
    return PutAway(packs, size_bytes, away + len(owed))


def _put(tier: ArchiveTier, names: Sequence[str]) -> None:
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        for some in _in_parts(names):
            for _ in threads.map(tier.put_away, some):
                pass


def _in_parts(names: Sequence[str]) -> Iterator[list[str]]:
    """Yield *names* in parts, so that a failure keeps few requests waiting behind it."""
    left = iter(names)
    while part := [*islice(left, _AT_ONCE)]:
        yield part
