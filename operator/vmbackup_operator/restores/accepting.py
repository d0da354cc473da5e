"""Accepted: the point counts and is held, and what is made of it is planned and written down."""

from __future__ import annotations

from msgspec.structs import replace

from vmbackup_core.repository.opened_restore import RestoreWork
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.display import counted
from vmbackup_operator.model.recovery_point import RecoveryPoint
from vmbackup_operator.model.restore_session import Restored, RestoredPoint, RestoreSession
from vmbackup_operator.model.session_findings import Resolved
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Done, Failed, Waiting
from vmbackup_operator.restores.allowing import machine_refused, source_refused, target_refused
from vmbackup_operator.restores.digests import digest_of
from vmbackup_operator.restores.earlier import earlier_record, replayed
from vmbackup_operator.restores.judging import group_of
from vmbackup_operator.restores.looking import judge_target
from vmbackup_operator.restores.planned import disks_of, plan_of, work_of
from vmbackup_operator.restores.planning.planned import Planned
from vmbackup_operator.restores.undo import record_of
from vmbackup_operator.sessions.findings import restored_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Answer, Taken
from vmbackup_operator.sessions.steps.admitting import ready_repository_at, resolved_repository
from vmbackup_operator.sessions.steps.crossing import crossing_refused

#: What a repository is that is none to restore from before somebody does something about it.
_FINAL = frozenset({"ReadOnly", "KeyMismatch", "NewerFormat"})


async def accept(ground: Ground, session: RestoreSession) -> Taken:
    """Find the point, have it held and planned, and record what is going to be made."""
    restored = session.status.restored
    if restored is None:
        return await find_point(ground, session)
    earlier = None
    if not restored.disks:
        earlier = await earlier_record(ground, session)
    if earlier is None:
        # Before anything is held or made: whoever takes the finalizer off takes nothing of it away.
        await ground.undo_records.keep(record_of(session))
    work = await work_of(ground, session)
    if not isinstance(work, RestoreWork):
        return Taken(session.status, work)
    planned = plan_of(session, work)
    if not restored.disks:
        refused = await _refusal(ground, session, planned)
        refused = refused or await replayed(ground, session, planned, earlier)
        return Taken(session.status, refused) if refused else _record(session, work, planned)
    target = session.spec.target
    message = f"{counted(len(planned.disks), 'disk')} for {target.resource_group}"
    return Taken(session.status, Done(f"{message} in {target.region}"))


async def find_point(ground: Ground, session: RestoreSession) -> Taken:
    """Record which point is meant, and where it and the worker are."""
    key = session.spec.recovery_point_ref.key_from(session.metadata.namespace)
    point = await ground.point_objects.find(key)
    if point is None:
        message = f"there is no RecoveryPoint {key}: kubectl get rp names those that there are"
        return Taken(session.status, Failed("RecoveryPointNotFound", message))
    if point.spec.type == "Snapshot":
        return _of_set(ground, session, point)
    repository = await _repository(ground, session, point)
    if not isinstance(repository, BackupRepository):
        return Taken(session.status, repository)
    account = ArmId(repository.spec.storage_account_id)
    home = await ground.regions.ensure_home({account})
    if isinstance(home, Waiting):
        return Taken(session.status, home)
    spec = point.spec
    found = RestoredPoint(spec.run_id, spec.virtual_machine_id, repository.metadata.key)
    resolved = Resolved(
        worker_region=session.spec.target.region, repository=resolved_repository(repository)
    )
    status = replace(session.status, resolved=resolved, restored=Restored(found))
    return Taken(status, Waiting(0, "what is to be made is planned"))


def _of_set(ground: Ground, session: RestoreSession, point: RecoveryPoint) -> Taken:
    """Record a point that is a snapshot set and nothing else: no repository is asked for it."""
    spec, namespace = point.spec, session.metadata.namespace
    if session.spec.mode != "Rewind" and not session.spec.copies_snapshots:
        message = f"recovery point {point.metadata.key} is in no repository: set source Snapshots"
        return Taken(session.status, Failed("PointNotInRepository", message))
    refused = machine_refused(ground.settings, namespace, ArmId(spec.virtual_machine_id))
    if refused is not None:
        return Taken(session.status, refused)
    restored = Restored(RestoredPoint(spec.run_id, spec.virtual_machine_id))
    resolved = Resolved(worker_region=session.spec.target.region)
    status = replace(session.status, resolved=resolved, restored=restored)
    return Taken(status, Waiting(0, "what is to be made is planned"))


async def _repository(
    ground: Ground, session: RestoreSession, point: RecoveryPoint
) -> BackupRepository | Answer:
    """Return the point's repository, once it is ready and where the namespace may use it."""
    key = point.spec.stored_in.key_from(point.metadata.namespace)
    vm_id = ArmId(point.spec.virtual_machine_id)
    refused = source_refused(ground.settings, session.metadata.namespace, key, vm_id)
    if refused is not None:
        return refused
    repository = await ready_repository_at(ground, key)
    if isinstance(repository, Waiting) and repository.reason in _FINAL:
        return Failed(repository.reason, repository.message)
    return repository


async def _refusal(ground: Ground, session: RestoreSession, planned: Planned) -> Failed | None:
    """Return why the plan is not carried out: what is refused later has cost something by then."""
    target = session.spec.target
    refused = target_refused(ground.settings, session.metadata.namespace, planned)
    refused = refused or await crossing_refused(ground, group_of(target), target.region)
    return refused or await judge_target(ground, session, planned)


def _record(session: RestoreSession, work: RestoreWork, planned: Planned) -> Taken:
    """Record what is going to be made, before the first request to Azure."""
    machine = planned.machine
    restored = replace(
        restored_of(session),
        disks=disks_of(planned, work),
        network_interface_ids=tuple(each.id for each in planned.interfaces),
        virtual_machine_id=None if machine is None else machine.id,
        not_restored=planned.not_restored,
        plan_digest=digest_of(planned),
    )
    status = replace(session.status, restored=restored)
    return Taken(status, Waiting(0, "what is to be made is written down"))
