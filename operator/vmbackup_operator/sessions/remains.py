"""What a worker's launches may have left behind, found by computed names."""

from __future__ import annotations

from vmbackup_core.ids import WorkerId
from vmbackup_operator.naming import messages_of, queues_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.seen import Account


async def delete_all_queues(ground: Ground, account: Account, worker: WorkerId) -> None:
    """Delete the queues of every launch that *worker* ever had, and the blobs of their messages.

    Nobody is in one of them now. A session that gave the worker back between two attempts knows
    its launch no more.
    """
    for prefix in queues_of(worker):
        await ground.queues.delete_all(account, prefix)
    await ground.queues.delete_spilled(account, messages_of(worker))
