"""The keys that come with a job: of one chain, and of the one that the job says."""

from __future__ import annotations

from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import ChainId
from vmbackup_core.repository.primitives.chain_keys import ChainKeys


def keys_of(chain: ChainId, keys: str, disk_name: str = "") -> ChainKeys:
    """Return the *keys* that were given for *chain*; PermanentError where they are not its own."""
    given = ChainKeys.parse(keys)
    if given.chain != chain:
        about = f"{disk_name}: " if disk_name else ""
        detail = f"{about}the keys of chain {given.chain}, not {chain}"
        raise PermanentError(detail, reason="InvalidKey")
    return given
