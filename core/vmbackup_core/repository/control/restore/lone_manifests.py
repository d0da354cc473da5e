"""A manifest without the point that named it: what it says, and its disk; section 18, Restore.

It is authentic where it opens, and that is all that is known of it: no digest says that it was
committed.
"""

from __future__ import annotations

from vmbackup_core.errors import PermanentError
from vmbackup_core.repository.control.chains.healing_feet import healing_packs
from vmbackup_core.repository.control.chains.manifest_versions import oldest_that_opens
from vmbackup_core.repository.data import healing
from vmbackup_core.repository.data.copied_packs import CopiedPacks
from vmbackup_core.repository.data.index_reader import manifest_in
from vmbackup_core.repository.data.manifest import Manifest
from vmbackup_core.repository.data.restore import Holes, OnHole, restore_manifest
from vmbackup_core.repository.primitives.chain_keys import ChainKeys, for_prune, for_reading
from vmbackup_core.repository.primitives.masters import KeyRing
from vmbackup_core.repository.primitives.parsed_names import ManifestName, parse_data
from vmbackup_core.repository.transfer import DiskSink, OnProgress
from vmbackup_core.stores.port import Store


def open_lone(ring: KeyRing, data: Store, name: str) -> Manifest:
    """Return the manifest called *name*; raise NotStored, CorruptRepository or NotUnderstood."""
    named = parse_data(name)
    if not isinstance(named, ManifestName):
        raise PermanentError(f"{name} is no name of a manifest", reason="NoSuchManifest")
    keys = for_prune(ring, named.chain, max(ring.masters))
    return oldest_that_opens(data, name, lambda stored: manifest_in(keys, name, stored))


def restore_lone(  # noqa: PLR0913 - what, where to, how
    ring: KeyRing,
    data: Store,
    manifest: Manifest,
    sink: DiskSink,
    *,
    threads: int,
    progress: OnProgress,
    on_hole: OnHole | None,
) -> Holes:
    """Write the disk of *manifest* into *sink*; with *on_hole* damage is told there and passed.

    Packs in the Archive tier are read from the copies that were made by hand of the run's point.
    """
    said = manifest.said
    keys = for_reading(ring, said.chain_id, said.chain_epoch, max(ring.masters))
    return restore_manifest(
        CopiedPacks(data, said.run_id),
        keys,
        manifest,
        _healed(data, keys),
        sink,
        keep_going=on_hole is not None,
        threads=threads,
        progress=progress,
        on_hole=on_hole,
    )


def _healed(data: Store, keys: ChainKeys) -> healing.HealingIndex:
    """Return what any healing pack of the chain holds: a block is compared with its hash anyway."""
    packs = (
        healing.HealingPack(session, pack.number, pack.size, bytes.fromhex(pack.foot_sha256))
        for _, session, pack in healing_packs(data, keys)
    )
    return healing.HealingIndex.load(data, keys, packs)
