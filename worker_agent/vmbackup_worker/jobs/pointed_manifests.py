"""The manifest of a disk that a restore job names, and what the point says of the disk."""

from __future__ import annotations

from vmbackup_core.protocol import DiskToRestore
from vmbackup_core.repository.data.index_reader import open_manifest
from vmbackup_core.repository.data.manifest import Manifest
from vmbackup_core.repository.data.named_disk import NamedDisk
from vmbackup_core.repository.data.ports import DataSource
from vmbackup_core.repository.primitives.chain_keys import ChainKeys


def name_of(disk: DiskToRestore) -> str:
    """Return what people call the target."""
    return disk.disk_id.rsplit("/", 1)[-1]


def pointed_manifest(store: DataSource, keys: ChainKeys, disk: DiskToRestore) -> Manifest:
    """Return the manifest, or raise CorruptRepository where it says other than the point does."""
    manifest = open_manifest(store, keys, disk.manifest, bytes.fromhex(disk.manifest_sha256))
    said = NamedDisk(
        name_of(disk), disk.slot, disk.unique_id, disk.snapshot_unique_id, disk.disk_bytes
    )
    said.check(disk.manifest, manifest)
    return manifest


def size_differs(disk: DiskToRestore, found_bytes: int, wanted_bytes: int) -> str | None:
    """Return what is said of a target that is not as long as it was made."""
    if found_bytes == wanted_bytes:
        return None
    return f"{name_of(disk)}: a target of {found_bytes} bytes, made to be of {wanted_bytes}"
