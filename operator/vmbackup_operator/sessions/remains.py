"""What a worker's launches may have left behind, found by computed names."""

from __future__ import annotations

from vmbackup_core.ids import WorkerId
from vmbackup_operator.naming import queues_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.seen import Account


async def delete_all_queues(ground: Ground, account: Account, worker: WorkerId) -> None:
    """Delete the queues of every launch that *worker* ever had; nobody is in one of them now.

    A session that gave it back between two attempts knows its launch no more.
    """
    for prefix in queues_of(worker):
        await ground.queues.delete_all(account, prefix)
