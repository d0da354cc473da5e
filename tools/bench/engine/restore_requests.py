"""How often a restore asks the store of the data place: counted where files are opened."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

from typing_extensions import override

from tools.bench.engine.repository import Repository
from vmbackup_core.clock import SystemClock
from vmbackup_core.repository.control.chains.holds import Holder
from vmbackup_core.repository.control.log.heads import HeadsOfProcess
from vmbackup_core.repository.opened import open_repository
from vmbackup_core.repository.opened_log import Using
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.repository.primitives.user_key import UserKey
from vmbackup_core.repository.transfer import DiskSink
from vmbackup_core.stores.directory import DirectoryStore
from vmbackup_core.stores.port import Buffer


class CountingStore(DirectoryStore):
    """A directory that counts how it is read."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.counts: Counter[str] = Counter()
        self.packs: set[str] = set()
        self._counting = threading.Lock()

    @override
    def get(self, name: str, *, most: int | None = None) -> bytes:
        self._count("get", name)
        return super().get(name, most=most)

    @override
    def get_range(self, name: str, offset: int, length: int) -> bytes:
        self._count("get_range", name)
        return super().get_range(name, offset, length)

    @override
    def get_end(self, name: str, length: int, *, size: int | None = None) -> tuple[bytes, int]:
        self._count("get_end", name)
        return super().get_end(name, length, size=size)

    def _count(self, asked: str, name: str) -> None:
        with self._counting:
            self.counts[asked] += 1
            if "/p/" in name:
                self.packs.add(name)


class _Nowhere(DiskSink):
    """Takes a disk and keeps nothing."""

    @override
    def write_at(self, offset: int, data: Buffer) -> None:
        return


def requests_of_a_restore(repository: Repository) -> dict[str, int]:
    """Return how often each way of reading was used to restore the newest point.

    `packs` says of how many packs anything was read.
    """
    data = CountingStore(repository.data)
    places = Places(data, repository.places.control)
    key = UserKey.parse(repository.key_file.read_bytes())
    opened = open_repository(places, key, Using(None, SystemClock(), HeadsOfProcess()))
    newest = next(opened.points())
    holder = Holder("b" * 32, "restore", "bench")
    before = data.counts.copy()
    with opened.held(newest.point, holder) as there:
        for disk in newest.point.disks:
            opened.restore_disk(there, disk, _Nowhere())
    return {**(data.counts - before), "packs": len(data.packs)}
