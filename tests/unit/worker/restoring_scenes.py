"""A point of two disks and a target for each: made for upload, or attached with other content."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from typing_extensions import override

from tests.unit.repository.control.log_bench import numbered
from tests.unit.repository.data.bench import noise
from tests.unit.repository.opened.whole_bench import VM_ID, WholeBench
from tests.unit.worker.data_place import DataPlace
from tests.unit.worker.upload_host import UploadHost, upload_host
from vmbackup_core.ids import JobId, RunId
from vmbackup_core.protocol import (
    DiskToRestore,
    HealedPack,
    RepositoryAccess,
    RestoreJob,
    RestoreResult,
    read_job,
    read_result,
    write_message,
)
from vmbackup_core.repository.control.restore.restore_plan import RestoreDisk
from vmbackup_core.repository.opened_restore import Restores
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_worker.jobs.restore import Restore
from vmbackup_worker.jobs.restore_in_place import THIS_MACHINE, Machine
from vmbackup_worker.meter import Meter
from vmbackup_worker.renewable_store import OpenStore
from vmbackup_worker.running import DiskFailure

BLOCK = 4096
RUN = RunId(numbered(0xF001))
URL = "http://127.0.0.1:1/data?sig=x"


class Aim(NamedTuple):
    """A target: how long it is, and its URL or its LUN."""

    size_bytes: int
    url: str | None = None
    lun: int | None = None


class Scene(ABC):
    """A point of *disks*, whose targets are *os* and *data*."""

    def __init__(self, disks: Mapping[str, bytes], machine: Machine = THIS_MACHINE) -> None:
        self.bench = WholeBench()
        self.bench.begun()
        self.point = self.bench.back_up(1, disks)
        self.disks = disks
        self.place = DataPlace()
        self.place.behind = self.data
        self.meter = Meter()
        self.stop = threading.Event()
        self._machine = machine

    @abstractmethod
    def aim(self, at: int) -> Aim:
        """Return where the point's disk number *at* is written."""

    @abstractmethod
    def lengthen(self, at: int) -> None:
        """Make a target longer than the job says."""

    @property
    @abstractmethod
    def is_untouched(self) -> bool:
        """Whether nothing was written to any target."""

    @property
    @abstractmethod
    def is_right(self) -> bool:
        """Whether every target is as the point has its disk."""

    @property
    def data(self) -> MemoryStore:
        store = self.bench.places.data
        assert isinstance(store, MemoryStore)
        return store

    def job(self) -> RestoreJob:
        """Return the job as it comes out of a message."""
        work = Restores(self.bench.opened().work).plan(VM_ID, self.point.run_id, RUN)
        disks = [_to_restore(given, self.aim(at)) for at, given in enumerate(work.disks)]
        made = RestoreJob(JobId("restore"), RUN, disks, RepositoryAccess(URL), threads=4)
        read = read_job(write_message(made))
        assert isinstance(read, RestoreJob)
        return read

    def altered_job(self, **wrong: object) -> RestoreJob:
        """Return the job with other words about its first disk."""
        job = self.job()
        job.disks[0] = msgspec.structs.replace(job.disks[0], **wrong)
        return job

    def work(
        self,
        job: RestoreJob | None = None,
        renewal_s: float = 0.05,
        open_store: OpenStore | None = None,
    ) -> Restore:
        return Restore(
            job or self.job(),
            self.meter,
            self.stop,
            renewal_s=renewal_s,
            open_store=open_store or (lambda _access: self.place),
            machine=self._machine,
        )

    def restored(self, job: RestoreJob | None = None) -> RestoreResult:
        result = read_result(write_message(self.work(job).run()))
        assert isinstance(result, RestoreResult)
        return result

    def failure(self, job: RestoreJob | None = None) -> DiskFailure:
        with pytest.raises(DiskFailure) as failed:
            self.work(job).run()
        return failed.value

    def once_a_pack_is_read(self, act: Callable[[], None]) -> None:
        """Have *act* done as the first block is asked for."""
        self.place = _OnFirstPack(self.data, act)


def _to_restore(given: RestoreDisk, aim: Aim) -> DiskToRestore:
    """Return a disk of a job for what the operator planned."""
    disk = given.disk
    return DiskToRestore(
        disk_id=f"/targets/{disk.name}",
        chain_id=disk.chain_id,
        keys=given.keys,
        manifest=given.manifest_name,
        manifest_sha256=given.manifest_sha256,
        slot=disk.slot,
        unique_id=disk.unique_id,
        snapshot_unique_id=disk.snapshot_unique_id,
        disk_bytes=disk.size_bytes,
        healed=[HealedPack.of(each) for each in given.healed],
        target_url=aim.url,
        target_lun=aim.lun,
        target_bytes=aim.size_bytes,
    )


