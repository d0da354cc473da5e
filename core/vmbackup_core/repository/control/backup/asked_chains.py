"""The chain that a disk of a run is written to: its backups share one, an archive has its own."""

from __future__ import annotations

from vmbackup_core.repository.control.backup.disk_asked import DiskAsked
from vmbackup_core.repository.control.chains.chain_header import (
    DiskChain,
    ensure_archive_chain,
    ensure_chain,
    find_archive_chain,
    find_chain,
)
from vmbackup_core.repository.control.log.log import Log
from vmbackup_core.repository.data.grants import Parameters
from vmbackup_core.stores.port import Store


def find_asked(log: Log, data: Store, asked: DiskAsked) -> DiskChain | None:
    """Return the chain where there is one; nothing is written. Raise ChainUnclear."""
    if asked.archive:
        return find_archive_chain(log, data, asked.unique_id, asked.run)
    return find_chain(log, data, asked.unique_id)


def ensure_asked(log: Log, data: Store, asked: DiskAsked, parameters: Parameters) -> DiskChain:
    """Return the chain, begun with *parameters* where there is none."""
    if asked.archive:
        return ensure_archive_chain(log, data, asked.unique_id, asked.run, parameters)
    return ensure_chain(log, data, asked.unique_id, asked.run, parameters)
