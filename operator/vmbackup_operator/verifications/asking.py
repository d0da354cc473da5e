"""What a verification asks of the repository, and the work that it gets for it."""

from __future__ import annotations

from vmbackup_core.repository.control.verify.verify_work import VerifyAsked, VerifyWork
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.backup_session import BackupSession, VerifySpec
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.sessions.findings import run_of
from vmbackup_operator.sessions.ground import Ground

#: What one job reads at most: some ten minutes of a worker's time, which a lost worker costs.
MOST_BYTES = 64 * 2**30


async def next_work(
    ground: Ground, session: BackupSession, repository: BackupRepository
) -> VerifyWork | Waiting | None:
    """Return the work that the session is at, or gets next; None where nothing is due any more.

    It is kept in memory while it is worked on, and looked for anew by each attempt.
    """
    run, attempt, asked = run_of(session), session.status.attempt, asked_of(session)
    kept = ground.works.get(run)
    if kept is not None and kept[:2] == (attempt, asked):
        return kept[2]
    vm_id = ArmId(session.spec.virtual_machine_id)
    work = await ground.verifications.next_job(repository, vm_id, asked)
    if isinstance(work, VerifyWork):
        ground.works[run] = (attempt, asked, work)
    return work


def asked_of(session: BackupSession) -> VerifyAsked:
    """Return what the session's next job is asked by: blocks of the snapshots that it has."""
    wanted, verified = session.spec.verify or VerifySpec(), session.status.verified
    resolved = session.status.resolved
    retained = () if resolved is None else resolved.retained
    return VerifyAsked(
        run=run_of(session),
        new=True,
        rota_share=wanted.reread_per_mille / 1000,
        sample=wanted.sample_per_disk if retained else 0,
        most_bytes=MOST_BYTES,
        retained=frozenset(each.unique_id for each in retained),
        cursor="" if verified is None else verified.cursor,
    )
