"""The program on a worker of a world in memory, and what a test has it say of its jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from vmbackup_core.ids import JobId, LaunchNonce, WorkerId
from vmbackup_core.protocol import (
    ArchiveJob,
    BackupJob,
    DiskDone,
    Failed,
    Header,
    LaunchKey,
    Overflow,
    RestoreJob,
    Shutdown,
    VerifyJob,
    VerifyResult,
    WorkJob,
    opened,
    read_job,
    unseal,
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
#: What an agent does with a job that copies: None where it works, or how it fails.
ArchivingBehaviour = Callable[[ArchiveJob], Failed | None]
#: What an agent says of a job that reads back, which has come to that result.
ReadingBehaviour = Callable[[VerifyJob, VerifyResult], VerifyResult | Failed]


def job_in(agent: Agent, text: str, blobs: Mapping[str, bytes]) -> tuple[Header, WorkJob | None]:
    """Return the job in a message for *agent*; None where its blob is gone."""
    header, payload = unseal(agent.key, text, direction="job", worker_id=agent.worker)
    job = read_job(payload)
    if isinstance(job, Overflow):
        blob = blobs.get(blob_in(job.url))
        if blob is None:
            return header, None
        job = opened(agent.key, header, job, blob)
    assert not isinstance(job, (Shutdown, Overflow))  # no session asks its worker for that
    return header, job


def blob_in(url: str) -> str:
    """Return the name of the message's blob that *url* reads."""
    return url.partition("?")[0].partition("/messages/")[2]


def queue_in(url: str) -> str:
    """Return the name of the queue that *url* leads to."""
    return url.partition("?")[0].rsplit("/", 1)[1]
