"""BackupRepository: where recovery points are kept and under which key."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

import msgspec

from vmbackup_core.ids import RepositoryId
from vmbackup_operator.model.conditions import Condition
from vmbackup_operator.model.metadata import Metadata
from vmbackup_operator.model.references import SecretKeyReference

Tier = Literal["Hot", "Cool", "Cold"]


class EncryptionKey(msgspec.Struct, frozen=True, rename="camel"):
    """Where the repository's key lies."""

    secret_ref: SecretKeyReference


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
    tier: Tier = "Hot"
    immutability: Immutability | None = None


class Maintenance(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """When the repository's own jobs last ended and what they found."""

    last_catalog_time: datetime | None = None
    last_check_time: datetime | None = None
    last_check_message: str = ""
    last_prune_time: datetime | None = None
    last_prune_message: str = ""


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
    maintenance: Maintenance | None = None


class BackupRepository(msgspec.Struct, frozen=True, rename="camel"):
    """Where recovery points are kept and under which key."""

    kind: ClassVar[str] = "BackupRepository"
    plural: ClassVar[str] = "backuprepositories"

    metadata: Metadata
    spec: BackupRepositorySpec
    status: BackupRepositoryStatus = BackupRepositoryStatus()
