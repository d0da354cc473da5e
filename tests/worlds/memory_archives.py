"""Chains of archives in memory, and a worker that copies disks: code of both sides."""

from __future__ import annotations

from tests.worlds.memory_azure import Azure
from tests.worlds.memory_points import ARCHIVES, CONTAINER, MemoryPoints
from vmbackup_core.protocol import ArchiveJob, ArchiveResult, DiskArchived, DiskToArchive, Failed
from vmbackup_core.repository.data.disk_writer import DiskToRead, write_disk
from vmbackup_core.repository.data.healing import HealingIndex
from vmbackup_core.repository.data.index_reader import open_manifest
from vmbackup_core.repository.data.ports import DataStore
from vmbackup_core.repository.data.stored_disk import StoredDisk
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.transfer import Progress
from vmbackup_operator.services.archiving import StoredArchiveChains


class MemoryArchiveChains(StoredArchiveChains):
    """Those of the repositories of *points*, opened by the same process."""

    def __init__(self, points: MemoryPoints) -> None:
        super().__init__(points.opened_repositories, points.secrets)


def archived_by_a_worker(
    azure: Azure, points: MemoryPoints, job: ArchiveJob, number: int
) -> ArchiveResult | Failed:
    """Copy what the job asks for as a worker copies it, and return what it says."""
    ways = azure.opens(job.source.container_url, "read"), azure.opens(job.target.container_url)
    if not all(ways):
        return Failed(job.job_id, number, "AccessRefused", "403", transient=True)
    source, target = (points.containers.container(each) for each in (CONTAINER, ARCHIVES))
    return ArchiveResult([_archived(source, target, disk) for disk in job.disks])


def _archived(source: DataStore, target: DataStore, disk: DiskToArchive) -> DiskArchived:
    given, keys = disk.source, ChainKeys.parse(disk.source.keys)
    manifest = open_manifest(source, keys, given.manifest, bytes.fromhex(given.manifest_sha256))
    stored = StoredDisk(source, keys, manifest, HealingIndex.load(source, keys, []))
    used = stored.used()
    written = write_disk(
        target,
        ChainKeys.parse(disk.keys),
        disk.grant,
        DiskToRead(stored, used),
        threads=1,
        progress=_unwatched,
    )
    return DiskArchived(
        disk_id=disk.disk_id,
        manifest=written.manifest,
        manifest_sha256=written.sha256,
        statistics=written.statistics,
        verified_bytes=used.total_bytes,
        seconds=1.0,
    )


def _unwatched(_progress: Progress) -> None:
    return
