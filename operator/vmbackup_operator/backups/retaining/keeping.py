"""RecoveryPointStored: the set is whole, and shown as a RecoveryPoint; from here on it stays."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from vmbackup_operator.backups.descriptions import description_of, drop_description
from vmbackup_operator.backups.retaining.objects import object_of
from vmbackup_operator.backups.undo import record_of
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.vm_description import packed
from vmbackup_operator.reconciling.outcome import Done
from vmbackup_operator.sessions.findings import run_of, snapshot_ids
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Taken
from vmbackup_operator.sessions.tags import verified_set


async def keep_set(ground: Ground, session: BackupSession) -> Taken:
    """Have the set shown, and write down first that nothing of it is undone any more."""
    if session.status.recovery_point is not None:
        return Taken(session.status, Done(session.status.achieved))
    own = snapshot_ids(ground.settings, session)
    seen = await asyncio.gather(*map(ground.snapshots.find, own))
    # As it is now: what somebody has deleted or altered since is no set to restore from.
    found = verified_set(ground.ring, [each for each in seen if each is not None])
    description = packed(await description_of(ground, session))
    point = object_of(found, ground.settings.appliance.id, description)
    await ground.point_objects.ensure(point)
    await ground.undo_records.keep(record_of(session, stored=True))
    drop_description(ground, session)
    status = replace(session.status, recovery_point=run_of(session))
    return Taken(status, Done(f"recovery point {point.metadata.key}"))
