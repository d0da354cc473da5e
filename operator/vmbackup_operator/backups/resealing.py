"""Snapshots that an older key of the ring sealed are sealed anew, so that it may leave the ring.

Each is sealed by itself: a set whose members bear different keys is one set, so a crash in between
costs nothing. What does not verify is left as it is.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from vmbackup_core.errors import VmbackupError
from vmbackup_operator.ownership import SNAPSHOT_TAG, key_named
from vmbackup_operator.reconciling.outcome import Conflict
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.seen import SnapshotSeen
from vmbackup_operator.sessions.tags import open_tags, seal_tags

log = logging.getLogger(__name__)


async def seal_anew(ground: Ground, snapshots: Iterable[SnapshotSeen]) -> bool:
    """Have *snapshots*, which verify, sealed by the key that seals; True once all are.

    Nobody waits for it: what Azure refuses is said in the log, and tried again by a later session.
    """
    done = True
    for snapshot in snapshots:
        if key_named(snapshot.tags, SNAPSHOT_TAG) == ground.ring.active.id:
            continue
        facts = open_tags(ground.ring, snapshot.id, snapshot.tags)
        tags = seal_tags(ground.ring.active, snapshot.id, facts)
        try:
            done &= await ground.snapshots.seal(snapshot.id, tags)
        except Conflict:
            raise
        except VmbackupError as error:
            log.warning("snapshot %s keeps its older seal: %s", snapshot.id, error)
    return done
