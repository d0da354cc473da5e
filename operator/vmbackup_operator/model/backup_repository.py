"""BackupRepository: where recovery points are kept and under which key."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar, Literal

import msgspec

from vmbackup_core.ids import RepositoryId
from vmbackup_operator.model.backup_policy import Rule
from vmbackup_operator.model.conditions import Condition
from vmbackup_operator.model.metadata import Metadata
from vmbackup_operator.model.references import SecretKeyReference
from vmbackup_operator.model.tiers import RepositoryTier

Compression = Literal["fast", "default", "small"]

#: In the order in which a pass takes them.
UpkeepJob = Literal["Catalog", "Expire", "Mirror", "Prune", "Lists", "Check", "Verify"]
JobOutcome = Literal["Succeeded", "Findings", "Failed", "Left"]


class EncryptionKey(msgspec.Struct, frozen=True, rename="camel"):
    """Where the repository's key lies."""

    secret_ref: SecretKeyReference


class UpkeepWanted(msgspec.Struct, frozen=True, rename="camel"):
    """When upkeep is due, and within which times."""

    schedule: str = "30 2 * * *"
    time_zone: str = "Etc/UTC"
    suspend: bool = False
    retention_change_delay_days: int = 7
    check_every_days: int = 7
    verify_new_within_days: int = 3
    verify_all_within_days: int = 90


class Immutability(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """That what counts is locked, and in which steps locks are extended."""

    generation_days: int = 30


class BackupRepositorySpec(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What the user wants."""

    storage_account_id: str
    container: str
    subscription_id: str
    region: str
    encryption_key: EncryptionKey
    tier: RepositoryTier = "Hot"
    compression: Compression = "default"
    upkeep: UpkeepWanted = UpkeepWanted()
    immutability: Immutability | None = None


class RunningJob(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The job that runs, and the pass that it belongs to.

    *cursor* is how far it has come, in the words of whoever does it. *trouble_since* is set while
    it comes no further.
    """

    job: UpkeepJob
    since: datetime
    pass_since: datetime
    cursor: str = ""
    message: str = ""
    session: str | None = None
    trouble_since: datetime | None = None


class JobRecord(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """How a job ended the last time."""

    job: UpkeepJob
    start_time: datetime
    end_time: datetime
    outcome: JobOutcome
    message: str = ""
    last_success_time: datetime | None = None


class Sight(msgspec.Struct, frozen=True, rename="camel"):
    """At *time* the repository's log had been read up to *number*."""

    number: int
    time: datetime


class StandingDelay(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """For how many days a shorter retention waits, since when, and what this waits for itself.

    Where *days* is less than before, the *held_days* before count until they have passed.
    """

    days: int
    since: datetime
    held_days: int = 0

    def days_at(self, now: datetime) -> int:
        """Return how many days count at *now*."""
        held = self.held_days if now < self.since + timedelta(days=self.held_days) else 0
        return max(self.days, held)


class Maintenance(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What is done for the repository on its schedule, and what that found."""

    next_time: datetime | None = None
    message: str = ""
    running: RunningJob | None = None
    jobs: tuple[JobRecord, ...] = ()
    sights: tuple[Sight, ...] = ()
    retention_change_delay: StandingDelay | None = None
    rule: Rule | None = None
    last_slot: datetime | None = None
    handled_upkeep: str = ""
    stored_bytes: int | None = None


class LogHead(msgspec.Struct, frozen=True, rename="camel"):
    """The newest object of the repository's log that was read or appended."""

    number: int
    sha256: str


class BackupRepositoryStatus(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What the operator found there."""

    observed_generation: int = 0
    appliance_id: str | None = None
    conditions: tuple[Condition, ...] = ()
    repository_id: RepositoryId | None = None
    key_fingerprint: str | None = None
    format: str | None = None
    owner: str | None = None
    recovery_points: int = 0
    log: LogHead | None = None
    handled_accept_history: str = ""
    maintenance: Maintenance | None = None


class BackupRepository(msgspec.Struct, frozen=True, rename="camel"):
    """Where recovery points are kept and under which key."""

    kind: ClassVar[str] = "BackupRepository"
    plural: ClassVar[str] = "backuprepositories"

    metadata: Metadata
    spec: BackupRepositorySpec
    status: BackupRepositoryStatus = BackupRepositoryStatus()

    def retention_change_delay(self, now: datetime) -> timedelta:
        """Return how long a retention waits that keeps less: what was said before counts, too."""
        days = self.spec.upkeep.retention_change_delay_days
        maintenance = self.status.maintenance
        standing = None if maintenance is None else maintenance.retention_change_delay
        return timedelta(days=days if standing is None else max(days, standing.days_at(now)))
