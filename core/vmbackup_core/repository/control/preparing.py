"""What a worker is given to write one disk, made by the operator; see section 28 of the page."""

from __future__ import annotations

from dataclasses import dataclass

from vmbackup_core.repository.control.chain_header import DiskChain
from vmbackup_core.repository.data.grants import DiskGrant
from vmbackup_core.repository.primitives.chain_keys import ChainKeys


@dataclass(frozen=True, slots=True)
class PreparedDisk:
    """A disk that can be written: its chain, and what the worker's job carries of it."""

    chain: DiskChain
    keys: ChainKeys
    grant: DiskGrant
