"""What upkeep works with, each made once by wiring."""

from __future__ import annotations

from dataclasses import dataclass, field

from vmbackup_core.clock import Clock
from vmbackup_operator.repositories.ports import Secrets
from vmbackup_operator.upkeep.ports import (
    BusyRuns,
    DueVerifications,
    EventLog,
    LivePolicies,
    PointObjects,
    PointsToMirror,
    Repositories,
    UpkeepJobs,
    VerifySessions,
)
from vmbackup_operator.upkeep.twins import Twins


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The ports, the clock, and the appliance that acts."""

    appliance_id: str
    clock: Clock
    repositories: Repositories
    secrets: Secrets
    jobs: UpkeepJobs
    policies: LivePolicies
    busy_runs: BusyRuns
    due: DueVerifications
    sessions: VerifySessions
    points: PointsToMirror
    point_objects: PointObjects
    events: EventLog
    twins: Twins = field(default_factory=Twins)