class _OnFirstPack(DataPlace):
    def __init__(self, behind: MemoryStore, act: Callable[[], None]) -> None:
        super().__init__()
        self.behind = behind
        self._acts = [act]

    @override
    def get_range(self, name: str, offset: int, length: int) -> bytes:
        if "/p/" in name and self._acts:
            self._acts.pop()()
        return super().get_range(name, offset, length)


#: Blocks, zeros, and blocks again; the last one is no whole page.
UPLOADED = {
    "os": noise(1, 40 * BLOCK) + bytes(30 * BLOCK) + noise(2, 5 * BLOCK),
    "data": bytes(12 * BLOCK) + noise(3, BLOCK + 700),
}


class Uploading(Scene):
    """Targets behind *hosts*."""

    def __init__(self, hosts: Sequence[UploadHost]) -> None:
        super().__init__(UPLOADED)
        self.hosts = [*hosts]

    @override
    def aim(self, at: int) -> Aim:
        return Aim(self.hosts[at].size_bytes, url=self.hosts[at].url)

    @override
    def lengthen(self, at: int) -> None:
        self.hosts[at].said_bytes = self.hosts[at].whole_bytes + 512

    @property
    @override
    def is_untouched(self) -> bool:
        return not any(host.puts for host in self.hosts)

    @property
    @override
    def is_right(self) -> bool:
        """Whether every target has every byte, then zeros, and Azure would take it."""
        return all(
            host.disk == content.ljust(host.size_bytes, b"\0") and host.is_whole
            for content, host in zip(self.disks.values(), self.hosts, strict=True)
        )

    @property
    def is_no_disk(self) -> bool:
        """Whether Azure would take none of the targets."""
        return not any(host.is_whole for host in self.hosts)


@contextmanager
def uploading() -> Iterator[Uploading]:
    """Serve the targets until the block ends."""
    with ExitStack() as hosts:
        sizes = (-(-len(content) // 512) * 512 for content in UPLOADED.values())
        yield Uploading([hosts.enter_context(upload_host(size)) for size in sizes])


def _changed(content: bytes, *blocks: int) -> bytes:
    disk = bytearray(content)
    for block in blocks:
        disk[block * BLOCK + 100] ^= 1
    return bytes(disk)


THEN = {
    "os": noise(1, 40 * BLOCK) + bytes(30 * BLOCK) + noise(2, 10 * BLOCK),
    "data": bytes(12 * BLOCK) + noise(3, 4 * BLOCK),
}
#: Two blocks of the one have other content, one that was zero is not, and one is zero.
NOW = {
    "os": _changed(THEN["os"], 0, 7, 50, 79)[: 79 * BLOCK] + bytes(BLOCK),
    "data": THEN["data"],
}
DIFFERING_BYTES = {"os": 4 * BLOCK, "data": 0}


class Attached(Scene):
    """Disks with what they hold now, at a LUN each, which *devices* shows."""

    def __init__(self, devices: Path) -> None:
        super().__init__(THEN, Machine(devices, appears_within_s=0))
        self.devices = devices
        devices.mkdir()
        for lun, (name, content) in enumerate(NOW.items()):
            self.link(lun).parent.mkdir(parents=True, exist_ok=True)
            self.link(lun).symlink_to(self.device(name))
            self.device(name).write_bytes(content)

    @override
    def aim(self, at: int) -> Aim:
        return Aim(self.device([*THEN][at]).stat().st_size, lun=at)

    @override
    def lengthen(self, at: int) -> None:
        with self.device([*THEN][at]).open("ab") as disk:
            disk.write(bytes(512))

    @property
    @override
    def is_untouched(self) -> bool:
        return all(self.found(name) == content for name, content in NOW.items())

    @property
    @override
    def is_right(self) -> bool:
        return all(self.found(name) == content for name, content in THEN.items())

    def device(self, name: str) -> Path:
        return self.devices / name

    def link(self, lun: int) -> Path:
        return self.devices / f"disk/azure/scsi1/lun{lun}"

    def found(self, name: str) -> bytes:
        """Return what a disk holds, as far as the point's goes."""
        return self.device(name).read_bytes()[: len(THEN[name])]
