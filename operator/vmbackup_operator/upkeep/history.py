"""A person accepts the history of a repository that was put back: by its head, and by nothing less.

The annotation names the head that was found. What it named is remembered in memory first, and
written with the annotation's value in one write: killed in between, it is accepted once more.
"""

from __future__ import annotations

import logging

from msgspec.structs import replace

from vmbackup_core.errors import PermanentError
from vmbackup_core.repository.control.log.heads import read_head
from vmbackup_operator.model.backup_repository import BackupRepository, LogHead
from vmbackup_operator.model.conditions import find_condition
from vmbackup_operator.model.metadata import ACCEPT_HISTORY_ANNOTATION, MAX_ACCEPT_HISTORY
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.repositories.keys import find_key
from vmbackup_operator.upkeep.surroundings import Surroundings

log = logging.getLogger(__name__)


async def accept_history(
    around: Surroundings, repository: BackupRepository
) -> BackupRepository | Waiting:
    """Act on the annotation where it is new, and return the repository as it is stored then.

    Where nothing was put back it is left as it is: it may be there before that is found.
    """
    told = repository.metadata.annotations.get(ACCEPT_HISTORY_ANNOTATION, "")[:MAX_ACCEPT_HISTORY]
    if told == repository.status.handled_accept_history:
        return repository
    if not told:
        return await _write(around, repository, told, None)
    ready = find_condition(repository.status.conditions, "Ready")
    if ready is None or ready.reason != "HistoryRolledBack":
        return repository
    return await _accept(around, repository, told)


async def _accept(
    around: Surroundings, repository: BackupRepository, told: str
) -> BackupRepository | Waiting:
    head = head_in(told)
    if head is None:
        why = f"{told!r} is no NUMBER:DIGEST of a head; the condition Ready has the right one"
        return await _refuse(around, repository, told, why)
    try:
        key = await find_key(around.secrets, repository)
        waiting = await around.jobs.accept_history(repository, key, head)
    except PermanentError as error:
        return await _refuse(around, repository, told, str(error))
    if waiting is not None:
        return waiting
    written = await _write(around, repository, told, head)
    log.info("repository %s: history accepted with head %s", repository.metadata.key, told)
    return written


def head_in(told: str) -> LogHead | None:
    """Return the head that the annotation's value names, or None."""
    try:
        head = read_head(told)
    except ValueError:
        return None
    return LogHead(head.number, head.sha256)


async def _refuse(
    around: Surroundings, repository: BackupRepository, told: str, why: str
) -> BackupRepository:
    written = await _write(around, repository, told, None)
    message = f"{ACCEPT_HISTORY_ANNOTATION} accepts nothing: {why}"
    await around.events.tell(repository, "Warning", "HistoryNotAccepted", message)
    return written


async def _write(
    around: Surroundings, repository: BackupRepository, told: str, head: LogHead | None
) -> BackupRepository:
    status = replace(repository.status, handled_accept_history=told)
    if head is not None:
        # Numbers of the log mean other entries in this history: what was seen of it begins anew.
        maintenance = status.maintenance and replace(status.maintenance, sights=())
        status = replace(status, log=head, maintenance=maintenance)
    return await around.repositories.write_status(replace(repository, status=status))
