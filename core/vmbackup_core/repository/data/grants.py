"""What the operator gives to a worker that writes a disk; see "Writing a disk" in the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec

from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import CommitSlot, RunId, SnapshotUniqueId
from vmbackup_core.repository.data.footer import BACKUP, Purpose
from vmbackup_core.repository.data.said import (
    MOST_SESSIONS,
    SaidDisk,
    SaidVm,
    Slot,
    check_parameters,
)
from vmbackup_core.repository.data.tables import PackRow
from vmbackup_core.repository.data.writing_ids import MOST_DRAWS
from vmbackup_core.repository.primitives.identities import PackId, WritingSession
from vmbackup_core.repository.primitives.json_payloads import DIGEST, ID, Number, Text, Time

LEVEL = 3

#: With the ids that an attempt draws no more than a manifest may name.
MOST_LEFT = MOST_SESSIONS - MOST_DRAWS

PackDigits = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{48}\Z")]


class ManifestAt(msgspec.Struct, frozen=True, rename="camel"):
    """A manifest in data: its whole name, its digest, and the slot that it was written for."""

    name: Text
    sha256: Annotated[str, DIGEST]
    of_slot: Slot


class LeftSession(msgspec.Struct, frozen=True, rename="camel"):
    """A session of this run that stored packs for this slot and made no commit.

    *packs* is one more than the highest number of its packs that the operator has listed.
    """

    session: Annotated[WritingSession, ID]
    epoch: Number
    packs: Number


class BadPack(msgspec.Struct, frozen=True, rename="camel"):
    """A pack of which nothing, or not the *records* in the footer's order, is to be used again."""

    pack: PackDigits
    records: tuple[Number, ...] | None


class Parameters(msgspec.Struct, frozen=True, rename="camel"):
    """What the chain has settled for good."""

    block_bytes: int = 256 * 1024
    shard_bytes: int = 4 * 1024**3
    pack_bytes: int = 32 * 1024**2

    def __post_init__(self) -> None:
        check_parameters(self.block_bytes, self.shard_bytes, self.pack_bytes)


class DiskGrant(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """All that a worker needs to write one disk and is not to look for itself.

    The keys are given beside it. *newest* is the newest commit's manifest, of which alone blocks
    are referred to; *base* the one that the changed extents count from, None for a full.
    """

    generation: Number
    chain_epoch: Number
    parameters: Parameters
    run_id: Annotated[RunId, ID]
    slot: Annotated[CommitSlot, msgspec.Meta(ge=1)]
    newest: ManifestAt | None
    base: ManifestAt | None
    bad: tuple[BadPack, ...] = ()
    left: Annotated[tuple[LeftSession, ...], msgspec.Meta(max_length=MOST_LEFT)] = ()
    snapshot_unique_id: SnapshotUniqueId
    taken_at: Time | None
    disk_bytes: Annotated[int, msgspec.Meta(ge=1)]
    disk: SaidDisk
    vm: SaidVm
    purpose: Purpose = BACKUP
    level: int = LEVEL
    deltas: bool = False


class BaseUnreadable(PermanentError):
    """The manifest that an incremental counts from does not open: come again with a full."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="BaseUnreadable")


@dataclass(frozen=True, slots=True)
class BadPacks:
    """Which records must not be referred to again; None stands for all of a pack's."""

    _records: Mapping[PackId, frozenset[int] | None]

    @staticmethod
    def of(bad: Sequence[BadPack]) -> BadPacks:
        """Return what the grant names; what is said of a pack twice adds up."""
        found: dict[PackId, frozenset[int] | None] = {}
        for each in bad:
            pack = PackId.parse(bytes.fromhex(each.pack))
            before = found.get(pack, frozenset())
            if before is not None:
                before = None if each.records is None else before | frozenset(each.records)
            found[pack] = before
        return BadPacks(found)

    def __bool__(self) -> bool:
        return bool(self._records)

    def names(self, row: PackRow) -> bool:
        """Tell whether anything of a row's holder is bad."""
        return row.holder in self._records

    def has(self, row: PackRow, number: int) -> bool:
        """Tell whether the record with this number in its origin is bad.

        Of a pack with records that were moved there all are: their order in its footer is another.
        """
        records = self._records.get(row.holder, frozenset())
        return records is None or number in records or (bool(records) and row.holder != row.origin)
