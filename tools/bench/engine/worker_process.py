"""A worker's backup job as a process: what the agent runs for it, and nothing of the conversation.

``python -m tools.bench.engine.worker_process JOB DATA RESULT [MILLISECONDS]``: the job as it comes
in a message, the folder of the repository's data, where the result goes, and how long each request
to the store takes.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from typing_extensions import override

from vmbackup_core.protocol import BackupJob
from vmbackup_core.protocol.limits import RENEWAL_S
from vmbackup_core.protocol.messages import read_job, write_message
from vmbackup_core.repository.data.ports import DataStore
from vmbackup_core.stores.directory import DirectoryStore
from vmbackup_core.stores.port import Buffer
from vmbackup_worker.jobs.backup import Backup
from vmbackup_worker.meter import Meter
from vmbackup_worker.running import outcome_of

T = TypeVar("T")

#: How it ends where the job failed, and the failure is told.
REFUSED = 3


class SlowStore(DataStore):
    """A store whose every request takes so long more."""

    def __init__(self, behind: DataStore, latency_s: float) -> None:
        self._behind = behind
        self._latency_s = latency_s

    @override
    def put_new(self, name: str, data: Buffer) -> None:
        self._late(lambda: self._behind.put_new(name, data))

    @override
    def get(self, name: str, *, most: int) -> bytes:
        return self._late(lambda: self._behind.get(name, most=most))

    @override
    def get_range(self, name: str, offset: int, length: int) -> bytes:
        return self._late(lambda: self._behind.get_range(name, offset, length))

    @override
    def get_end(self, name: str, length: int) -> tuple[bytes, int]:
        return self._late(lambda: self._behind.get_end(name, length))

    def _late(self, ask: Callable[[], T]) -> T:
        time.sleep(self._latency_s)
        return ask()


def main(arguments: Sequence[str]) -> int:
    """Do the job; write its result, or why it was refused."""
    job_file, data, result, *latency = arguments
    job = read_job(Path(job_file).read_bytes())
    if not isinstance(job, BackupJob):
        raise TypeError("no backup job")
    store: DataStore = DirectoryStore(Path(data), names_are_random=True)
    if latency:
        store = SlowStore(store, float(latency[0]) / 1000)
    work = Backup(
        job, Meter(), threading.Event(), renewal_s=RENEWAL_S, open_store=lambda _url: store
    )
    try:
        done = work.run()
    except Exception as error:  # noqa: BLE001 - told as the agent tells it
        Path(result).write_bytes(write_message(outcome_of(job.job_id, error, 1)))
        return REFUSED
    Path(result).write_bytes(write_message(done))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
