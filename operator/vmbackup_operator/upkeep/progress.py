"""How far running jobs have come: in memory ahead of what status has, which is written seldom.

A job is done in many pieces; were each written down, a night would be thousands of writes. What a
crash takes away is done again, which is no harm.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec.structs import replace

from vmbackup_operator.model.backup_repository import BackupRepository, RunningJob
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.upkeep.mirroring import Mirroring
from vmbackup_operator.upkeep.ports import JobDone


@dataclass
class Progress:
    """A running job as it is, the one that status has, and when that was written.

    *done* is what it came to, from when it is known until it is written; *mirroring* is how far a
    job Mirror is, which status does not have.
    """

    running: RunningJob
    stored: RunningJob
    written_s: float
    done: JobDone | None = None
    mirroring: Mirroring = field(default_factory=Mirroring)


class Progresses:
    """The running jobs of all repositories."""

    def __init__(self) -> None:
        self._of: dict[ObjectKey, Progress] = {}

    def find(self, repository: BackupRepository, running: RunningJob, now_s: float) -> Progress:
        """Return how far the job has come that is *running* by the repository's status."""
        key = repository.metadata.key
        known = self._of.get(key)
        if known is None or _identity(known.running) != _identity(running):
            known = self._of[key] = Progress(running, running, now_s)
        if running.trouble_since is None and known.stored.trouble_since is not None:
            known.running = replace(known.running, trouble_since=None)  # a pause has ended it
        known.stored = running
        return known

    def forget(self, key: ObjectKey) -> None:
        """Drop what is known of the repository's job, which has ended or has gone."""
        self._of.pop(key, None)


def _identity(running: RunningJob) -> tuple[object, ...]:
    return running.job, running.since, running.pass_since
