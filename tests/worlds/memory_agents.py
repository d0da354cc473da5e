"""The program on a worker of a world in memory, and what a test has it say of its jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from vmbackup_core.ids import JobId, LaunchNonce, WorkerId
from vmbackup_core.protocol import (
    BackupJob,
    DiskDone,
    Failed,
    LaunchKey,
    RestoreJob,
    VerifyJob,
    VerifyResult,
)


@dataclass
class Agent:
    """The program on a worker, as its Run Command started it."""

    worker: WorkerId
    launch: LaunchNonce
    key: LaunchKey
    jobs_queue: str
    events_queue: str
    sequence: int = 0
    greeted: bool = False
    seen_jobs: dict[int, BackupJob] = field(default_factory=dict)
    finished: dict[JobId, list[DiskDone]] = field(default_factory=dict)


def started(worker: WorkerId, given: Mapping[str, str], sequence: int) -> Agent:
    """Return the agent that a Run Command starts with what it was *given*."""
    return Agent(
        worker,
        LaunchNonce(given["VMBACKUP_LAUNCH"]),
        LaunchKey.from_text(given["VMBACKUP_LAUNCH_KEY"]),
        queue_in(given["VMBACKUP_JOBS_URL"]),
        queue_in(given["VMBACKUP_EVENTS_URL"]),
        sequence,
    )


#: What an agent does with a job: None where it works, or how it fails.
Behaviour = Callable[[BackupJob], Failed | None]
#: What an agent does with a job that brings back: None where it works, or how it fails.
RestoringBehaviour = Callable[[RestoreJob], Failed | None]
#: What an agent says of a job that reads back, which has come to that result.
ReadingBehaviour = Callable[[VerifyJob, VerifyResult], VerifyResult | Failed]


def blob_in(url: str) -> str:
    """Return the name of the message's blob that *url* reads."""
    return url.partition("?")[0].partition("/messages/")[2]


def queue_in(url: str) -> str:
    """Return the name of the queue that *url* leads to."""
    return url.partition("?")[0].rsplit("/", 1)[1]
