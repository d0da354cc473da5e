"""What a verify job's worker says of what it read: values, none of which is believed as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from vmbackup_core.repository.primitives.identities import IndexId, PackId

#: What a worker says of an object; the last two say nothing of its bytes.
Told = Literal["missing", "resized", "damaged", "unreadable", "notUnderstood"]

#: The most packs, index objects and blocks that one job tells of; it stops there.
TOLD_MOST: Final = 200
#: The most offsets of one pack; where all of them are damaged the pack is bad as a whole.
OFFSETS_MOST: Final = 64


@dataclass(frozen=True, slots=True)
class ToldPack:
    """A pack of which a worker says *what*; *offsets* of records, none where its foot is lost."""

    pack: PackId
    what: Told
    offsets: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ToldIndex:
    """A section or table of which a worker says *what*, by its offset in the index object."""

    index: IndexId
    offset: int
    what: Told


@dataclass(frozen=True, slots=True)
class VerifyTold:
    """A job's answer, as a worker says it: none of it is believed before it was looked at.

    *looked_at* counts the packs, from the work's first on, that were read. *blocks* are those, by
    number, whose entries do not open although nothing else is lost. *stopped* says that the job
    found so much that it went no further.
    """

    looked_at: int
    lost: tuple[ToldPack, ...] = ()
    objects: tuple[ToldIndex, ...] = ()
    blocks: tuple[int, ...] = ()
    sampled: int = 0
    differing: tuple[int, ...] = ()
    stopped: bool = False
