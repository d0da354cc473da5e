"""Of which disk each chain is: for people, who know disks and no chains."""

from __future__ import annotations

from dataclasses import dataclass

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import ChainId
from vmbackup_core.repository.control.chains.chain_said import open_header
from vmbackup_core.repository.control.chains.named_manifests import first_that_opens
from vmbackup_core.repository.control.commits.prune_listing import list_chains
from vmbackup_core.repository.control.log.log import Log
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.repository.data.said import SaidDisk, SaidVm
from vmbackup_core.repository.primitives.failures import NotUnderstood
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.stores.port import UNREADABLE_NOW, NotStored, Store


@dataclass(frozen=True, slots=True)
class ChainOfDisk:
    """A chain, the disk that its newest manifest names, and the unique id that its header has."""

    chain: ChainId
    disk: SaidDisk | None
    vm: SaidVm | None
    unique_id: str | None

    def is_called(self, text: str) -> bool:
        """Tell whether *text* is a name or an id of the disk, or the chain's; without case."""
        known = {self.chain, self.unique_id}
        if self.disk is not None:
            known |= {self.disk.id, self.disk.name, self.disk.unique_id}
        return _folded(text) in {_folded(each) for each in known if each}


def disks_there(log: Log, places: Places) -> list[ChainOfDisk]:
    """Return every chain of which anything is there."""
    state = log.read().state
    return [_of(log.control, places.data, state, chain) for chain in list_chains(places)]


def _of(control: Control, data: Store, state: LogState, chain: ChainId) -> ChainOfDisk:
    unique_id = None
    try:
        unique_id = open_header(control, chain).disk_unique_id
    except (CorruptRepository, NotStored, NotUnderstood, *UNREADABLE_NOW):
        unique_id = None
    found = first_that_opens(control, data, state, chain)
    if found is None:
        return ChainOfDisk(chain, None, None, unique_id)
    said = found[1].said
    return ChainOfDisk(chain, said.disk, said.vm, unique_id or said.disk.unique_id)


def _folded(text: str) -> str:
    return text.encode().lower().decode()
