"""The end of all access to snapshots: of each it is asked once, and all of them are waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from vmbackup_operator.naming import ArmId
from vmbackup_operator.sessions.ground import Ground


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
