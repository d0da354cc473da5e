"""What an archive job asks for, and what it comes to; docs/worker-protocol.md, section 4."""

from __future__ import annotations

from typing import Annotated

import msgspec
from typing_extensions import override

from vmbackup_core.ids import ChainId, JobId, RunId
from vmbackup_core.protocol.bounds import (
    JOB,
    Amount,
    ArmIdText,
    Keys,
    ManifestText,
    Seconds,
    Sha256,
)
from vmbackup_core.protocol.limits import DISKS, HEALED_PACKS
from vmbackup_core.protocol.message_parts import (
    ConversationAccess,
    Message,
    RepositoryAccess,
    Value,
)
from vmbackup_core.protocol.restore_messages import HealedPack
from vmbackup_core.repository.data.footer import ARCHIVE
from vmbackup_core.repository.data.grants import DiskGrant
from vmbackup_core.repository.data.said import Slot, Statistics
from vmbackup_core.repository.primitives.json_payloads import ID


class StoredSource(Value, frozen=True):
    """A disk of a point, as its repository holds it.

    *keys* are what `ChainKeys.text` returns, of this chain only and with data secrets. What the
    point says of the disk beside *slot* is in the target's grant, and the manifest must say it too.
    """

    chain_id: Annotated[ChainId, ID]
    keys: Keys
    manifest: ManifestText
    manifest_sha256: Sha256
    slot: Slot
    healed: Annotated[list[HealedPack], msgspec.Meta(max_length=HEALED_PACKS)]

    @override
    def __repr__(self) -> str:
        """Leave out what is secret: reprs end up in logs."""
        return f"StoredSource({self.manifest})"


class DiskToArchive(Value, frozen=True):
    """One disk of a point: where it is read, and the chain of its own that it is written to.

    *keys* are of the target's chain, and open of its records those of this run only.
    """

    source: StoredSource
    chain_id: Annotated[ChainId, ID]
    keys: Keys
    grant: DiskGrant

    def __post_init__(self) -> None:
        """Raise ValueError for a grant that would share anything with another set."""
        grant = self.grant
        if grant.purpose != ARCHIVE or grant.deltas or (grant.newest or grant.base) is not None:
            raise ValueError(f"{grant.disk.name}: no grant of an archive set")

    @property
    def disk_id(self) -> str:
        """Its ARM id, by which events name it."""
        return self.grant.disk.id

    @override
    def __repr__(self) -> str:
        """Leave out what is secret: reprs end up in logs."""
        return f"DiskToArchive({self.disk_id})"


class ArchiveJob(Message, frozen=True, tag="archive"):
    """Copy *disks*; the same job again, with a higher sequence number, brings fresh SAS only.

    *source* may read, *target* create and read beside that; packs are put into the target's tier.
    """

    job_id: Annotated[JobId, JOB]
    run_id: RunId
    disks: Annotated[list[DiskToArchive], msgspec.Meta(min_length=1, max_length=DISKS)]
    source: RepositoryAccess
    target: RepositoryAccess
    threads: Annotated[int, msgspec.Meta(ge=1, le=256)] | None = None
    conversation: ConversationAccess | None = None

    def __post_init__(self) -> None:
        """Raise ValueError where the disks are not different ones, or not of the job's run."""
        if len({disk.disk_id.lower() for disk in self.disks}) != len(self.disks):
            raise ValueError("a disk is there twice")
        if any(disk.grant.run_id != self.run_id for disk in self.disks):
            raise ValueError("a grant of another run")


class DiskArchived(Value, frozen=True):
    """A disk's manifest in the archive repository, ready to be committed.

    *verified_bytes* were read back from there, block by block, after all of it was written.
    """

    disk_id: ArmIdText
    manifest: ManifestText
    manifest_sha256: Sha256
    statistics: Statistics
    verified_bytes: Amount
    seconds: Seconds


class ArchiveResult(Message, frozen=True, tag="archive"):
    """Every disk of the archive job is written and read back; the operator commits."""

    disks: Annotated[list[DiskArchived], msgspec.Meta(max_length=DISKS)]
