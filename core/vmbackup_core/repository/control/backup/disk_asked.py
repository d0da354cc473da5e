"""What a session asks for of one disk: the same while it is prepared, committed and found again."""

from __future__ import annotations

from dataclasses import dataclass

from vmbackup_core.ids import DiskUniqueId, RunId, SnapshotUniqueId
from vmbackup_core.repository.data.grants import ManifestAt
from vmbackup_core.repository.data.said import SaidDisk, SaidVm
from vmbackup_core.repository.primitives.json_payloads import Time


@dataclass(frozen=True, slots=True)
class DiskAsked:
    """One disk of a run, as the session resolved it; nothing of it comes from a worker.

    *base* is the manifest that the changed extents count from, None for a full. An *archive* is
    written into a chain of its own, which no other run shares.
    """

    run: RunId
    snapshot_unique_id: SnapshotUniqueId
    taken_at: Time | None
    disk_bytes: int
    disk: SaidDisk
    vm: SaidVm
    base: ManifestAt | None = None
    archive: bool = False

    @property
    def unique_id(self) -> DiskUniqueId:
        """What tells the disk from any other, and names its chain."""
        return DiskUniqueId(self.disk.unique_id)
