"""What the agent can be asked for: one module for each kind of job, found by its kind.

The agent's loop knows jobs, messages and leases; what a kind does is known here alone. A kind has a
message in the protocol, a module here with a maker, and a line in `MAKERS`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from vmbackup_core.protocol import JobKind, WorkJob, kinds_of
from vmbackup_worker.jobs import archive, backup, restore, verify
from vmbackup_worker.meter import Meter
from vmbackup_worker.running import Work
from vmbackup_worker.settings import Rhythm, Settings

Maker = Callable[[WorkJob, Meter, threading.Event, Rhythm], Work]

#: Who makes the work of a job, by the job's kind.
MAKERS: Mapping[JobKind, Maker] = {
    "archive": archive.make,
    "backup": backup.make,
    "restore": restore.make,
    "verify": verify.make,
}


class Desk:
    """Makes the work of whatever job the agent is given."""

    def __init__(self, settings: Settings) -> None:
        self._rhythm: Rhythm = settings.rhythm

    def make(self, job: WorkJob, meter: Meter, stop: threading.Event) -> Work:
        """Return the work of *job*; raise PermanentError where it can't even begin."""
        (kind,) = kinds_of(type(job))
        maker = next(maker for known, maker in MAKERS.items() if known == kind)
        return maker(job, meter, stop, self._rhythm)
