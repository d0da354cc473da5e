"""PacksTiered: the packs of the archived point are put into the Archive tier, once it counts.

They were read back where they could be. A listing says which are there already, so a step that was
broken off, by a kill or by Azure's refusal, goes on where it was.
"""

from __future__ import annotations

from msgspec.structs import replace

from vmbackup_core.repository.opened_archive import PutAway
from vmbackup_operator.archives.charging import charged_until
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.display import amount, counted
from vmbackup_operator.model.session_findings import Archived
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Done, Waiting
from vmbackup_operator.sessions.findings import run_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Taken
from vmbackup_operator.sessions.steps.repository import same_repository

#: How soon the next packs are put away: whoever else is at the repository has a turn meanwhile.
_GOES_ON_S = 0.5


async def tier_packs(ground: Ground, session: BackupSession) -> Taken:
    """Put some more packs into the Archive tier; Done once all of them are, or none belongs there.

    Of a session without a point nothing is put there: what is garbage is deleted, and that would
    cost half a year of the tier.
    """
    status, resolved = session.status, session.status.resolved
    if resolved is None or resolved.repository is None:
        return Taken(status, Done("nothing was stored"))
    if resolved.repository.tier != "Archive":
        return Taken(status, Done(f"packs stay where they were put: {resolved.repository.tier}"))
    repository = await same_repository(ground, session)
    if not isinstance(repository, BackupRepository):
        return Taken(status, repository)
    vm_id = ArmId(session.spec.virtual_machine_id)
    found = await ground.archive_chains.put_away(repository, vm_id, run_of(session))
    if isinstance(found, Waiting):
        return Taken(status, found)
    if found is None:
        return Taken(status, Done("no recovery point counts whose packs belong there"))
    return _told(ground, session, found)


def _told(ground: Ground, session: BackupSession, found: PutAway) -> Taken:
    before = session.status.archive or Archived("Archive")
    now = ground.clock.now().replace(microsecond=0)
    archive = replace(before, packs=found.packs, tiered=found.away)
    status = session.status
    if found.away > before.tiered:
        archive = replace(archive, charged_until=charged_until("Archive", now))
        status = replace(status, moved_time=now)
    status = replace(status, archive=archive)
    packs = f"{counted(found.packs, 'pack')} ({amount(found.size_bytes)})"
    if found.is_done:
        return Taken(status, Done(f"{packs} in the Archive tier"))
    return Taken(status, Waiting(_GOES_ON_S, f"{found.away} of {packs} in the Archive tier"))
