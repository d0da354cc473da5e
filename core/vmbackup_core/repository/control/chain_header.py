"""A disk's chain: named, found, begun, made again and begun anew; see sections 8 and 27."""

from __future__ import annotations

from dataclasses import dataclass

from vmbackup_core.ids import ChainId
from vmbackup_core.repository.data.grants import Parameters


@dataclass(frozen=True, slots=True)
class DiskChain:
    """A disk's chain as it stands for good: *epoch* is the one in which it was begun."""

    chain: ChainId
    generation: int
    epoch: int
    parameters: Parameters
