"""Accepted: the point counts and is held, and both repositories may be used."""

from __future__ import annotations

from msgspec.structs import replace

from vmbackup_core.repository.opened_restore import RestoreWork
from vmbackup_operator.archives.judging import pair_refused, point_refused
from vmbackup_operator.archives.readable import why_unreadable
from vmbackup_operator.archives.recording import adopted, show_point
from vmbackup_operator.archives.works import work_of
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.display import counted
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.recovery_point import RecoveryPoint
from vmbackup_operator.model.references import ObjectReference
from vmbackup_operator.model.session_findings import (
    Archived,
    ArchiveSource,
    Resolved,
    ResolvedDisk,
)
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Done, Failed, Waiting
from vmbackup_operator.sessions.findings import (
    repositories_of,
    repository_key,
    resolved_of,
    run_of,
)
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Answer, Taken
from vmbackup_operator.sessions.steps.admitting import (
    begun_too_late,
    ready_repository_at,
    resolved_repository,
    scope_refused,
)
from vmbackup_operator.sessions.steps.repository import same_repository
from vmbackup_operator.sessions.undo_record import UndoRecord

#: What a repository is that nobody copies from or into before somebody does something about it.
_FINAL = frozenset({"ReadOnly", "KeyMismatch", "NewerFormat"})


async def accept(ground: Ground, session: BackupSession) -> Taken:
    """Find the point and both repositories, have the point held, and record what is copied."""
    if session.status.resolved is None:
        return await _find(ground, session)
    accounts = {ArmId(each.account_id) for each in repositories_of(session)}
    home = await ground.regions.ensure_home(accounts)
    if isinstance(home, Waiting):
        return Taken(session.status, home)
    before = await _look_for_point(ground, session)
    if before is not None:
        return before
    # Before anything is held or stored: whoever takes the finalizer off takes nothing of it away.
    await ground.undo_records.keep(record_of(session))
    work = await work_of(ground, session)
    if not isinstance(work, RestoreWork):
        return Taken(session.status, work)
    if not resolved_of(session).disks:
        unreadable = await why_unreadable(ground, session)
        return _record(session, work) if unreadable is None else Taken(session.status, unreadable)
    message = f"{counted(len(work.disks), 'disk')} for {repository_key(session)}"
    return Taken(session.status, Done(message))


def record_of(session: BackupSession) -> UndoRecord:
    """Return what is written down of the session: it holds manifests and begins chains."""
    return UndoRecord(
        session=session.metadata.key,
        uid=session.metadata.uid,
        run_id=run_of(session),
        virtual_machine_id=session.spec.virtual_machine_id,
        resolved=resolved_of(session),
        retry_limit=session.spec.retry_limit,
        type="Archive",
        repository=repository_key(session),
    )


async def _find(ground: Ground, session: BackupSession) -> Taken:
    """Record which point is meant, where it is, and where it goes."""
    refused = scope_refused(ground, session) or begun_too_late(session)
    if refused is not None:
        return Taken(session.status, refused)
    point = await _point_of(ground, session)
    if not isinstance(point, RecoveryPoint):
        return Taken(session.status, point)
    target = await _ready(ground, repository_key(session))
    if not isinstance(target, BackupRepository):
        return Taken(session.status, target)
    at = point.spec.stored_in.key_from(point.metadata.namespace)
    source = await _ready(ground, at)
    if not isinstance(source, BackupRepository):
        return Taken(session.status, source)
    unfit = pair_refused(source, target)
    if unfit is not None:
        return Taken(session.status, unfit)
    where = ArchiveSource(
        repository_ref=ObjectReference(at.name, at.namespace),
        repository=resolved_repository(source),
        run_id=point.spec.run_id,
    )
    resolved = Resolved(
        worker_region=source.spec.region, repository=resolved_repository(target), source=where
    )
    archive = Archived(tier=target.spec.tier)
    status = replace(session.status, resolved=resolved, archive=archive)
    return Taken(status, Waiting(0, "the recovery point is looked for"))


async def _point_of(ground: Ground, session: BackupSession) -> RecoveryPoint | Failed:
    """Return the object of the session's point, where the session may copy it."""
    spec = session.spec.archive
    if spec is None:
        raise AssertionError("the schema has every archive say what it copies")
    key = spec.recovery_point_ref.key_from(session.metadata.namespace)
    point = await ground.point_objects.find(key)
    if point is None:
        message = f"there is no RecoveryPoint {key}: kubectl get rp names those that there are"
        return Failed("RecoveryPointNotFound", message)
    return point_refused(ground.settings, session, point) or point


async def _ready(ground: Ground, key: ObjectKey) -> BackupRepository | Answer:
    """Return the repository once it is ready; what only a person can change ends the session."""
    repository = await ready_repository_at(ground, key)
    if isinstance(repository, Waiting) and repository.reason in _FINAL:
        return Failed(repository.reason, repository.message)
    return repository


async def _look_for_point(ground: Ground, session: BackupSession) -> Taken | None:
    """Return that the run has archived the point already, None where it has not.

    A session that was made again without its status finds what the one before it has done.
    """
    repository = await same_repository(ground, session)
    if not isinstance(repository, BackupRepository):
        return Taken(session.status, repository)
    vm_id = ArmId(session.spec.virtual_machine_id)
    point = await ground.points.find(repository, vm_id, run_of(session))
    if isinstance(point, Waiting):
        return Taken(session.status, point)
    if point is None:
        return None
    mirror = await show_point(ground, session, repository, point)
    if isinstance(mirror, Waiting):
        return Taken(session.status, mirror)
    return Taken(adopted(ground, session, point), Done(f"{mirror.metadata.key} is there already"))


def _record(session: BackupSession, work: RestoreWork) -> Taken:
    """Record which disks are copied: their chains follow from that, before they are begun."""
    disks = tuple(
        ResolvedDisk(
            id=each.disk.id,
            name=each.disk.name,
            unique_id=each.disk.unique_id,
            size_bytes=each.disk.size_bytes,
            sku="",
            lun=each.disk.lun,
        )
        for each in work.disks
    )
    resolved = replace(resolved_of(session), disks=disks)
    status = replace(session.status, resolved=resolved)
    return Taken(status, Waiting(0, "what is copied is written down"))
