"""SnapshotsPruned: snapshot sets beyond the policy's number are deleted; after failure its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from vmbackup_core.ids import RunId
from vmbackup_operator.backups.identity import counted_for
from vmbackup_operator.backups.resealing import seal_anew
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.display import counted
from vmbackup_operator.naming import ArmId, subscription_of
from vmbackup_operator.reconciling.outcome import Done, Waiting
from vmbackup_operator.sessions.findings import machine_of, snapshot_ids
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.seen import SnapshotSeen
from vmbackup_operator.sessions.snapshot_sets import SetSeen, plain_run, sets_of_machine
from vmbackup_operator.sessions.step import Taken


async def prune_snapshots(ground: Ground, session: BackupSession) -> Taken:
    """Delete what is not kept; what does not verify is reported and left to its finder."""
    if session.status.resolved is None:
        return Taken(session.status, Done("no snapshot was taken"))
    if session.status.recovery_point is None:
        return await _drop_own_set(ground, session)
    vm_id = ArmId(machine_of(session).id)
    group = ground.settings.snapshot_group(subscription_of(vm_id))
    seen = await ground.snapshots.of_group(*group)
    # Sets that are being taken or dropped are whole or not from one moment to the next.
    ended = [each for each in seen if not ground.book.goes_on(plain_run(each))]
    sets = sets_of_machine(ground, ended, vm_id)
    own = [each for each in sets if each.policy == counted_for(session) and not each.alone]
    surplus = surplus_sets(own, session.spec.snapshots_to_keep, session.status.run_id)
    surplus = [each for each in surplus if not is_named(ground, each)]
    gone = await delete_snapshots(
        ground, [snapshot for each in surplus for snapshot in each.snapshots]
    )
    if not gone:
        return Taken(session.status, Waiting(ground.pacing.look_again_s, "snapshots are deleted"))
    kept = [each for each in sets if each.fault is None and each not in surplus]
    return await end_pruning(ground, session, sets, kept, len(own) - len(surplus))


async def end_pruning(
    ground: Ground,
    session: BackupSession,
    sets: Sequence[SetSeen],
    stay: Sequence[SetSeen],
    kept: int,
) -> Taken:
    """Have those of *sets* that *stay* sealed by the newest key, and tell of what is altered.

    *kept* is how many of them people are told of.
    """
    if not await seal_anew(ground, [snapshot for each in stay for snapshot in each.snapshots]):
        message = "snapshots are sealed by the newest key"
        return Taken(session.status, Waiting(ground.pacing.look_again_s, message))
    for each in sets:
        if each.fault is not None:
            await ground.events.tell(session, "Warning", "SnapshotSetAltered", each.fault)
    return Taken(session.status, Done(f"kept: {counted(kept, 'snapshot set')}"))


async def _drop_own_set(ground: Ground, session: BackupSession) -> Taken:
    """Delete the session's own set: no recovery point stands for it, no incremental needs it."""
    own = snapshot_ids(ground.settings, session)
    found = await asyncio.gather(*map(ground.snapshots.find, own))
    if not await delete_snapshots(ground, [each for each in found if each is not None]):
        return Taken(session.status, Waiting(ground.pacing.look_again_s, "snapshots are deleted"))
    return Taken(session.status, Done("its unfinished snapshot set is deleted"))


async def delete_snapshots(ground: Ground, seen: Sequence[SnapshotSeen]) -> bool:
    """Have the snapshots deleted, once nobody has access to them; True once all are gone."""
    # Azure deletes no snapshot that a SAS still reads; each session has ended the access it had.
    exported = [each.id for each in seen if each.exported]
    if not all(await asyncio.gather(*map(ground.snapshots.revoke, exported))):
        return False
    return all(await asyncio.gather(*(ground.snapshots.delete(each.id) for each in seen)))


def is_named(ground: Ground, seen: SetSeen) -> bool:
    """Tell whether an unfinished session reads of the set, be it its own or another one's."""
    return any(ground.book.names(snapshot.id) for snapshot in seen.snapshots)


def surplus_sets(sets: Sequence[SetSeen], keep: int, own: RunId | None) -> list[SetSeen]:
    """Return the sets, of those newest first, that go: beyond *keep*, genuine, and not *own*."""
    genuine = [each for each in sets if each.fault is None]
    return [each for each in genuine[max(1, keep) :] if each.run_id != own]
