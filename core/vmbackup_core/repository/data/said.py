"""What a manifest says in JSON of its disk, its chain and the session that wrote it."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from vmbackup_core.extents import Extent
from vmbackup_core.ids import ChainId, CommitSlot, RunId, SnapshotUniqueId
from vmbackup_core.repository.primitives.bounds import DISK_BYTES
from vmbackup_core.repository.primitives.identities import WritingSession
from vmbackup_core.repository.primitives.json_payloads import ID, TEXT_MOST, Number, Text, Time
from vmbackup_core.repository.primitives.names import LAST_SLOT

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

MOST_SESSIONS = 1000

BLOCKS_OF_A_SHARD = 65_536
LEAST_BLOCK, MOST_BLOCK = 4 * KIB, 4 * MIB
LEAST_PACK, MOST_PACK = MIB, 256 * MIB

#: What a pack has beside the records: its start, and the tag of the one record that must fit.
PACK_START_AND_TAG = 80

Kind = Literal["full", "incremental"]
Slot = Annotated[int, msgspec.Meta(ge=1, le=LAST_SLOT)]


class SaidDisk(msgspec.Struct, frozen=True, rename="camel"):
    """The managed disk, for whoever makes recovery points again from manifests."""

    id: Text
    unique_id: Text
    name: Text
    lun: Number | None


class SaidVm(msgspec.Struct, frozen=True, rename="camel"):
    """The VM that the disk was attached to."""

    id: Text
    name: Text
    region: Text


class Statistics(msgspec.Struct, frozen=True, rename="camel"):
    """What writing took, for show."""

    read_bytes: Number
    new_blocks: Number
    reused_blocks: Number
    delta_blocks: Number
    zero_blocks: Number


class ManifestSaid(msgspec.Struct, frozen=True, rename="camel"):
    """The JSON of a manifest; what does not fit together is refused as it is read."""

    chain_id: Annotated[ChainId, ID]
    generation: Number
    chain_epoch: Number
    slot: Annotated[CommitSlot, msgspec.Meta(ge=1, le=LAST_SLOT)]
    session: Annotated[WritingSession, ID]
    sessions: Annotated[
        tuple[Annotated[WritingSession, ID], ...],
        msgspec.Meta(min_length=1, max_length=MOST_SESSIONS),
    ]
    run_id: Annotated[RunId, ID]
    kind: Kind
    base_slot: Slot | None
    disk_bytes: Annotated[int, msgspec.Meta(ge=1, le=DISK_BYTES)]
    block_bytes: int
    shard_bytes: int
    pack_bytes: int
    snapshot_unique_id: Annotated[SnapshotUniqueId, msgspec.Meta(max_length=TEXT_MOST)]
    taken_at: Time | None
    disk: SaidDisk
    vm: SaidVm
    statistics: Statistics

    def __post_init__(self) -> None:
        check_parameters(self.block_bytes, self.shard_bytes, self.pack_bytes)
        if self.session not in self.sessions or len(set(self.sessions)) != len(self.sessions):
            raise ValueError(f"session {self.session} is not once among {len(self.sessions)}")

    def shard_extent(self, shard: int) -> Extent:
        """Return where a shard is on the disk."""
        start = shard * self.shard_bytes
        return Extent(start, min(self.shard_bytes, self.disk_bytes - start))

    def block_extent(self, shard: int, block: int) -> Extent:
        """Return where the block of a shard with this number there is on the disk."""
        start = shard * self.shard_bytes + block * self.block_bytes
        return Extent(start, min(self.block_bytes, self.disk_bytes - start))


def check_parameters(block_bytes: int, shard_bytes: int, pack_bytes: int) -> None:
    """Raise ValueError where no chain has these."""
    if not LEAST_BLOCK <= block_bytes <= MOST_BLOCK or block_bytes & (block_bytes - 1):
        raise ValueError(f"block size {block_bytes} is no power of two from 4 KiB to 4 MiB")
    if not 0 < shard_bytes <= BLOCKS_OF_A_SHARD * block_bytes or shard_bytes % block_bytes:
        raise ValueError(f"shard size {shard_bytes} does not fit blocks of {block_bytes}")
    least = max(LEAST_PACK, block_bytes + PACK_START_AND_TAG)
    if not least <= pack_bytes <= MOST_PACK:
        raise ValueError(f"pack size {pack_bytes} is not from {least} to {MOST_PACK}")
