"""The agent's regular signs of life: hello until it has arrived, heartbeats, progress."""

from __future__ import annotations

import logging
import platform
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from vmbackup_core.errors import TransientError
from vmbackup_core.ids import JobId
from vmbackup_core.protocol import NO_JOB, Event, Heartbeat, Hello, Progress
from vmbackup_worker import VERSION
from vmbackup_worker.meter import Pulse, Reading
from vmbackup_worker.settings import Settings

log = logging.getLogger(__name__)

#: The longest wait between two attempts to say hello.
HELLO_RETRY_S = 15.0


class Mouth(Protocol):
    """Where events go."""

    def send(self, event: Event, job_id: JobId = ...) -> None:
        """Send *event*; raise TransientError."""


#: Returns what the agent is at, if anything.
FeelPulse = Callable[[], "Pulse | None"]


class Heart:
    """A thread that tells of the agent; what can't be sent is told anew the next time."""

    def __init__(
        self, settings: Settings, mouth: Mouth, started_at: datetime, pulse: FeelPulse
    ) -> None:
        self._settings = settings
        self._mouth = mouth
        self._started_at = started_at
        self._pulse = pulse
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heart", daemon=True)
        self._said: Reading | None = None

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; returns when nothing more is sent."""
        self._stop.set()
        self._thread.join(self._settings.rhythm.heartbeat_s)

    def _beat(self) -> None:
        self._say_hello()
        beat_at = time.monotonic() + self._settings.rhythm.heartbeat_s
        while not self._stop.wait(
            max(0.0, min(beat_at - time.monotonic(), self._settings.rhythm.progress_s))
        ):
            if time.monotonic() >= beat_at:
                beat_at = time.monotonic() + self._settings.rhythm.heartbeat_s
                self._tell(self._heartbeat(), NO_JOB)
            self._tell_progress()

    def _say_hello(self) -> None:
        settings, wait_s = self._settings, 0.5
        hello = Hello(
            settings.worker_id,
            settings.launch,
            VERSION,
            settings.bundle_id,
            platform.python_version(),
            self._started_at,
        )
        while not self._tell(hello, NO_JOB) and not self._stop.wait(wait_s):
            wait_s = min(wait_s * 2, HELLO_RETRY_S)

    def _heartbeat(self) -> Heartbeat:
        settings, pulse = self._settings, self._pulse()
        return Heartbeat(
            settings.worker_id,
            settings.launch,
            VERSION,
            settings.bundle_id,
            platform.python_version(),
            self._started_at,
            pulse.job_id if pulse else None,
        )

    def _tell_progress(self) -> None:
        pulse = self._pulse()
        if pulse is None or pulse.reading == self._said:
            return
        reading = pulse.reading
        progress = Progress(
            pulse.job_id,
            pulse.answers,
            reading.bytes_to_read,
            reading.bytes_read,
            reading.bytes_stored,
            reading.disk,
        )
        if self._tell(progress, pulse.job_id):
            self._said = reading

    def _tell(self, event: Event, job_id: JobId) -> bool:
        try:
            self._mouth.send(event, job_id)
        except TransientError as error:
            log.warning("%s not sent: %s", type(event).__name__, error)
            return False
        except Exception as error:  # noqa: BLE001 - who falls silent is taken for dead and replaced
            log.error("%s not sent: %s", type(event).__name__, type(error).__name__)  # noqa: TRY400 - tracebacks may hold URLs
            return False
        return True
