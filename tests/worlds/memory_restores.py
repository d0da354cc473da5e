"""What of a repository in memory is brought back, and a worker that does so: code of both sides."""

from __future__ import annotations

from dataclasses import dataclass, field

from typing_extensions import Buffer

from tests.worlds.made_disk import MadeDisk
from tests.worlds.memory_azure import Azure
from tests.worlds.memory_disks import opened_disk
from tests.worlds.memory_points import MemoryPoints
from tests.worlds.memory_rewinds import Copy, Loose
from vmbackup_core.ids import WorkerId
from vmbackup_core.protocol import DiskRestored, DiskToRestore, Failed, RestoreJob, RestoreResult
from vmbackup_core.repository.data.copied_packs import CopiedPacks
from vmbackup_core.repository.data.healing import HealingIndex
from vmbackup_core.repository.data.index_reader import open_manifest
from vmbackup_core.repository.data.ports import DataSource
from vmbackup_core.repository.data.restore import restore_manifest
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.transfer import Progress
from vmbackup_operator.arm_ids import same_id
from vmbackup_operator.naming import ArmId
from vmbackup_operator.services.restoring import StoredPointsToRestore


class MemoryPointsToRestore(StoredPointsToRestore):
    """Those of the repository of *points*, opened by the same process."""

    def __init__(self, points: MemoryPoints) -> None:
        super().__init__(points.opened_repositories, points.secrets)


@dataclass
class _Upload:
    """Where a worker writes: what is zero already is not written."""

    disk: MadeDisk
    written: int = 0

    def write_at(self, offset: int, data: Buffer) -> None:
        self.disk.written[offset] = bytes(data)
        self.written += memoryview(data).nbytes


@dataclass(frozen=True)
class Places:
    """Where a worker finds the disks that it writes: behind a SAS, or at a LUN of its VM."""

    azure: Azure
    loose: Loose
    data: DataSource

    def at_lun(self, worker: WorkerId, lun: int) -> Copy | None:
        """Return the disk that the worker's VM has at a LUN."""
        vm_id = next(key for key, each in self.azure.workers.items() if each.id == worker)
        return self.loose.at_lun(vm_id, lun)


def restored_by_a_worker(
    places: Places, worker: WorkerId, job: RestoreJob, number: int
) -> RestoreResult | Failed:
    """Write what the job asks for as a worker writes it, and return what it says."""
    azure, data, done = places.azure, places.data, []
    if not azure.opens(job.repository.container_url, "read"):
        return Failed(job.job_id, number, "AccessRefused", "403", transient=True)
    for disk in job.disks:
        if disk.target_lun is not None:
            copy = places.at_lun(worker, disk.target_lun)
            if copy is None or not same_id(copy.id, ArmId(disk.disk_id)):
                return Failed(job.job_id, number, "DiskNotAttached", "none", transient=False)
            done.append(_rewritten(CopiedPacks(data, job.run_id), disk, copy))
            continue
        target = opened_disk(azure, disk.target_url or "")
        if target is None:
            return Failed(job.job_id, number, "AccessRefused", "403", transient=True)
        if target.size_bytes != disk.target_bytes:
            return Failed(job.job_id, number, "DiskSizeDiffers", "another", transient=False)
        done.append(_restored(CopiedPacks(data, job.run_id), disk, target))
    return RestoreResult(done)


def _rewritten(data: DataSource, disk: DiskToRestore, copy: Copy) -> DiskRestored:
    """Write the disk as one whose every block differed: blocks of the point, all else zeros."""
    keys, sink = ChainKeys.parse(disk.keys), _Rewriting()
    manifest = open_manifest(data, keys, disk.manifest, bytes.fromhex(disk.manifest_sha256))
    healed = HealingIndex.load(data, keys, [])
    restore_manifest(data, keys, manifest, healed, sink, threads=1, progress=_unwatched)
    copy.written = sink.written
    written = sum(map(len, sink.written.values()))
    return DiskRestored(disk.disk_id, written, 1.0, disk.target_bytes, written)


@dataclass
class _Rewriting:
    """What a worker writes into a disk that has content."""

    written: dict[int, bytes] = field(default_factory=dict)

    def write_at(self, offset: int, data: Buffer) -> None:
        self.written[offset] = bytes(data)


def _restored(data: DataSource, disk: DiskToRestore, target: MadeDisk) -> DiskRestored:
    keys, upload = ChainKeys.parse(disk.keys), _Upload(target)
    manifest = open_manifest(data, keys, disk.manifest, bytes.fromhex(disk.manifest_sha256))
    healed = HealingIndex.load(data, keys, [])
    restore_manifest(data, keys, manifest, healed, upload, threads=1, progress=_unwatched)
    target.has_footer = True
    return DiskRestored(disk.disk_id, upload.written, 1.0)


def _unwatched(_progress: Progress) -> None:
    return
