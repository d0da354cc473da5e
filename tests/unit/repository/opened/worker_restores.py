"""What a worker does with a disk that it is given to restore, into memory."""

from __future__ import annotations

from tests.unit.repository.data.bench import Target, silent
from vmbackup_core.repository.control.restore.restore_plan import RestoreDisk
from vmbackup_core.repository.data.healing import HealingIndex
from vmbackup_core.repository.data.index_reader import open_manifest
from vmbackup_core.repository.data.named_disk import Patient
from vmbackup_core.repository.data.ports import DataSource
from vmbackup_core.repository.data.restore import restore_manifest
from vmbackup_core.repository.primitives.chain_keys import ChainKeys


def restored_by(given: RestoreDisk, data: DataSource) -> bytes:
    """Return the disk, by what is *given* and no more; raise CorruptRepository."""
    source, keys = Patient(data), ChainKeys.parse(given.keys)
    named = bytes.fromhex(given.manifest_sha256)
    manifest = open_manifest(source, keys, given.manifest_name, named)
    healed = HealingIndex.load(source, keys, given.healed)
    sink = Target(given.disk.size_bytes)
    restore_manifest(source, keys, manifest, healed, sink, threads=1, progress=silent)
    return bytes(sink.content)
