"""SnapshotsPruned: sets that the retention does not keep are deleted; after failure its own."""

from __future__ import annotations

import asyncio

from vmbackup_operator.backups.identity import counted_for
from vmbackup_operator.backups.pruning import delete_snapshots, end_pruning
from vmbackup_operator.backups.retaining.judging import counted_together, sets_beside
from vmbackup_operator.backups.retaining.keeping_sets import Counted, keep_and_let_go
from vmbackup_operator.backups.retaining.objects import key_of, taken_at
from vmbackup_operator.backups.undo import record_of
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Done, Waiting
from vmbackup_operator.sessions.findings import machine_of, run_of, snapshot_ids
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Taken


async def prune_sets(ground: Ground, session: BackupSession) -> Taken:
    """Delete what is not kept, and have what is kept shown; others' sets are left alone."""
    if session.status.resolved is None:
        return Taken(session.status, Done("no snapshot was taken"))
    if session.status.recovery_point is None:
        return await _drop_own_set(ground, session)
    sets = await sets_beside(ground, session)
    together = Counted.of(counted_for(session), ArmId(machine_of(session).id))
    own = counted_together(session, sets)
    kept = await keep_and_let_go(ground, together, own, session.status.run_id)
    if kept is None:
        return _deleting(ground, session)
    return await end_pruning(ground, session, sets, kept, len(kept))


async def _drop_own_set(ground: Ground, session: BackupSession) -> Taken:
    """Delete the session's own set, and the object that a crash may have left of it."""
    # A crash may have fallen between the record that it stays and the status that says so.
    await ground.undo_records.keep(record_of(session))
    own = snapshot_ids(ground.settings, session)
    found = await asyncio.gather(*map(ground.snapshots.find, own))
    there = [each for each in found if each is not None]
    if there and len(there) == len(found):
        vm_id, run = ArmId(machine_of(session).id), run_of(session)
        key = key_of(session.metadata.namespace, vm_id, taken_at(there), run)
        await ground.point_objects.drop(key, run)
    if not await delete_snapshots(ground, there):
        return _deleting(ground, session)
    return Taken(session.status, Done("its unfinished snapshot set is deleted"))


def _deleting(ground: Ground, session: BackupSession) -> Taken:
    return Taken(session.status, Waiting(ground.pacing.look_again_s, "snapshots are deleted"))
