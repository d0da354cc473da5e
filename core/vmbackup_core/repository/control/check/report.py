"""What a check looked at and what it found: values, for the command line and for repair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vmbackup_core.extents import Extent
from vmbackup_core.ids import ChainId, RunId

Place = Literal["data", "control"]

#: What is wrong with an object. *lockShort*, *notUnderstood* and *unreadable* say nothing of its
#: bytes.
What = Literal[
    "foreign",
    "lockShort",
    "unreadable",
    "notUnderstood",
    "listDiffers",
    "logDiffers",
    "damaged",
    "logDamaged",
    "resized",
    "missing",
    "rolledBack",
]


@dataclass(frozen=True, slots=True)
class Hurt:
    """Bytes of a disk that cannot be restored, and the runs whose recovery points have them.

    *extents* are the first of them, in order; *lost_bytes* counts all. Points are none where only a
    manifest without a point has the bytes.
    """

    chain: ChainId
    disk: str
    extents: tuple[Extent, ...]
    lost_bytes: int
    points: tuple[RunId, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """An object that is not as it was written: its whole name and its place, and what was found.

    *parts* are the offsets of what is wrong in a pack or index object; None is all of it, or an
    object without parts. *size_bytes* is what a pack is to have, where that is known. *runs* are
    the points that are lost with the object itself.
    """

    object: str
    place: Place
    what: What
    found: str
    parts: tuple[int, ...] | None = None
    hurt: tuple[Hurt, ...] = ()
    runs: tuple[RunId, ...] = ()
    size_bytes: int | None = None

    @property
    def points(self) -> tuple[RunId, ...]:
        """The runs whose recovery points cannot be restored whole."""
        return tuple(sorted({*self.runs, *(run for each in self.hurt for run in each.points)}))


@dataclass(frozen=True, slots=True)
class CheckReport:
    """How much a check looked at; it proved everything readable where there are no findings.

    Of *archived_packs*, which lie in the Archive tier, nothing was read. *healed* are objects that
    are not as they were written, all of whose blocks were stored again. *left_out* counts the
    findings behind the first ten thousand, *copies* what lies under the names that are kept for
    copies of packs in the Archive tier.
    """

    findings: tuple[Finding, ...]
    healed: tuple[Finding, ...]
    left_out: int
    points: int
    chains: int
    commits: int
    indexes: int
    packs: int
    unreferenced_packs: int
    archived_packs: int
    read_bytes: int
    copies: int = 0
    copied_bytes: int = 0

    @property
    def good(self) -> bool:
        """Whether nothing was found."""
        return not self.findings
