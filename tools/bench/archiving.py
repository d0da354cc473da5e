"""What an archive asks of both repositories: a worker's own job over stores that count.

A point of one disk is archived at two sizes. What grows with the size is told per TiB, what does
not for a disk.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace
from typing_extensions import override

from vmbackup_core.clock import SystemClock
from vmbackup_core.extents import Extent
from vmbackup_core.ids import DiskUniqueId, JobId, RunId, SnapshotUniqueId
from vmbackup_core.protocol import (
    ArchiveJob,
    DiskToArchive,
    RepositoryAccess,
    StoredSource,
)
from vmbackup_core.repository.control.backup.committing import CommittedDisk
from vmbackup_core.repository.control.backup.disk_asked import DiskAsked
from vmbackup_core.repository.control.log.heads import HeadsOfProcess
from vmbackup_core.repository.control.log.log import Author
from vmbackup_core.repository.control.points.points import (
    PointDisk,
    RecoveryPoint,
    StampedRetention,
)
from vmbackup_core.repository.data.disk_writer import DiskToRead, write_disk
from vmbackup_core.repository.data.grants import Parameters
from vmbackup_core.repository.data.said import SaidDisk, SaidVm
from vmbackup_core.repository.opened import OpenedRepository, begin_repository
from vmbackup_core.repository.opened_archive import Archives
from vmbackup_core.repository.opened_log import Using
from vmbackup_core.repository.opened_restore import Restores, RestoreWork
from vmbackup_core.repository.primitives.json_payloads import Time
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.repository.primitives.user_key import UserKey
from vmbackup_core.repository.transfer import DiskSource, Progress
from vmbackup_core.retention.in_force import Stamp
from vmbackup_core.retention.rules import Retention
from vmbackup_core.stores.archive_tier import ArchiveTier, Priority
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import Buffer
from vmbackup_operator.services.opened_repositories import PACKS_A_TURN
from vmbackup_operator.services.repositories import StoredPoints
from vmbackup_worker.jobs.archive import Archive
from vmbackup_worker.meter import Meter

Figures = dict[str, Any]

MIB, TIB = 1024**2, 1024**4
#: Of what a disk holds, which no compression makes smaller.
SIZES = (256 * MIB, 1024 * MIB)

_VM = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/bench"
_SOURCE = RepositoryAccess("https://backups.example/data?sig=source")
_TARGET = RepositoryAccess("https://archives.example/data?sig=target", tier="Cold")
_BACKUP, _ARCHIVE = RunId("a" * 32), RunId("b" * 32)


class CountingStore(MemoryStore):
    """A store in memory that counts what it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()
        self._counting = threading.Lock()

    @override
    def put_new(self, name: str, data: Buffer) -> None:
        super().put_new(name, data)
        self._count("put", name, len(data))

    @override
    def get(self, name: str, *, most: int | None = None) -> bytes:
        found = super().get(name, most=most)
        self._count("get", name, len(found))
        return found

    @override
    def get_range(self, name: str, offset: int, length: int) -> bytes:
        found = super().get(name)[offset : offset + length]
        self._count("get", name, len(found))
        return found

    @override
    def get_end(self, name: str, length: int, *, size: int | None = None) -> tuple[bytes, int]:
        content = super().get(name)
        found = content[max(0, len(content) - length) :]
        self._count("get", name, len(found))
        if size != len(content):  # Azure knows no range from the end: the size is asked for before
            self._count("get", name, 0)
        return found, len(content)

    def _count(self, asked: str, name: str, length: int) -> None:
        kind = "packs" if "/p/" in name else "others"
        with self._counting:
            self.counts[f"{asked}_{kind}"] += 1
            self.counts[f"{asked}_{kind}_bytes"] += length


class CountingTier(ArchiveTier):
    """The Archive tier of such a store: counts what is put there, and moves nothing."""

    def __init__(self) -> None:
        self.put: Counter[str] = Counter()

    @override
    def put_away(self, name: str) -> None:
        self.put[name] += 1

    @override
    def bring_back(self, name: str, copy: str, priority: Priority) -> None:
        raise AssertionError("an archive brings nothing back")


class Incompressible(DiskSource):
    """A disk's bytes, which follow from where they lie."""

    @override
    def read_into(self, offset: int, buffer: memoryview) -> None:
        digest = hashlib.shake_128(offset.to_bytes(8, "little"))
        buffer[:] = digest.digest(len(buffer))


@dataclass
class Place:
    """A repository in memory."""

    key: UserKey
    data: CountingStore = field(default_factory=CountingStore)
    control: CountingStore = field(default_factory=CountingStore)

    def __post_init__(self) -> None:
        using = Using(Author("bench", "bench"), SystemClock(), HeadsOfProcess())
        places = Places(self.data, self.control)
        self.opened: OpenedRepository = begin_repository(places, self.key, using, "native")


