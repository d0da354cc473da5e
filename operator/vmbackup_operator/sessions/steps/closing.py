"""The end of all access to snapshots: of each it is asked once, and all of them are waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator

from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.session import Session
from vmbackup_operator.model.session_findings import Export
from vmbackup_operator.naming import ArmId
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.verdicts import is_ending


def exports_of_others(ground: Ground, session: Session, snapshot: ArmId) -> Iterator[Export]:
    """Return what other sessions have recorded of their access to the snapshot, while they read.

    Azure gives one SAS for a snapshot: who ends it ends everybody's. A session that is at its end
    reads nothing more, so of several one is the last, and ends it.
    """
    for other in ground.book.naming(snapshot):
        if other.metadata.uid == session.metadata.uid:
            continue
        if is_ending(other) or other.status.achieved:
            continue
        for export in other.status.exports:
            if folded(export.snapshot_id) == folded(snapshot):
                yield export


async def end_access(ground: Ground, snapshots: Collection[ArmId]) -> bool:
    """End every access to the snapshots; True once no SAS on any of them works.

    The end of each is told once, and Azure is asked for it whatever it shows: one that has ended is
    not ended again while others are waited for. A restart forgets that, and asks again.
    """
    left = [each for each in snapshots if each not in ground.closed]
    ended = await asyncio.gather(*map(ground.snapshots.revoke, left))
    for snapshot, has_ended in zip(left, ended, strict=True):
        ground.grants.pop(snapshot, None)
        if has_ended:
            ground.closed.add(snapshot)
    if not all(ended):
        return False
    ground.closed.difference_update(snapshots)
    return True
