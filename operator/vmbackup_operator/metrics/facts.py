"""What metrics are computed from: the picture at one moment, as values that change no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from vmbackup_operator.model.backup_policy import BackupPolicy
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.session import Session
from vmbackup_operator.sessions.ended import EndedSession

#: The kind of what is to be looked at, and in which state it is.
QueueKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Orphans:
    """What the sweeper saw the last time that nothing needs any more, by kind."""

    looked: datetime
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything of this appliance's at *now*.

    *workers* by their state, and *orphans*: None until somebody has looked.
    """

    now: datetime
    policies: Sequence[BackupPolicy] = ()
    repositories: Sequence[BackupRepository] = ()
    unfinished: Sequence[Session] = ()
    ended: Sequence[EndedSession] = ()
    workers: Mapping[str, int] | None = None
    orphans: Orphans | None = None
    queue: Mapping[QueueKey, int] = field(default_factory=dict)
