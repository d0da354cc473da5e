"""The agent's signs of life go on whatever happens to one of them."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest

from tests.unit.worker.sample_jobs import settings
from vmbackup_core.errors import TransientError
from vmbackup_core.ids import JobId
from vmbackup_core.protocol import NO_JOB, Event, Heartbeat
from vmbackup_worker.heart import Heart


class Mouth:
    """Fails as *failures* say, each once, and then hears."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.beaten = threading.Event()

    def send(self, event: Event, job_id: JobId = NO_JOB) -> None:
        if self.failures:
            raise self.failures.pop(0)
        if isinstance(event, Heartbeat) and job_id == NO_JOB:
            self.beaten.set()


@pytest.mark.parametrize(
    "failure", [TransientError("no way"), OSError(28, "No space left on device"), ValueError("x")]
)
def test_a_sign_that_cannot_be_given_does_not_end_the_heart(failure: Exception) -> None:
    mouth = Mouth(failure, failure)
    heart = Heart(settings(), mouth, datetime(2026, 11, 22, tzinfo=UTC), lambda: None)
    heart.start()
    try:
        assert mouth.beaten.wait(60)
    finally:
        heart.stop()
