"""Snapshots that an older key of the ring sealed are sealed anew, so that it may leave the ring.

Each is sealed by itself: a set whose members bear different keys is one set, so a crash in between
costs nothing. What does not verify is left as it is.

Sessions do it for what they keep of their VM. Snapshots whose VM has no session any more, since
their policy is suspended or gone, are found by `OldSeals`, and only while the ring has older keys.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from vmbackup_core.errors import VmbackupError
from vmbackup_operator.ownership import SNAPSHOT_TAG, key_named
from vmbackup_operator.reconciling.outcome import Conflict, Outcome, Waiting
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.seen import SnapshotSeen
from vmbackup_operator.sessions.snapshot_sets import all_snapshots
from vmbackup_operator.sessions.tags import TagsNotGenuine, open_tags, seal_tags

log = logging.getLogger(__name__)

#: So many are sealed in one look; each takes Azure a few requests.
AT_ONCE = 10
#: How soon again while there are any, how soon where Azure refused, and how soon else.
LOOK_AGAIN_S = 15.0
LOOK_S = 300.0
UNEXPECTED_S = 24 * 3600.0


class OldSeals:
    """Looks after the snapshots that older keys of the ring sealed."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    async def reconcile(self) -> Outcome:
        """Have some of them sealed anew; nothing is asked of Azure where the ring has one key."""
        again_s = UNEXPECTED_S
        if len(self._ground.ring.keys) > 1:
            again_s = await self._look()
        return Waiting(again_s, "snapshots of older keys are looked for again")

    async def _look(self) -> float:
        """Seal some anew; tell how soon the next ones are due."""
        ground = self._ground
        old = [each for each in await all_snapshots(ground) if self._is_to_be_sealed(each)]
        if not old:
            return UNEXPECTED_S
        done = await seal_anew(ground, old[:AT_ONCE])
        return LOOK_S if done and len(old) <= AT_ONCE else LOOK_AGAIN_S

    def _is_to_be_sealed(self, snapshot: SnapshotSeen) -> bool:
        """Tell whether an older key of the ring sealed it, and no session is about to do it."""
        ground = self._ground
        if key_named(snapshot.tags, SNAPSHOT_TAG) in {None, ground.ring.active.id}:
            return False
        try:
            facts = open_tags(ground.ring, snapshot.id, snapshot.tags)
        except TagsNotGenuine:
            return False
        return not ground.book.goes_on(facts.run_id)


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
