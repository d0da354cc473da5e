"""BackupPolicy: which VMs are backed up, when, into which repository, and how much is kept."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

import msgspec

from vmbackup_operator.model.conditions import Condition
from vmbackup_operator.model.metadata import Metadata
from vmbackup_operator.model.references import ObjectReference
from vmbackup_operator.model.retention import Retention


class VirtualMachines(msgspec.Struct, frozen=True, rename="camel"):
    """Which VMs: each by its ARM id."""

    ids: tuple[str, ...]


class Schedule(msgspec.Struct, frozen=True, rename="camel"):
    """When sessions are due: five cron fields read in an IANA time zone."""

    cron: str
    time_zone: str = "Etc/UTC"
    jitter_seconds: int = 0
    starting_deadline_seconds: int = 3600


class Retry(msgspec.Struct, frozen=True, rename="camel"):
    """How often a session tries again after a failure that may pass, and the first pause."""

    limit: int = 3
    backoff_seconds: int = 300


class SessionHistory(msgspec.Struct, frozen=True, rename="camel"):
    """How many ended sessions stay as objects; recovery points are not touched by this."""

    succeeded: int = 10
    failed: int = 5


class BackupPolicySpec(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What the user wants."""

    repository_ref: ObjectReference
    virtual_machines: VirtualMachines
    retention: Retention
    schedule: Schedule | None = None
    suspend: bool = False
    concurrency_policy: Literal["Forbid"] = "Forbid"
    max_concurrent_sessions: int = 5
    snapshots_to_keep: int = 1
    exclude_data_disk_luns: tuple[int, ...] = ()
    retry: Retry = Retry()
    session_history: SessionHistory = SessionHistory()


class BackupPolicyStatus(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What the operator found and did."""

    observed_generation: int = 0
    appliance_id: str | None = None
    conditions: tuple[Condition, ...] = ()
    last_slot: datetime | None = None
    next_slot: datetime | None = None
    last_handled_trigger: str | None = None
    last_success_time: datetime | None = None
    last_session: str | None = None
    active_sessions: tuple[str, ...] = ()
    missed_slots: int = 0


class BackupPolicy(msgspec.Struct, frozen=True, rename="camel"):
    """Which VMs are backed up, when, into which repository, and how much is kept."""

    kind: ClassVar[str] = "BackupPolicy"
    plural: ClassVar[str] = "backuppolicies"

    metadata: Metadata
    spec: BackupPolicySpec
    status: BackupPolicyStatus = BackupPolicyStatus()
