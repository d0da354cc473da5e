"""A VM with two disks behind export hosts, a data place in Azurite, and its backup job."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import msgspec

from tests.scenario.worker.cloud import Cloud, job_id
from tests.unit.worker.export_host import ExportHost, export_host
from tests.worlds.hand_made_grants import HandMadeChain
from vmbackup_core.ids import JobId, RunId
from vmbackup_core.protocol import (
    BackupJob,
    BackupResult,
    DiskDone,
    DiskToBackUp,
    Done,
    RepositoryAccess,
)
from vmbackup_core.repository.data.grants import LeftSession
from vmbackup_core.stores.azure_blob import AzureBlobStore, container_client

MIB = 1024 * 1024


@dataclass
class BackupCase:
    """What one job backs up and where to."""

    cloud: Cloud
    hosts: list[ExportHost]
    run_id: RunId
    chains: list[HandMadeChain] = field(init=False)

    def __post_init__(self) -> None:
        self.chains = [
            HandMadeChain(f"{self.cloud.name}-{number}", len(host.disk))
            for number, host in enumerate(self.hosts)
        ]

    @property
    def container(self) -> str:
        return f"repository-{self.cloud.name}"

    @property
    def data(self) -> AzureBlobStore:
        """The data place as the operator has it."""
        return AzureBlobStore(container_client(self.cloud.container_url(self.container, "rl")))

    def disk(self, number: int, left: Sequence[LeftSession] = ()) -> DiskToBackUp:
        chain = self.chains[number]
        return chain.disk(chain.grant(self.run_id, left=left), self.hosts[number].url)

    def job(self) -> BackupJob:
        """Return the job, with the credentials of this moment."""
        return self._job([self.disk(number) for number in range(len(self.hosts))])

    def next_attempt(self) -> BackupJob:
        """Return another job of the same run, which is given what the ones before have stored."""
        names = self.stored()
        disks = [self.disk(n, chain.left(names)) for n, chain in enumerate(self.chains)]
        again = JobId(f"{job_id(self.cloud)}-again")
        return msgspec.structs.replace(self._job(disks), job_id=again)

    def _job(self, disks: list[DiskToBackUp]) -> BackupJob:
        access = RepositoryAccess(self.cloud.container_url(self.container, "rc"))
        return BackupJob(job_id(self.cloud), self.run_id, disks, access)

    def bytes_allocated(self) -> list[int]:
        return [sum(min(b + 1, len(host.disk)) - a for a, b in host.ranges) for host in self.hosts]

    def bytes_read(self) -> list[int]:
        return [sum(length for _, length in host.read) for host in self.hosts]

    def stored(self, folder: str = "") -> list[str]:
        """Return the names of what is stored, or of what lies in *folder* of any chain."""
        names = [each.name for each in self.data.list("")]
        return [name for name in names if not folder or f"/{folder}/" in name]

    def restored(self, done: Done) -> list[bytes]:
        """Return every disk as the manifests that *done* names give it back."""
        return [
            chain.restored(self.data, disk)
            for chain, disk in zip(self.chains, disks_of(done), strict=True)
        ]


@contextmanager
def backup_case(cloud: Cloud) -> Iterator[BackupCase]:
    """Make two disks and a data place, until the block ends."""
    first = [(0, 4095), (3 * MIB, 39 * MIB - 1), (64 * MIB - 512, 64 * MIB + 511)]
    second = [(512, 1023), (1 * MIB, 2 * MIB - 1)]
    with (
        export_host(content_of(64 * MIB, first), first) as os_disk,
        export_host(content_of(8 * MIB, second), second) as data_disk,
    ):
        run_id = RunId(random.Random(cloud.name).randbytes(16).hex())  # noqa: S311 - a name
        case = BackupCase(cloud, [os_disk, data_disk], run_id)
        cloud.blobs.create_container(case.container)
        yield case


def disks_of(done: Done) -> list[DiskDone]:
    """Return the lines of the disks in a backup's result."""
    assert isinstance(done.result, BackupResult)
    return done.result.disks


def content_of(size_bytes: int, ranges: list[tuple[int, int]]) -> bytes:
    """Return a disk that holds something in *ranges* and zeros elsewhere."""
    disk, content = bytearray(size_bytes), random.Random(size_bytes)  # noqa: S311 - repeatable
    for start, end in ranges:
        stop = min(end + 1, size_bytes)
        disk[start:stop] = content.randbytes(stop - start)
    return bytes(disk)