def measure() -> Figures:
    """Return what an archive of each size asked for, and what that is for each TiB."""
    found = {size: requests_of(size) for size in SIZES}
    small, large = SIZES
    return {
        "sizes": [{"held_mib": size // MIB, **asked} for size, asked in found.items()],
        "per_tib": per_tib(found[small], found[large], large - small),
        "for_a_disk": for_a_disk(found[small], found[large], small, large),
    }


def per_tib(small: Mapping[str, int], large: Mapping[str, int], apart: int) -> dict[str, int]:
    """Return what a TiB more asks for, by what two sizes that are *apart* bytes asked for."""
    return {name: round((large[name] - small[name]) * TIB / apart) for name in large}


def for_a_disk(
    small: Mapping[str, int], large: Mapping[str, int], held: int, more: int
) -> dict[str, int]:
    """Return what is asked for whatever the size: what the line leaves at nothing."""
    return {
        name: round(small[name] - (large[name] - small[name]) * held / (more - held))
        for name in large
    }


def requests_of(size: int) -> dict[str, int]:
    """Archive a point of a disk that holds so much; return what worker and operator asked for."""
    source, target = Place(UserKey(bytes(range(32)))), Place(UserKey(bytes(range(1, 33))))
    _back_up(source.opened, size)
    work = Restores(source.opened.work).plan(_VM, _BACKUP, _ARCHIVE, "archive")
    (given,) = work.disks
    asked = _asked_of(_ARCHIVE, size, archive=True)
    prepared = target.opened.prepare_disk(asked, StoredPoints.archive_parameters)
    stored = StoredSource(
        chain_id=given.disk.chain_id,
        keys=given.keys,
        manifest=given.manifest_name,
        manifest_sha256=given.manifest_sha256,
        slot=given.disk.slot,
        healed=[],
    )
    disk = DiskToArchive(stored, prepared.chain.chain, prepared.keys.text, prepared.grant)
    job = ArchiveJob(JobId("bench"), _ARCHIVE, [disk], _SOURCE, _TARGET)
    stores = {_SOURCE: source.data, _TARGET: target.data}
    for each in (source, target):
        each.data.counts.clear()
    done = Archive(job, Meter(), threading.Event(), renewal_s=60, open_store=stores.__getitem__)
    (told,) = done.run().disks
    by_worker = {"source": source.data.counts.copy(), "target": target.data.counts.copy()}
    for store in (target.data, target.control):
        store.counts.clear()
    committed = target.opened.commit_disk(asked, told.manifest, told.manifest_sha256)
    target.opened.record(_archived(work, target.opened, committed))
    named, tier = _named(by_worker, target), CountingTier()
    Archives(target.opened.work).put_away(tier, _VM, _ARCHIVE, most=PACKS_A_TURN)
    return {**named, "packs_put_away": tier.put.total()}


def _named(by_worker: Mapping[str, Counter[str]], target: Place) -> dict[str, int]:
    """Return the counts by what a reader of the figures is told of."""
    read, made = by_worker["source"], by_worker["target"]
    operator = target.data.counts + target.control.counts
    requests = ("put_packs", "put_others", "get_packs", "get_others")
    return {
        "reads_of_backup": read["get_packs"] + read["get_others"],
        "bytes_of_backup": read["get_packs_bytes"] + read["get_others_bytes"],
        "packs_put": made["put_packs"],
        "pack_bytes_put": made["put_packs_bytes"],
        "others_put": made["put_others"],
        "reads_back": made["get_packs"] + made["get_others"],
        "bytes_back": made["get_packs_bytes"] + made["get_others_bytes"],
        "asked_by_operator": sum(operator[each] for each in requests),
    }


def _asked_of(run: RunId, size: int, *, archive: bool = False) -> DiskAsked:
    return DiskAsked(
        run=run,
        snapshot_unique_id=SnapshotUniqueId("snapshot"),
        taken_at=None,
        disk_bytes=size,
        disk=SaidDisk("/disks/os", DiskUniqueId("os"), "os", None),
        vm=SaidVm(_VM, "bench", "westeurope"),
        archive=archive,
    )


def _back_up(repository: OpenedRepository, size: int) -> None:
    """Have a point of a disk that was written in order count."""
    asked = _asked_of(_BACKUP, size)
    prepared = repository.prepare_disk(asked, Parameters())
    written = write_disk(
        repository.work.places.data,
        prepared.keys,
        prepared.grant,
        DiskToRead(Incompressible(), [Extent(0, size)]),
        threads=1,
        progress=_unwatched,
    )
    committed = repository.commit_disk(asked, written.manifest, written.sha256)
    repository.record(_point(repository, size, committed))


def _point(repository: OpenedRepository, size: int, committed: CommittedDisk) -> RecoveryPoint:
    disk = PointDisk(
        id="/disks/os",
        name="os",
        unique_id=DiskUniqueId("os"),
        lun=None,
        size_bytes=size,
        snapshot_id="/snapshots/os",
        snapshot_unique_id=SnapshotUniqueId("snapshot"),
        chain_id=committed.chain,
        slot=committed.slot,
        commit_sha256=committed.sha256,
        manifest=committed.manifest,
        manifest_sha256=committed.manifest_sha256,
        read_bytes=committed.statistics.read_bytes,
        stored_bytes=committed.stored_bytes,
    )
    return RecoveryPoint(
        repository_id=repository.repository_id,
        run_id=_BACKUP,
        appliance_id="bench",
        vm_id=_VM,
        vm_name="bench",
        vm_region="westeurope",
        vm_description="{}",
        created_at=Time.of(SystemClock().now()),
        policy_namespace=None,
        policy_name=None,
        retention=StampedRetention.of(Stamp(Retention(1, 0, 0, 0, 0))),
        kind="full",
        previous=None,
        origin=None,
        disks=(disk,),
    )


def _archived(
    work: RestoreWork, repository: OpenedRepository, committed: CommittedDisk
) -> RecoveryPoint:
    """Return the copy's point, of its one disk."""
    (given,) = work.disks
    disk = replace(
        given.disk,
        chain_id=committed.chain,
        slot=committed.slot,
        commit_sha256=committed.sha256,
        manifest=committed.manifest,
        manifest_sha256=committed.manifest_sha256,
    )
    return replace(
        work.point,
        repository_id=repository.repository_id,
        run_id=_ARCHIVE,
        origin=work.origin,
        disks=(disk,),
    )


def _unwatched(_progress: Progress) -> None:
    return
