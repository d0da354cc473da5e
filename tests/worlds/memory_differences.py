"""Whether Azure tells the differences between two exports, and what agents say where not."""

from __future__ import annotations

from collections.abc import Callable

from tests.worlds.memory_azure import Azure
from vmbackup_core.protocol import DiskToBackUp, Fallback
from vmbackup_operator.sessions.seen import SnapshotSeen

#: Why an agent reads a disk whole that has a base, where a test says so.
FallingBack = Callable[[DiskToBackUp], Fallback | None]

#: Azure tells no differences across it.
CHAIN_BREAKS_AT = 4 * 2**40


def fallback_of(azure: Azure, disk: DiskToBackUp, falls_back: FallingBack) -> Fallback | None:
    """Return why a disk with a base is read whole; None: its changes are read."""
    if disk.grant.base is None:
        return None
    before = _opened_by(azure, disk.predecessor_url)
    if before is None:
        return Fallback.of("PredecessorUnreadable", "status 403")
    now = _opened_by(azure, disk.snapshot_url)
    if now is None or now.source_unique_id != before.source_unique_id:
        return Fallback.of("DifferencesRefused", "status 409: another family")
    small, large = sorted((before.size_bytes, now.size_bytes))
    if small < CHAIN_BREAKS_AT < large:
        return Fallback.of("DifferencesRefused", "status 409: resized across 4 TiB")
    return falls_back(disk)


def _opened_by(azure: Azure, url: str | None) -> SnapshotSeen | None:
    """Return the snapshot that *url* opens at this moment."""
    snapshots = azure.snapshots
    return next((each for key, each in snapshots.items() if azure.open_sas(key) == url), None)
