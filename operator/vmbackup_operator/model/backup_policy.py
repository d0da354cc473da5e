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
    """How many ended sessions of each VM stay as objects; recovery points are another matter."""

    succeeded: int = 10
    failed: int = 5
    skipped: int = 5


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


class Trigger(msgspec.Struct, frozen=True, rename="camel"):
    """The trigger annotation as it was last seen; an empty *token* means that it was taken off."""

    token: str
    first_seen: datetime


class Rule(msgspec.Struct, frozen=True, rename="camel"):
    """The schedule that the policy is judged by, and since when: no slot before that is due."""

    cron: str
    time_zone: str
    since: datetime


class StandingRetention(msgspec.Struct, frozen=True, rename="camel"):
    """The retention that the policy says, and since when it says so."""

    rule: Retention
    since: datetime


class Occasion(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """An occasion for sessions, a *slot* or a *trigger*, and which VMs have had their turn.

    VMs go in the order of their ids from behind *after*, around. Those up to *last* have had their
    turn, except *passed_over*, which were busy then and go first as soon as they are not.
    """

    slot: datetime | None = None
    trigger: Trigger | None = None
    start_before: datetime | None = None
    after: str | None = None
    last: str | None = None
    passed_over: tuple[str, ...] = ()
    ended: bool = False


class BackupPolicyStatus(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What the operator found and did."""

    observed_generation: int = 0
    appliance_id: str | None = None
    conditions: tuple[Condition, ...] = ()
    rule: Rule | None = None
    retention: StandingRetention | None = None
    trigger: Trigger | None = None
    new_chain: Trigger | None = None
    occasion: Occasion | None = None
    last_slot: datetime | None = None
    next_start: datetime | None = None
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
