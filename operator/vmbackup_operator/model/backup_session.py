"""BackupSession: one backup or archive of one VM, asked for by a policy's slot or by a user."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

import msgspec

from vmbackup_core.ids import RunId
from vmbackup_operator.model.conditions import Condition
from vmbackup_operator.model.metadata import Metadata
from vmbackup_operator.model.progress import Display, Progress, SessionError
from vmbackup_operator.model.references import LocalReference, ObjectReference
from vmbackup_operator.model.retention import Retention
from vmbackup_operator.model.session_findings import (
    DiskResult,
    Export,
    Resolved,
    SessionWorker,
    SnapshotMember,
)

SessionType = Literal["Backup", "Archive"]
Outcome = Literal["Succeeded", "Failed", "Cancelled", "Skipped"]


class BackupSessionSpec(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What is asked for; nothing of it ever changes but *cancel*, once, to true."""

    virtual_machine_id: str
    repository_ref: ObjectReference
    type: SessionType = "Backup"
    policy_ref: LocalReference | None = None
    slot: datetime | None = None
    trigger: str | None = None
    exclude_data_disk_luns: tuple[int, ...] = ()
    retention: Retention = Retention()
    snapshots_to_keep: int = 1
    retry_limit: int = 3
    retry_backoff_seconds: int = 300
    start_before: datetime | None = None
    cancel: bool = False


class BackupSessionStatus(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What must survive a crash of the operator, and what people look at."""

    observed_generation: int = 0
    appliance_id: str | None = None
    run_id: RunId | None = None
    outcome: Outcome | None = None
    phase: str | None = None
    attempt: int = 0
    retry_time: datetime | None = None
    start_time: datetime | None = None
    completion_time: datetime | None = None
    message: str = ""
    conditions: tuple[Condition, ...] = ()
    progress: Progress | None = None
    display: Display | None = None
    resolved: Resolved | None = None
    snapshot_set: tuple[SnapshotMember, ...] = ()
    worker: SessionWorker | None = None
    exports: tuple[Export, ...] = ()
    disks: tuple[DiskResult, ...] = ()
    recovery_point: RunId | None = None
    errors: tuple[SessionError, ...] = ()


class BackupSession(msgspec.Struct, frozen=True, rename="camel"):
    """One backup or archive of one VM."""

    kind: ClassVar[str] = "BackupSession"
    plural: ClassVar[str] = "backupsessions"

    metadata: Metadata
    spec: BackupSessionSpec
    status: BackupSessionStatus = BackupSessionStatus()
