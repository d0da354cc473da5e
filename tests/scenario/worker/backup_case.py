"""A VM with two disks behind export hosts, a repository in Azurite, and its backup job."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.scenario.worker.cloud import Cloud, job_id
from tests.unit.worker.export_host import ExportHost, export_host
from vmbackup_core.clock import SystemClock
from vmbackup_core.ids import DiskUniqueId, RunId, SnapshotUniqueId
from vmbackup_core.protocol import BackupJob, DiskDone, DiskToBackUp, Done, RepositoryAccess
from vmbackup_core.repository import (
    RecoveryPoint,
    RecoveryPointDisk,
    Repository,
    RepositoryKey,
    initialise,
)
from vmbackup_core.stores.azure_blob import AzureBlobStore, container_client
from vmbackup_core.stores.port import Buffer

MIB = 1024 * 1024


class Sink:
    """A disk in memory that is restored to."""

    def __init__(self, size_bytes: int) -> None:
        self.content = bytearray(size_bytes)

    def write_at(self, offset: int, data: Buffer) -> None:
        self.content[offset : offset + len(data)] = data


@dataclass
class BackupCase:
    """What one job backs up and where to."""

    cloud: Cloud
    hosts: list[ExportHost]
    repository: Repository
    run_id: RunId

    @property
    def container(self) -> str:
        return f"repository-{self.cloud.name}"

    def disk(self, number: int) -> DiskToBackUp:
        host, unique_id = self.hosts[number], DiskUniqueId(f"{self.cloud.name}-{number}")
        chain_id = self.repository.chain_id(unique_id)
        return DiskToBackUp(
            disk_id=f"/disks/{number}",
            name=f"disk-{number}",
            lun=number or None,
            size_bytes=len(host.disk),
            unique_id=unique_id,
            snapshot_id=f"/snapshots/{number}",
            snapshot_unique_id=SnapshotUniqueId(f"{self.run_id}-{number}"),
            snapshot_url=host.url,
            chain_id=chain_id,
            chain_keys=self.repository.chain_keys(chain_id).text,
            block_bytes=256 * 1024,
        )

    def job(self) -> BackupJob:
        """Return the job, with the credentials of this moment."""
        container_url = self.cloud.container_url(self.container, "crl")
        disks = [self.disk(number) for number in range(len(self.hosts))]
        return BackupJob(job_id(self.cloud), self.run_id, disks, RepositoryAccess(container_url))

    def bytes_allocated(self) -> list[int]:
        return [sum(min(b + 1, len(host.disk)) - a for a, b in host.ranges) for host in self.hosts]

    def bytes_read(self) -> list[int]:
        return [sum(length for _, length in host.read) for host in self.hosts]

    def commits(self) -> list[str]:
        names = self.cloud.blobs.get_container_client(self.container).list_blob_names()
        return [name for name in names if "/k/" in name]

    def restored(self, done: Done) -> list[bytes]:
        """Return every disk as the repository gives it back, by a recovery point of *done*."""
        point = RecoveryPoint(
            run_id=self.run_id,
            appliance_id="appliance",
            policy_namespace="",
            policy_name="",
            vm_id="/vm",
            vm_name="vm",
            vm_region="westeurope",
            vm_description="{}",
            created_at=datetime.now(UTC),
            retention="{}",
            kind="full",
            disks=tuple(self._line(number, one) for number, one in enumerate(disks_of(done))),
        )
        self.repository.record_point(point)
        sinks = [Sink(disk.size_bytes) for disk in point.disks]
        for disk, sink in zip(point.disks, sinks, strict=True):
            self.repository.restore_disk(point, disk, sink)
        return [bytes(sink.content) for sink in sinks]

    def _line(self, number: int, done: DiskDone) -> RecoveryPointDisk:
        disk = self.disk(number)
        return RecoveryPointDisk(
            disk_id=disk.disk_id,
            name=disk.name,
            lun=disk.lun,
            size_bytes=disk.size_bytes,
            unique_id=disk.unique_id,
            chain_id=disk.chain_id,
            slot=done.slot,
            commit_digest=done.commit_digest,
            snapshot_id=disk.snapshot_id,
            snapshot_unique_id=disk.snapshot_unique_id,
            read_bytes=done.read_bytes,
            stored_bytes=done.stored_bytes,
        )


@contextmanager
def backup_case(cloud: Cloud) -> Iterator[BackupCase]:
    """Make two disks and a repository, until the block ends."""
    first = [(0, 4095), (3 * MIB, 39 * MIB - 1), (64 * MIB - 512, 64 * MIB + 511)]
    second = [(512, 1023), (1 * MIB, 2 * MIB - 1)]
    with (
        export_host(content_of(64 * MIB, first), first) as os_disk,
        export_host(content_of(8 * MIB, second), second) as data_disk,
    ):
        name = f"repository-{cloud.name}"
        cloud.blobs.create_container(name)
        store = AzureBlobStore(container_client(cloud.container_url(name, "crl")))
        key = RepositoryKey(b"\7" * 32)
        repository = initialise(store, key, appliance_id="appliance", clock=SystemClock())
        run_id = RunId(random.Random(cloud.name).randbytes(16).hex())  # noqa: S311 - a name
        yield BackupCase(cloud, [os_disk, data_disk], repository, run_id)


def disks_of(done: Done) -> list[DiskDone]:
    """Return the lines of the disks in a backup's result."""
    assert done.result is not None
    return done.result.disks


def content_of(size_bytes: int, ranges: list[tuple[int, int]]) -> bytes:
    """Return a disk that holds something in *ranges* and zeros elsewhere."""
    disk, content = bytearray(size_bytes), random.Random(size_bytes)  # noqa: S311 - repeatable
    for start, end in ranges:
        stop = min(end + 1, size_bytes)
        disk[start:stop] = content.randbytes(stop - start)
    return bytes(disk)
