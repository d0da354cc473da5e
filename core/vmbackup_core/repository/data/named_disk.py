"""The disk that a recovery point names, opened by its manifest; section 33, Restore."""

from __future__ import annotations

from dataclasses import dataclass

from typing_extensions import override

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import CommitSlot, DiskUniqueId, SnapshotUniqueId
from vmbackup_core.repository.data.manifest import Manifest
from vmbackup_core.repository.data.ports import DataSource
from vmbackup_core.stores.port import ObjectUnreadable


@dataclass(frozen=True, slots=True)
class NamedDisk:
    """What a point says of a disk; *name* is for people."""

    name: str
    slot: CommitSlot
    unique_id: DiskUniqueId
    snapshot_unique_id: SnapshotUniqueId
    size_bytes: int

    def check(self, manifest_name: str, manifest: Manifest) -> None:
        """Raise CorruptRepository where *manifest* is of another disk, or of another state."""
        said = manifest.said
        for what, found, wanted in (
            ("slot", said.slot, self.slot),
            ("disk", _folded(said.disk.unique_id), _folded(self.unique_id)),
            ("size", said.disk_bytes, self.size_bytes),
            ("snapshot", said.snapshot_unique_id, self.snapshot_unique_id),
        ):
            if found != wanted:
                raise CorruptRepository(
                    f"{manifest_name}: of {what} {found}, the recovery point of {self.name} has "
                    f"{wanted}"
                )


class Patient(DataSource):
    """Has an object that cannot be read count as damaged: others hold the same, or it is a hole."""

    def __init__(self, inner: DataSource) -> None:
        self._inner = inner

    @override
    def get(self, name: str, *, most: int) -> bytes:
        try:
            return self._inner.get(name, most=most)
        except ObjectUnreadable as error:
            raise CorruptRepository(str(error)) from error

    @override
    def get_range(self, name: str, offset: int, length: int) -> bytes:
        try:
            return self._inner.get_range(name, offset, length)
        except ObjectUnreadable as error:
            raise CorruptRepository(str(error)) from error

    @override
    def get_end(self, name: str, length: int) -> tuple[bytes, int]:
        try:
            return self._inner.get_end(name, length)
        except ObjectUnreadable as error:
            raise CorruptRepository(str(error)) from error


def _folded(unique_id: str) -> str:
    # Azure's services do not agree on the case of an id. Bytes, since A to Z alone are meant.
    return unique_id.encode().lower().decode()
