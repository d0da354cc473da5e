"""Whether a worker can read what is archived: packs in the Archive tier it cannot.

The operator puts no pack of a backup there: a lifecycle rule of the account does, or a person.
Nothing is copied for it, as a restore has it done: the archive would wait for hours, and be charged
for twice, where somebody has a rule to mend.
"""

from __future__ import annotations

from vmbackup_core.repository.opened_restore import RestoreWork
from vmbackup_operator.archives.works import work_of
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.display import amount, counted
from vmbackup_operator.reconciling.outcome import Failed, Waiting
from vmbackup_operator.sessions.findings import run_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Answer
from vmbackup_operator.sessions.steps.repository import same_source


async def why_unreadable(ground: Ground, session: BackupSession) -> Answer | None:
    """Return that packs of the point are in the Archive tier, None where none is.

    What is to be waited for else. It lists the chains' packs.
    """
    work = await work_of(ground, session)
    if not isinstance(work, RestoreWork):
        return work
    source = await same_source(ground, session)
    if not isinstance(source, BackupRepository):
        return source
    found = await ground.points_to_restore.look_at_archived(source, work.point, run_of(session))
    if isinstance(found, Waiting):
        return found
    if not found.packs:
        return None
    spec = source.spec
    return Failed(
        "SourceArchived",
        f"{counted(found.packs, 'pack')} ({amount(found.size_bytes)}) of the recovery point lie in "
        f"the Archive tier of container {spec.container}, which no backup puts any into: take the "
        "lifecycle rule off the account that does, have the blobs set back to an online tier, and "
        "ask for the archive again. A RestoreSession has what it needs copied by itself",
    )
