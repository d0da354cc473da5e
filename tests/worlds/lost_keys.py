"""What the operator keeps away from Azure where a key is lost, as `ArmResources` does."""

from __future__ import annotations

from tests.worlds.memory_azure import Azure
from vmbackup_core.errors import PermanentError
from vmbackup_operator.environments.seals import INCOMPLETE
from vmbackup_operator.ownership import OWNER_TAG, SNAPSHOT_TAG, key_named
from vmbackup_operator.sessions.keys import KeyRing

#: Writes to Resource Manager; the data plane is asked nothing, and access may always end.
_FENCED = frozenset(
    {
        *("snapshot", "associate", "grant", "delete", "disk"),
        *("worker", "start", "deallocate", "command", "region", "seal"),
    }
)


def check_keys(azure: Azure, ring: KeyRing, what: str) -> None:
    """Refuse the write *what* where a key is missing that seals anything of ours."""
    if what.split(" ", maxsplit=1)[0] not in _FENCED:
        return
    named = [key_named(each.tags, SNAPSHOT_TAG) for each in azure.snapshots.values()]
    named += [key_named(azure.worker_tags.get(key, {}), OWNER_TAG) for key in azure.workers]
    missing = {key for key in named if key is not None} - ring.keys.keys()
    if missing:
        message = f"keys that seal what is ours are missing: {sorted(missing)}"
        raise PermanentError(message, reason=INCOMPLETE)
