"""The repository: recovery points of disks, as docs/repository-format.md lays them down."""

from __future__ import annotations

from vmbackup_core.repository.backup import CommittedDisk, back_up_disk, find_committed
from vmbackup_core.repository.chain import Chain, open_chain
from vmbackup_core.repository.failures import KeyMismatch, NotInitialised, UnsupportedFormat
from vmbackup_core.repository.holes import DAMAGE, Hole, OnHole, joined
from vmbackup_core.repository.keys import ChainKeys, RepositoryKey
from vmbackup_core.repository.points import RecoveryPoint, RecoveryPointDisk
from vmbackup_core.repository.records import ChainParameters, PointKind
from vmbackup_core.repository.report import CheckReport, Finding
from vmbackup_core.repository.repository import Repository, initialise, open_repository
from vmbackup_core.repository.transfer import DiskSink, DiskSource, OnProgress, Progress

__all__ = [
    "DAMAGE",
    "Chain",
    "ChainKeys",
    "ChainParameters",
    "CheckReport",
    "CommittedDisk",
    "DiskSink",
    "DiskSource",
    "Finding",
    "Hole",
    "KeyMismatch",
    "NotInitialised",
    "OnHole",
    "OnProgress",
    "PointKind",
    "Progress",
    "RecoveryPoint",
    "RecoveryPointDisk",
    "Repository",
    "RepositoryKey",
    "UnsupportedFormat",
    "back_up_disk",
    "find_committed",
    "initialise",
    "joined",
    "open_chain",
    "open_repository",
]
