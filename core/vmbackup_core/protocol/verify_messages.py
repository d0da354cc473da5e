"""What a verify job asks for, and what it comes to; docs/worker-protocol.md, section 4."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from typing_extensions import override

from vmbackup_core.ids import ChainId, CommitSlot, JobId, RunId
from vmbackup_core.protocol.bounds import (
    JOB,
    Amount,
    BlockNumber,
    Keys,
    ManifestText,
    Offset,
    PackedId,
    PackNumber,
    Seconds,
    Sha256,
    Url,
)
from vmbackup_core.protocol.limits import MOST_SAMPLE_BLOCKS, PACK_RANGES, TOLD_OFFSETS
from vmbackup_core.protocol.message_parts import (
    ConversationAccess,
    Message,
    RepositoryAccess,
    Value,
)
from vmbackup_core.repository.data.verify_told import (
    OFFSETS_MOST,
    TOLD_MOST,
    ToldIndex,
    ToldPack,
    VerifyTold,
)
from vmbackup_core.repository.primitives.bounds import DISK_BYTES
from vmbackup_core.repository.primitives.identities import IndexId, PackId, WritingSession
from vmbackup_core.repository.primitives.json_payloads import ID
from vmbackup_core.repository.primitives.names import LAST_SLOT


class PackRange(Value, frozen=True):
    """Packs of one writing session, by number; *slot* is 0 of healing packs alone."""

    slot: Annotated[CommitSlot, msgspec.Meta(ge=0, le=LAST_SLOT)]
    session: Annotated[WritingSession, ID]
    first: PackNumber
    last: PackNumber

    def __post_init__(self) -> None:
        """Raise ValueError where there is none."""
        if self.last < self.first:
            raise ValueError(f"packs {self.first} to {self.last}")


class SectionsToOpen(Value, frozen=True):
    """The sections and tables that are new in the slots above *after_slot*."""

    after_slot: Annotated[int, msgspec.Meta(ge=0, le=LAST_SLOT)]


class SampleToRead(Value, frozen=True):
    """Blocks to compare with the snapshot that the manifest was made of.

    *blocks* are numbers of the disk; *used* count the blocks that are not zero, from 0.
    """

    snapshot_url: Url
    disk_bytes: Annotated[int, msgspec.Meta(ge=1, le=DISK_BYTES)]
    blocks: Annotated[list[BlockNumber], msgspec.Meta(max_length=MOST_SAMPLE_BLOCKS)]
    used: Annotated[list[BlockNumber], msgspec.Meta(max_length=MOST_SAMPLE_BLOCKS)]

    @override
    def __repr__(self) -> str:
        """Leave out the SAS."""
        return f"SampleToRead({len(self.blocks)} + {len(self.used)} blocks)"


class VerifyJob(Message, frozen=True, tag="verify"):
    """Read back *packs*, *sections* and *sample* of one chain; nothing is written.

    *keys* are what `ChainKeys.text` returns, data secrets included; *read_bytes* is how much the
    packs have together, for the progress.
    """

    job_id: Annotated[JobId, JOB]
    run_id: RunId
    chain_id: Annotated[ChainId, ID]
    keys: Keys
    repository: RepositoryAccess
    packs: Annotated[list[PackRange], msgspec.Meta(max_length=PACK_RANGES)]
    read_bytes: Amount
    manifest: ManifestText
    manifest_sha256: Sha256
    sections: SectionsToOpen | None = None
    sample: SampleToRead | None = None
    threads: Annotated[int, msgspec.Meta(ge=1, le=256)] | None = None
    conversation: ConversationAccess | None = None

    def __post_init__(self) -> None:
        """Raise ValueError where there is nothing to read."""
        if not self.packs and self.sections is None and self.sample is None:
            raise ValueError("nothing to verify")

    @override
    def __repr__(self) -> str:
        """Leave out what is secret."""
        return f"VerifyJob({self.job_id}, chain {self.chain_id})"


#: What is wrong with an object; the last two say nothing of its bytes.
Lost = Literal["missing", "resized", "damaged", "unreadable", "notUnderstood"]


class LostPack(Value, frozen=True):
    """A pack that is not what was stored: *offsets* of records, none where its foot is lost."""

    pack: PackedId
    what: Lost
    offsets: Annotated[list[Offset], msgspec.Meta(max_length=OFFSETS_MOST)]


class LostIndex(Value, frozen=True):
    """A section or table that is not what was stored, by its offset in the index object."""

    index: PackedId
    offset: Offset
    what: Lost


class VerifyResult(Message, frozen=True, tag="verify"):
    """What was read back; the operator looks itself at whatever is said to be lost.

    *packs* counts those that were looked at, from the job's first on; *blocks* are those whose
    entries do not open although nothing else is lost. *stopped*: so much was found that the job
    went no further.
    """

    packs: Amount
    records: Amount
    read_bytes: Amount
    lost: Annotated[list[LostPack], msgspec.Meta(max_length=TOLD_MOST)]
    objects: Annotated[list[LostIndex], msgspec.Meta(max_length=TOLD_MOST)]
    blocks: Annotated[list[BlockNumber], msgspec.Meta(max_length=TOLD_MOST)]
    sampled: Annotated[int, msgspec.Meta(ge=0, le=2 * MOST_SAMPLE_BLOCKS)]
    differing: Annotated[list[BlockNumber], msgspec.Meta(max_length=TOLD_MOST)]
    stopped: bool
    seconds: Seconds

    def __post_init__(self) -> None:
        """Raise ValueError where it is more than a job may tell, so that it fits an event."""
        things = len(self.lost) + len(self.objects) + len(self.blocks)
        offsets = sum(len(each.offsets) for each in self.lost)
        if things > TOLD_MOST or offsets > TOLD_OFFSETS:
            raise ValueError(f"{things} findings with {offsets} offsets in one result")

    def told(self) -> VerifyTold:
        """Return it as the repository's own."""
        return VerifyTold(
            looked_at=self.packs,
            lost=tuple(
                ToldPack(PackId.parse(bytes.fromhex(each.pack)), each.what, tuple(each.offsets))
                for each in self.lost
            ),
            objects=tuple(
                ToldIndex(IndexId.parse(bytes.fromhex(each.index)), each.offset, each.what)
                for each in self.objects
            ),
            blocks=tuple(self.blocks),
            sampled=self.sampled,
            differing=tuple(self.differing),
            stopped=self.stopped,
        )
