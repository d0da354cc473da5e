"""A recovery point's packs are put into the Archive tier, once it counts.

Nothing else ever is: what a listing, expire, prune, a new key or a check has to read stays online.
A pack's tier is in the listing, so whoever goes on with it needs no memory of what was done.
"""

from __future__ import annotations

from dataclasses import dataclass

from vmbackup_core.ids import RunId
from vmbackup_core.repository.control.chains.listed_packs import listed_packs
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.points.points import (
    RecoveryPoint,
    names_of_vm,
    open_counted,
)
from vmbackup_core.repository.control.points.recording import counted_points
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.repository.crew import work_through
from vmbackup_core.stores.archive_tier import AT_ONCE, ArchiveTier
from vmbackup_core.stores.port import Store


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


def find_counted(control: Control, state: LogState, vm_id: str, run: RunId) -> RecoveryPoint | None:
    """Return the point that *run* made of the VM, where it counts."""
    entries = counted_points(state, names_of_vm(control, vm_id))
    entry = next((each for each in entries if each.run == run), None)
    return None if entry is None else open_counted(control, entry)


def put_away(
    control: Control, data: Store, tier: ArchiveTier, point: RecoveryPoint, *, most: int
) -> PutAway:
    """Put packs of *point*, which counts, into *tier*; return how far that is.

    *most* are put there, then it is for the caller to go on. Twice is once.
    """
    packs = size_bytes = away = 0
    owed: list[str] = []
    for pack in listed_packs(control, data, point):
        packs, size_bytes = packs + 1, size_bytes + pack.size_bytes
        away += pack.archived
        if not pack.archived and len(owed) < most:
            owed.append(pack.name)
    work_through(owed, tier.put_away, AT_ONCE)
    return PutAway(packs, size_bytes, away + len(owed))
