"""Whether a point may be copied from one repository into another: pure, over what was found."""

from __future__ import annotations

from vmbackup_operator.arm_ids import same_id
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.recovery_point import RecoveryPoint
from vmbackup_operator.reconciling.archives_alone import archives_alone
from vmbackup_operator.reconciling.outcome import Failed
from vmbackup_operator.settings import Settings


def point_refused(
    settings: Settings, session: BackupSession, point: RecoveryPoint
) -> Failed | None:
    """Return why the session may not copy *point*, None where nothing stands against it."""
    namespace, spec = session.metadata.namespace, point.spec
    if not same_id(spec.virtual_machine_id, session.spec.virtual_machine_id):
        return Failed(
            "PointOfAnotherVirtualMachine",
            f"RecoveryPoint {point.metadata.key} is of {spec.virtual_machine_id}, not of "
            f"{session.spec.virtual_machine_id}",
        )
    source = spec.stored_in.key_from(point.metadata.namespace)
    if not settings.may_use_repository(namespace, source.namespace, source.name):
        return Failed(
            "ScopeNotAllowed",
            f"namespace {namespace} may not use repository {source}: the operator's settings do "
            "not list it among the namespace's repositories",
        )
    return None


def pair_refused(source: BackupRepository, target: BackupRepository) -> Failed | None:
    """Return why nothing of *source* is copied into *target*, None where it may be."""
    if target.status.repository_id == source.status.repository_id:
        ours = target.metadata.key
        message = f"BackupRepository {ours} stands for the repository that has the recovery point"
        return Failed("ArchiveIsTheSource", f"{message}: name another one")
    return archives_alone(source)
