"""What a restore job asks for, and what it comes to; docs/worker-protocol.md, section 4."""

from __future__ import annotations

from typing import Annotated

import msgspec
from typing_extensions import override

from vmbackup_core.ids import ChainId, CommitSlot, DiskUniqueId, JobId, RunId, SnapshotUniqueId
from vmbackup_core.protocol.bounds import (
    JOB,
    Amount,
    ArmIdText,
    Keys,
    ManifestText,
    PackNumber,
    Seconds,
    Sha256,
    Url,
)
from vmbackup_core.protocol.limits import DISKS, HEALED_PACKS, LAST_LUN, PAGE_BYTES
from vmbackup_core.protocol.message_parts import (
    ConversationAccess,
    Message,
    RepositoryAccess,
    Value,
)
from vmbackup_core.repository.data.healing import HealingPack
from vmbackup_core.repository.primitives.bounds import DISK_BYTES
from vmbackup_core.repository.primitives.identities import WritingSession
from vmbackup_core.repository.primitives.json_payloads import ID, TEXT_MOST
from vmbackup_core.repository.primitives.names import LAST_SLOT

_UNIQUE_ID = msgspec.Meta(max_length=TEXT_MOST)
_DISK_BYTES = msgspec.Meta(ge=1, le=DISK_BYTES)
_LUN = msgspec.Meta(ge=0, le=LAST_LUN)


class HealedPack(Value, frozen=True):
    """A healing pack that the log has as done."""

    session: Annotated[WritingSession, ID]
    number: PackNumber
    size_bytes: Amount
    foot_sha256: Sha256

    @staticmethod
    def of(pack: HealingPack) -> HealedPack:
        """Return the repository's own as a message has it."""
        return HealedPack(pack.session, pack.number, pack.size_bytes, pack.foot_sha256.hex())

    def as_stored(self) -> HealingPack:
        """Return it as the repository's own."""
        foot = bytes.fromhex(self.foot_sha256)
        return HealingPack(self.session, self.number, self.size_bytes, foot)


class DiskToRestore(Value, frozen=True, kw_only=True, omit_defaults=True):
    """One disk of a point, and the disk that it is written to.

    That one was made for upload, and *target_url* writes it; or it has content, and is attached to
    the worker at *target_lun*: then only what differs is written.

    *disk_id* is the target's, by which events name it. *keys* are what `ChainKeys.text` returns, of
    this chain only and with data secrets. *slot*, *unique_id*, *snapshot_unique_id* and
    *disk_bytes* are what the point says, and the manifest must say the same. *target_bytes* are the
    target's, without the footer of one that was made for upload.
    """

    disk_id: ArmIdText
    chain_id: Annotated[ChainId, ID]
    keys: Keys
    manifest: ManifestText
    manifest_sha256: Sha256
    slot: Annotated[CommitSlot, msgspec.Meta(ge=1, le=LAST_SLOT)]
    unique_id: Annotated[DiskUniqueId, _UNIQUE_ID]
    snapshot_unique_id: Annotated[SnapshotUniqueId, _UNIQUE_ID]
    disk_bytes: Annotated[int, _DISK_BYTES]
    healed: Annotated[list[HealedPack], msgspec.Meta(max_length=HEALED_PACKS)]
    target_url: Url | None = None
    target_bytes: Annotated[int, _DISK_BYTES]
    target_lun: Annotated[int, _LUN] | None = None

    def __post_init__(self) -> None:
        """Raise ValueError where there is no one target, or one of no pages, or of too few."""
        if (self.target_url is None) == (self.target_lun is None):
            raise ValueError("a target is behind a URL or at a LUN")
        if self.target_bytes % PAGE_BYTES or self.target_bytes < self.disk_bytes:
            raise ValueError(f"{self.disk_bytes} bytes for a target of {self.target_bytes}")

    @override
    def __repr__(self) -> str:
        """Leave out what is secret: reprs end up in logs."""
        return f"DiskToRestore({self.disk_id})"


class RestoreJob(Message, frozen=True, tag="restore"):
    """Write *disks* into their targets; the same job with a higher number brings fresh SAS only."""

    job_id: Annotated[JobId, JOB]
    run_id: RunId
    disks: Annotated[list[DiskToRestore], msgspec.Meta(min_length=1, max_length=DISKS)]
    repository: RepositoryAccess
    threads: Annotated[int, msgspec.Meta(ge=1, le=256)] | None = None
    conversation: ConversationAccess | None = None

    def __post_init__(self) -> None:
        """Raise ValueError where one target is there twice, or not all are of one kind."""
        ids = {disk.disk_id.lower() for disk in self.disks}
        places = {(disk.target_url, disk.target_lun) for disk in self.disks}
        if min(len(ids), len(places)) != len(self.disks):
            raise ValueError("a target is there twice")
        if len({disk.target_lun is None for disk in self.disks}) > 1:
            raise ValueError("some targets are behind a URL, others at a LUN")


class DiskRestored(Value, frozen=True, omit_defaults=True):
    """A target that has every block and its footer; *written_bytes* are those of the blocks.

    Of one that was attached: *compared_bytes* were read and hashed, *differing_bytes* of them were
    in blocks that differed.
    """

    disk_id: ArmIdText
    written_bytes: Amount
    seconds: Seconds
    compared_bytes: Amount | None = None
    differing_bytes: Amount | None = None


class RestoreResult(Message, frozen=True, tag="restore"):
    """Every disk of the restore job is written; the operator ends access to the targets."""

    disks: Annotated[list[DiskRestored], msgspec.Meta(max_length=DISKS)]
