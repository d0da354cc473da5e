"""BackupSession: one backup, archive, verification or snapshot set of one VM, as was asked for."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Final, Literal

import msgspec
from typing_extensions import override

from vmbackup_core.ids import RunId
from vmbackup_operator.model.exclusions import DiskScope, ExcludedDisk, TagWanted
from vmbackup_operator.model.metadata import Metadata
from vmbackup_operator.model.progress import BackupDisplay
from vmbackup_operator.model.references import NONE, LocalReference, ObjectReference
from vmbackup_operator.model.retention import SessionRetention
from vmbackup_operator.model.session import Session, SessionSpec, SessionStatus
from vmbackup_operator.model.session_findings import (
    Archived,
    DiskResult,
    FullRead,
    SnapshotMember,
    Verified,
    VerifyingJob,
)

SessionType = Literal["Backup", "Archive", "Verify", "Snapshot"]

#: Of these a VM has one at a time.
TAKES_SNAPSHOTS: Final[frozenset[SessionType]] = frozenset({"Backup", "Snapshot"})


class VerifySpec(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What a session of type Verify reads back beside what was never read back."""

    reread_per_mille: int = 1000
    sample_per_disk: int = 200


class ArchiveSpec(msgspec.Struct, frozen=True, rename="camel"):
    """What a session of type Archive copies."""

    recovery_point_ref: ObjectReference


class BackupSessionSpec(SessionSpec, frozen=True, rename="camel", omit_defaults=True):
    """What is asked for; one of type Snapshot names no repository."""

    virtual_machine_id: str
    repository_ref: ObjectReference | None = None
    type: SessionType = "Backup"
    policy_ref: LocalReference | None = None
    slot: datetime | None = None
    trigger: str | None = None
    trigger_time: datetime | None = None
    disks: DiskScope = "All"
    exclude_data_disk_luns: tuple[int, ...] = ()
    exclude_disk_tags: tuple[TagWanted, ...] = ()
    retention: SessionRetention = SessionRetention()
    snapshots_to_keep: int = 1
    new_chain: bool = False
    verify: VerifySpec | None = None
    archive: ArchiveSpec | None = None
    start_before: datetime | None = None

    @property
    def stored_in(self) -> ObjectReference:
        """The repository that is named; none of any name where there is none."""
        return self.repository_ref or NONE


class BackupSessionStatus(
    SessionStatus, frozen=True, rename="camel", omit_defaults=True, kw_only=True
):
    """What a session has found, made and stored beside what every session keeps.

    *verified* and *verifying* are of a session of type Verify, *archive* is of one of type Archive,
    the others of a backup. *full_reads* are the disks of which it does not read the changes alone,
    *excluded_disks* those that it leaves out.
    """

    display: BackupDisplay | None = None
    snapshot_set: tuple[SnapshotMember, ...] = ()
    full_reads: tuple[FullRead, ...] = ()
    excluded_disks: tuple[ExcludedDisk, ...] = ()
    disks: tuple[DiskResult, ...] = ()
    recovery_point: RunId | None = None
    archive: Archived | None = None
    verified: Verified | None = None
    verifying: VerifyingJob | None = None

    @property
    def written(self) -> frozenset[str]:
        """The positions of the disks of which a worker has written a manifest."""
        return frozenset(result.disk for result in self.disks)

    @property
    def taken_at(self) -> datetime | None:
        """When the snapshot set was complete: when the latest of it was taken."""
        moments = [each.taken_at for each in self.snapshot_set if each.taken_at is not None]
        return max(moments, default=None)

    @property
    def committed(self) -> frozenset[str]:
        """The positions of the disks that are committed."""
        return frozenset(result.disk for result in self.disks if result.is_committed)

    @property
    @override
    def achieved(self) -> str:
        if self.verified is not None:
            return self.verified.conclusion
        return (
            "" if self.recovery_point is None else f"recovery point {self.recovery_point} is stored"
        )


class BackupSession(Session, frozen=True, rename="camel"):
    """One backup, archive, verification or snapshot set of one VM."""

    kind: ClassVar[str] = "BackupSession"
    plural: ClassVar[str] = "backupsessions"

    metadata: Metadata
    spec: BackupSessionSpec
    status: BackupSessionStatus = BackupSessionStatus()

    @property
    def covers(self) -> datetime | None:
        """The moment that its recovery point brings back, None where a backup has stored none yet.

        That is when the set's first snapshot was taken; at a slot's second, Azure's clock may
        differ. It is what nobody has to lose any more.
        """
        if self.spec.type not in TAKES_SNAPSHOTS or self.status.recovery_point is None:
            return None
        taken = [each.taken_at for each in self.status.snapshot_set if each.taken_at is not None]
        moment, slot = min(taken, default=self.status.start_time), self.spec.slot
        return slot if moment is None else moment if slot is None else max(moment, slot)
