"""What an earlier session of the same name has made: its run has the same id.

An object that is applied again, as GitOps does, must neither undo what was restored nor restore it
once more. One that was taken away in the middle is gone on with, as long as it asks for the same.
"""

from __future__ import annotations

import asyncio

from vmbackup_operator.model.restore_session import RestoreSession
from vmbackup_operator.reconciling.outcome import Failed
from vmbackup_operator.restores.digests import digest_of
from vmbackup_operator.restores.planning.planned import Planned
from vmbackup_operator.sessions.findings import run_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.undo_record import UndoRecord


async def earlier_record(ground: Ground, session: RestoreSession) -> UndoRecord | None:
    """Return the record of an earlier session of the run, None where there is none."""
    run, uid = run_of(session), session.metadata.uid
    records = await ground.undo_records.all()
    return next((each for each in records if each.run_id == run and each.uid != uid), None)


async def replayed(
    ground: Ground, session: RestoreSession, planned: Planned, earlier: UndoRecord | None
) -> Failed | None:
    """Return that an earlier session of the name stands against this one, None where none does."""
    if earlier is not None and earlier.restored is not None and earlier.restored.disks:
        return begun_before(session, planned, earlier)
    found = await asyncio.gather(*(ground.disks.find(each.id) for each in planned.disks))
    for seen in found:
        if seen is not None and seen.ready and not seen.takes_upload:
            return restored_before(session, seen.id)
    return None


def begun_before(
    session: RestoreSession, planned: Planned, earlier: UndoRecord | None
) -> Failed | None:
    """Return that this session may not go on with what an *earlier* one has begun or made.

    None where it asked for the same, and where it has begun nothing.
    """
    if earlier is None or earlier.restored is None or not earlier.restored.disks:
        return None
    if earlier.stored:
        return restored_before(session, planned.disks[0].id)
    if earlier.restored.plan_digest == digest_of(planned):
        return None
    message = (
        f"what an earlier RestoreSession {session.metadata.key} has begun is undone, and it "
        "asked for something else: make a session of another name"
    )
    return Failed("SessionReplaced", message)


def restored_before(session: RestoreSession, disk_id: str) -> Failed:
    """Return that an earlier session of the name has made the disk."""
    message = (
        f"an earlier RestoreSession {session.metadata.key} has restored {disk_id}, and nothing is "
        "overwritten: make a session of another name, or delete what that one made"
    )
    return Failed("NameTaken", message)
