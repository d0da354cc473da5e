"""What the operator gives to a worker that writes a disk; see "Writing a disk" in the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Optional, TypeVar

import msgspec

from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import CommitSlot, RunId, SnapshotUniqueId
from vmbackup_core.repository.data.footer import BACKUP, Purpose
from vmbackup_core.repository.data.manifest import MOST_INDEX_OBJECTS
from vmbackup_core.repository.data.said import (
    MOST_SESSIONS,
    SaidDisk,
    SaidVm,
    Slot,
    check_parameters,
)
from vmbackup_core.repository.data.tables import PackRow
from vmbackup_core.repository.data.writing_ids import MOST_DRAWS
from vmbackup_core.repository.primitives.bounds import DISK_BYTES
from vmbackup_core.repository.primitives.identities import IndexId, PackId, WritingSession
from vmbackup_core.repository.primitives.json_payloads import (
    DIGEST,
    ID,
    TEXT_MOST,
    Number,
    Text,
    Time,
)
from vmbackup_core.repository.primitives.names import LAST_SLOT

#: Of ordinary disks it stores 1.5 % more than level 3 does, for seven tenths of the time.
LEVEL, MOST_LEVEL = 2, 19

#: A disk of 64 TiB whose shards all change needs some 600 index objects of its own.
INDEXES_KEPT = MOST_INDEX_OBJECTS - 1024

#: With the ids that an attempt draws no more than a manifest may name.
MOST_LEFT = MOST_SESSIONS - MOST_DRAWS

N = TypeVar("N", PackId, IndexId)

ObjectDigits = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{48}\Z")]


class ManifestAt(msgspec.Struct, frozen=True, rename="camel"):
    """A manifest in data: its whole name, its digest, and the slot that it was written for."""

    name: Text
    sha256: Annotated[str, DIGEST]
    of_slot: Slot


class LeftSession(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A session of this run that stored packs for this slot and made no commit.

    *packs* is one more than the highest number of its packs that the operator has listed.
    """

    session: Annotated[WritingSession, ID]
    epoch: Number
    packs: Number


class BadObject(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A pack or an index object of which nothing, or no part that begins at *parts*, is used again.

    These are offsets: of records in a pack, of sections or the table in an index object.
    """

    object: Literal["pack", "index"]
    id: ObjectDigits
    parts: tuple[Number, ...] | None

    @property
    def packed(self) -> bytes:
        """The 24 bytes of its id."""
        return bytes.fromhex(self.id)


class Parameters(msgspec.Struct, frozen=True, rename="camel"):
    """What the chain has settled for good; the defaults are what chains are begun with."""

    # docs/decisions/0026: an increment stores a quarter less than with 256 KiB, a full 3 % more.
    block_bytes: int = 128 * 1024
    shard_bytes: int = 4 * 1024**3
    pack_bytes: int = 32 * 1024**2

    def __post_init__(self) -> None:
        check_parameters(self.block_bytes, self.shard_bytes, self.pack_bytes)


class DiskGrant(
    msgspec.Struct, frozen=True, rename="camel", kw_only=True, forbid_unknown_fields=True
):
    """All that a worker needs to write one disk and is not to look for itself.

    The keys are given beside it. *newest* is the newest commit's manifest, of which alone blocks
    are referred to; *base* the one that the changed extents count from, None for a full. Of the
    newest manifest's index objects at most *indexes_kept* stay named.
    """

    generation: Number
    chain_epoch: Number
    parameters: Parameters
    run_id: Annotated[RunId, ID]
    slot: Annotated[CommitSlot, msgspec.Meta(ge=1, le=LAST_SLOT)]
    newest: ManifestAt | None
    base: ManifestAt | None
    bad: tuple[BadObject, ...] = ()
    left: Annotated[tuple[LeftSession, ...], msgspec.Meta(max_length=MOST_LEFT)] = ()
    snapshot_unique_id: Annotated[
        SnapshotUniqueId, msgspec.Meta(min_length=1, max_length=TEXT_MOST)
    ]
    taken_at: Time | None
    disk_bytes: Annotated[int, msgspec.Meta(ge=1, le=DISK_BYTES)]
    disk: SaidDisk
    vm: SaidVm
    purpose: Purpose = BACKUP
    level: Annotated[int, msgspec.Meta(ge=1, le=MOST_LEVEL)] = LEVEL
    deltas: bool = False
    indexes_kept: Number = INDEXES_KEPT


class BaseUnreadable(PermanentError):
    """The manifest that an incremental counts from does not open: come again with a full."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="BaseUnreadable")


#: What is bad of each object: the offsets of its parts, None for all of it.
Parts = Mapping[N, Optional[frozenset[int]]]  # noqa: UP045 - evaluated at run time on 3.10


@dataclass(frozen=True, slots=True)
class Bad:
    """What must not be referred to again."""

    _packs: Parts[PackId]
    _indexes: Parts[IndexId]

    @staticmethod
    def of(bad: Sequence[BadObject]) -> Bad:
        """Return what the grant names; what is said of an object twice adds up."""
        packs = ((PackId.parse(each.packed), each) for each in bad if each.object == "pack")
        indexes = ((IndexId.parse(each.packed), each) for each in bad if each.object == "index")
        return Bad(_added(packs), _added(indexes))

    @property
    def packs(self) -> bool:
        """Whether any pack is bad."""
        return bool(self._packs)

    def names(self, row: PackRow) -> bool:
        """Tell whether anything of a row's holder is bad."""
        return row.holder in self._packs

    def has_record(self, row: PackRow, offset: int) -> bool:
        """Tell whether the record that lies there in a row's holder is bad."""
        return _has(self._packs, row.holder, offset)

    def has_part(self, index: IndexId, *offsets: int) -> bool:
        """Tell whether any section, or the table, that begins there in an index object is bad."""
        return any(_has(self._indexes, index, offset) for offset in offsets)


def _added(bad: Iterable[tuple[N, BadObject]]) -> Parts[N]:
    found: dict[N, frozenset[int] | None] = {}
    for named, each in bad:
        before = found.get(named, frozenset())
        if before is not None:
            before = None if each.parts is None else before | frozenset(each.parts)
        found[named] = before
    return found


def _has(bad: Parts[N], named: N, offset: int) -> bool:
    parts = bad.get(named, frozenset())
    return parts is None or offset in parts
