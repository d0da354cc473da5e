"""How many disks a job works on side by side, with how many threads, and what one failure ends."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

from vmbackup_worker.access import Stopped
from vmbackup_worker.running import DiskFailure

#: One export gives, and one upload takes, 60 to 150 MB/s, whatever is at its other end; several
#: disks share the machine's network. Each that is read holds two packs (one, where one thread does
#: it all), a unit for every thread and a shard of its index in memory.
DISKS_AT_ONCE = 4

#: More threads gain nothing on a larger machine: what each does under the interpreter's lock is a
#: tenth of its work, and an export gives no more.
MOST_THREADS = 16

T = TypeVar("T")


class OfDisk(Protocol):
    """Something about one disk."""

    @property
    def disk_id(self) -> str:
        """Return the disk's id, by which events name it."""


U = TypeVar("U", bound=OfDisk)


@dataclass(frozen=True, slots=True)
class DisksAtOnce:
    """Works on the disks of one job; the first failure sets *stop*, which ends the others."""

    disks: int
    threads: int | None
    stop: threading.Event

    @property
    def at_once(self) -> int:
        """How many disks."""
        return min(DISKS_AT_ONCE, self.disks)

    @property
    def threads_each(self) -> int:
        """How many threads for each of them."""
        # Twice the processors: while one thread of a pair waits for the network the other works.
        threads = self.threads or min(2 * (os.cpu_count() or 1), MOST_THREADS)
        return max(1, threads // self.at_once)

    def work(self, each: Sequence[U], act: Callable[[U], T]) -> list[T]:
        """Return what *act* made of every disk, in order; the first failure ends the others.

        Raise it as a DiskFailure, which says of which disk it is.
        """
        with ThreadPoolExecutor(self.at_once, thread_name_prefix="disk") as pool:
            futures = [pool.submit(self._or_stop, act, one) for one in each]
        # The one that failed, rather than those that were stopped by its failure.
        failures = [error for future in futures if (error := future.exception()) is not None]
        for error in sorted(failures, key=lambda error: isinstance(error, Stopped)):
            raise error
        return [future.result() for future in futures]

    def _or_stop(self, act: Callable[[U], T], one: U) -> T:
        try:
            if self.stop.is_set():
                raise Stopped("told to stop")
            return _of_disk(one.disk_id, lambda: act(one))
        except BaseException:
            self.stop.set()
            raise


def _of_disk(disk_id: str, act: Callable[[], T]) -> T:
    """Return what *act* returns; say of a failure which disk it is about."""
    try:
        return act()
    except Stopped:
        raise
    except Exception as error:
        raise DiskFailure(disk_id, error) from error
