"""What of a repository in memory is brought back, and a worker that does so: code of both sides."""

from __future__ import annotations

from dataclasses import dataclass

from typing_extensions import Buffer

from tests.worlds.made_disk import MadeDisk
from tests.worlds.memory_azure import Azure
from tests.worlds.memory_disks import opened_disk
from tests.worlds.memory_points import MemoryPoints
from vmbackup_core.protocol import DiskRestored, DiskToRestore, Failed, RestoreJob, RestoreResult
from vmbackup_core.repository.data.copied_packs import CopiedPacks
from vmbackup_core.repository.data.healing import HealingIndex
from vmbackup_core.repository.data.index_reader import open_manifest
from vmbackup_core.repository.data.ports import DataSource
from vmbackup_core.repository.data.restore import restore_manifest
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.transfer import Progress
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


def restored_by_a_worker(
    azure: Azure, data: DataSource, job: RestoreJob, number: int
) -> RestoreResult | Failed:
    """Write what the job asks for as a worker writes it, and return what it says."""
    done = []
    for disk in job.disks:
        target = opened_disk(azure, disk.target_url)
        if target is None or not azure.opens(job.repository.container_url, "read"):
            return Failed(job.job_id, number, "AccessRefused", "403", transient=True)
        if target.size_bytes != disk.target_bytes:
            return Failed(job.job_id, number, "DiskSizeDiffers", "another", transient=False)
        done.append(_restored(CopiedPacks(data, job.run_id), disk, target))
    return RestoreResult(done)


def _restored(data: DataSource, disk: DiskToRestore, target: MadeDisk) -> DiskRestored:
    keys, upload = ChainKeys.parse(disk.keys), _Upload(target)
    manifest = open_manifest(data, keys, disk.manifest, bytes.fromhex(disk.manifest_sha256))
    healed = HealingIndex.load(data, keys, [])
    restore_manifest(data, keys, manifest, healed, upload, threads=1, progress=_unwatched)
    target.has_footer = True
    return DiskRestored(disk.disk_id, upload.written, 1.0)


def _unwatched(_progress: Progress) -> None:
    return
