"""The six kinds together, for what is done with every one of them alike."""

from __future__ import annotations

from typing import TypeVar

from vmbackup_operator.model.backup_policy import BackupPolicy
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.recovery_point import RecoveryPoint
from vmbackup_operator.model.region_environment import RegionEnvironment
from vmbackup_operator.model.restore_session import RestoreSession

Resource = (
    BackupPolicy
    | BackupSession
    | RegionEnvironment
    | BackupRepository
    | RecoveryPoint
    | RestoreSession
)

KINDS: tuple[type[Resource], ...] = (
    BackupPolicy,
    BackupSession,
    RegionEnvironment,
    BackupRepository,
    RecoveryPoint,
    RestoreSession,
)

AnyResource = TypeVar("AnyResource", bound=Resource)
