"""What the operator's work queue holds: an object that is to be looked at, by kind and name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from typing_extensions import override

from vmbackup_operator.model.metadata import ObjectKey

WorkKind = Literal[
    "BackupPolicy",
    "BackupSession",
    "BackupRepository",
    #: By a BackupRepository's key: what is done for it on its schedule.
    "Upkeep",
    #: By a BackupRepository's key: what is left of one that is gone.
    "DepartedRepository",
    "RegionEnvironment",
    "RestoreSession",
    #: No object: the workers that no session needs any more.
    "IdleWorkers",
    #: No object: what sessions have left behind whose objects are gone.
    "LeftBehind",
    #: No object: snapshots that an older key of the ring sealed.
    "OldSeals",
    #: No object: snapshot sets that stand alone, whose policies may be gone.
    "StandingSets",
    #: No object: what sessions left in Azure that nothing leads to any more.
    "Sweeper",
    #: No object: which ended sessions are still there, for metrics alone.
    "EndedSessions",
]

#: Somebody waits for a restore; a policy is late by a second at worst.
PRIORITIES: dict[WorkKind, int] = {
    "RestoreSession": 0,
    "BackupRepository": 5,
    "BackupSession": 10,
    "BackupPolicy": 10,
    "RegionEnvironment": 20,
    "Upkeep": 30,
    "DepartedRepository": 30,
    "IdleWorkers": 30,
    "LeftBehind": 30,
    "OldSeals": 30,
    "StandingSets": 30,
    "Sweeper": 30,
    "EndedSessions": 30,
}


@dataclass(frozen=True, slots=True, order=True)
class Work:
    """One object to be looked at."""

    kind: WorkKind
    key: ObjectKey

    @override
    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


#: These have no object whose change would say that there is something to do. They are looked at
#: within so many seconds after anything happened to a session, and when they said themselves.
AFTER_SESSIONS_S = 300.0
IDLE_WORKERS = Work("IdleWorkers", ObjectKey("", "all"))
LEFT_BEHIND = Work("LeftBehind", ObjectKey("", "all"))
OLD_SEALS = Work("OldSeals", ObjectKey("", "all"))
AFTER_SESSIONS = (IDLE_WORKERS, LEFT_BEHIND, OLD_SEALS)
#: It has no object either. It is looked at a while after the start, and when it said itself.
SWEEPER = Work("Sweeper", ObjectKey("", "all"))
#: The same of the snapshot sets that stand alone.
STANDING_SETS = Work("StandingSets", ObjectKey("", "all"))
#: Neither has this one. It is looked at a day after the start, and each day.
ENDED_SESSIONS = Work("EndedSessions", ObjectKey("", "all"))
