"""The repository that a session was accepted with, found again by its later steps."""

from __future__ import annotations

from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.session import Session
from vmbackup_operator.model.session_findings import ResolvedRepository
from vmbackup_operator.reconciling.outcome import Failed, Waiting
from vmbackup_operator.sessions.findings import repository_key, repository_of, source_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Answer

#: How soon what somebody has to mend, outside of the session, is looked at again.
ASK_AGAIN_S = 30.0


async def same_repository(ground: Ground, session: Session) -> BackupRepository | Answer:
    """Return the object, as long as it still stands for the repository that was resolved.

    An object of the name that was made anew may stand for another one, which holds none of the
    commits that a recovery point of this session names.
    """
    return await _same(ground, repository_key(session), repository_of(session))


async def same_source(ground: Ground, session: Session) -> BackupRepository | Answer:
    """Return the object that an archive session copies from, in the same way."""
    source = source_of(session)
    key = source.repository_ref.key_from(session.metadata.namespace)
    return await _same(ground, key, source.repository)


async def _same(
    ground: Ground, key: ObjectKey, resolved: ResolvedRepository
) -> BackupRepository | Answer:
    repository = await ground.repositories.find(key)
    if repository is None:
        message = f"BackupRepository {key} has gone: create it again, its data is untouched"
        return Waiting(ASK_AGAIN_S, message, "RepositoryNotFound")
    known, meant = repository.status.repository_id, resolved.id
    if known is None:
        return Waiting(15, f"BackupRepository {key} is not ready yet", "RepositoryNotReady")
    if known != meant:
        return Failed(
            "RepositoryReplaced",
            f"BackupRepository {key} stands for repository {known}; the session began with {meant}",
        )
    return repository
