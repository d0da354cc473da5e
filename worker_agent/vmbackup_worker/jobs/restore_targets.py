"""A disk as a point has it, and what a restore job needs of where it is written.

The job's frame is `restore`; what differs by the kind of target is in the modules that implement
`Targets`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from vmbackup_core.errors import PermanentError
from vmbackup_core.protocol import DiskToRestore, RestoreJob
from vmbackup_core.repository.data.healing import HealingIndex
from vmbackup_core.repository.data.index_reader import open_manifest
from vmbackup_core.repository.data.manifest import Manifest
from vmbackup_core.repository.data.named_disk import NamedDisk
from vmbackup_core.repository.data.ports import DataSource
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_worker.jobs.given_keys import keys_of
from vmbackup_worker.meter import Meter


@dataclass(frozen=True, slots=True)
class PointedDisk:
    """A disk of a job, whose manifest opens and is the one of its point."""

    disk: DiskToRestore
    store: DataSource
    keys: ChainKeys
    manifest: Manifest

    @property
    def name(self) -> str:
        """What people call the target."""
        return name_of(self.disk)

    def healed(self) -> HealingIndex:
        """Return the blocks that were stored once more."""
        healed = (each.as_stored() for each in self.disk.healed)
        return HealingIndex.load(self.store, self.keys, healed)

    def check_size(self, found_bytes: int, wanted_bytes: int) -> None:
        """Raise PermanentError where the target is not as long as it was made."""
        if found_bytes != wanted_bytes:
            detail = f"{self.name}: a target of {found_bytes} bytes, made to be of {wanted_bytes}"
            raise PermanentError(detail, reason="DiskSizeDiffers")


class Written(NamedTuple):
    """How many bytes of a target were written; of one with content, compared, and differed."""

    written_bytes: int
    compared_bytes: int | None = None
    differing_bytes: int | None = None


class Target(Protocol):
    """Where one disk is written, open and as long as it must be."""

    def to_read_bytes(self) -> int:
        """Return how much the meter will count as read."""

    def write(self, meter: Meter, threads: int) -> Written:
        """Write what the point has, all of it or what is missing; done again it is the same."""


class Targets(Protocol):
    """Where the disks of one job are written."""

    def renew(self, job: RestoreJob) -> None:
        """Put the credentials of *job* in the place of the ones in use."""

    def open(self, pointed: PointedDisk) -> Target:
        """Return the disk's target; PermanentError where it is not there, or of another size."""

    def close(self) -> None:
        """Let go of whatever was opened."""


def name_of(disk: DiskToRestore) -> str:
    """Return what people call the target."""
    return disk.disk_id.rsplit("/", 1)[-1]


def pointed_disk(store: DataSource, disk: DiskToRestore) -> PointedDisk:
    """Return what is restored of *disk*.

    Raise CorruptRepository where its manifest says other than the point does, PermanentError where
    the keys are not its chain's.
    """
    keys = keys_of(disk.chain_id, disk.keys, name_of(disk))
    manifest = open_manifest(store, keys, disk.manifest, bytes.fromhex(disk.manifest_sha256))
    said = NamedDisk(
        name_of(disk), disk.slot, disk.unique_id, disk.snapshot_unique_id, disk.disk_bytes
    )
    said.check(disk.manifest, manifest)
    return PointedDisk(disk, store, keys, manifest)
