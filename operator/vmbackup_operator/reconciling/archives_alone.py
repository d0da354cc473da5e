"""Which repositories take archives and nothing else: those whose packs end in the Archive tier."""

from __future__ import annotations

from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.reconciling.outcome import Failed


def archives_alone(repository: BackupRepository) -> Failed | None:
    """Return why *repository* is neither backed up into nor copied from; None where it may be.

    A backup needs to read those before it, and a copy the packs that it is made of.
    """
    if repository.spec.tier != "Archive":
        return None
    message = (
        f"BackupRepository {repository.metadata.key} has tier Archive, of which nothing can be "
        "read: it holds archives alone; name one of another tier"
    )
    return Failed("ArchivesAlone", message)
