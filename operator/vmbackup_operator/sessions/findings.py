"""What a session has recorded, for the steps behind the one that recorded it."""

from __future__ import annotations

from collections.abc import Iterator

from vmbackup_core.ids import JobId, RunId
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.conditions import find_condition
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.restore_session import Restored, RestoreSession
from vmbackup_operator.model.rewound import Rewound
from vmbackup_operator.model.session import Session
from vmbackup_operator.model.session_findings import (
    ArchiveSource,
    Predecessor,
    Resolved,
    ResolvedDisk,
    ResolvedRepository,
    ResolvedVirtualMachine,
    SessionWorker,
    SnapshotMember,
    VerifyingJob,
)
from vmbackup_operator.naming import ArmId, job_id, snapshot_id, subscription_of
from vmbackup_operator.settings import Settings


def run_of(session: Session) -> RunId:
    """Return the session's run id, which it has before its first step."""
    if session.status.run_id is None:
        raise AssertionError(f"{session.key} has no run id")
    return session.status.run_id


def resolved_of(session: Session) -> Resolved:
    """Return what the session found when it was accepted."""
    if session.status.resolved is None:
        raise AssertionError(f"{session.key} was not accepted")
    return session.status.resolved


def machine_of(session: Session) -> ResolvedVirtualMachine:
    """Return the VM as it was when the session was accepted."""
    machine = resolved_of(session).virtual_machine
    if machine is None:
        raise AssertionError(f"{session.key} has resolved no virtual machine")
    return machine


def worker_region(session: Session) -> str:
    """Return the region that the session's worker runs in: the VM's, unless another was chosen."""
    return resolved_of(session).worker_region or machine_of(session).region


def repository_of(session: Session) -> ResolvedRepository:
    """Return the repository as it was when the session was accepted."""
    repository = resolved_of(session).repository
    if repository is None:
        raise AssertionError(f"{session.key} has resolved no repository")
    return repository


def source_of(session: Session) -> ArchiveSource:
    """Return what an archive session copies, as it was when it was accepted."""
    source = resolved_of(session).source
    if source is None:
        raise AssertionError(f"{session.key} copies nothing")
    return source


def repositories_of(session: Session) -> list[ResolvedRepository]:
    """Return every repository that the session's worker reads, or writes to."""
    source = resolved_of(session).source
    return [repository_of(session), *(() if source is None else (source.repository,))]


def worker_of(session: Session) -> SessionWorker:
    """Return the worker that serves the session."""
    if session.status.worker is None:
        raise AssertionError(f"{session.key} has no worker")
    return session.status.worker


def repository_key(session: Session) -> ObjectKey:
    """Return which BackupRepository the session reads, or writes to."""
    match session:
        case BackupSession():
            return session.spec.stored_in.key_from(session.metadata.namespace)
        case RestoreSession():
            repository = restored_of(session).recovery_point.repository
            if repository is None:
                raise AssertionError(f"{session.key} is of a snapshot set alone")
            return repository
        case _:
            raise AssertionError(f"{session.key} has no repository")


def restored_of(session: RestoreSession) -> Restored:
    """Return what the restore makes of its recovery point, as planned when it was accepted."""
    if session.status.restored is None:
        raise AssertionError(f"{session.key} was not accepted")
    return session.status.restored


def rewound_of(session: RestoreSession) -> Rewound:
    """Return what the rewind makes, as planned when it was accepted."""
    if session.status.rewound is None:
        raise AssertionError(f"{session.key} was not accepted")
    return session.status.rewound


def zone_wanted(session: Session) -> str | None:
    """Return the zone that the session's worker has to be in, empty for none; None: it is all one.

    Azure attaches a disk to a VM of its own zone alone.
    """
    rewound = session.status.rewound if isinstance(session, RestoreSession) else None
    return rewound.zone if rewound is not None and rewound.rewritten else None


def claimed_vm(session: Session) -> str | None:
    """Return the VM that the session has to itself while it runs; None: none, or not yet."""
    match session:
        case BackupSession():
            return session.spec.virtual_machine_id
        case RestoreSession() if session.status.rewound is not None:
            return session.status.rewound.virtual_machine_id
        case _:
            return None


def ways_of(session: Session) -> Iterator[tuple[ArmId, ArmId | None]]:
    """Yield what the session may read or write by a SAS, each with its disk access, or None.

    That is a snapshot, or a disk that is made of a recovery point.
    """
    for export in session.status.exports:
        yield ArmId(export.snapshot_id), _arm_id(export.disk_access_id)
    restored = session.status.restored if isinstance(session, RestoreSession) else None
    for disk in () if restored is None else restored.disks:
        if disk.expires_at is not None:
            yield ArmId(disk.disk_id), _arm_id(disk.disk_access_id)


def _arm_id(text: str | None) -> ArmId | None:
    return None if text is None else ArmId(text)


def members_of(session: BackupSession) -> list[tuple[SnapshotMember, ResolvedDisk]]:
    """Return the session's snapshot set, each snapshot with its disk."""
    disks = {disk.position: disk for disk in resolved_of(session).disks}
    return [(member, disks[member.disk]) for member in session.status.snapshot_set]


def predecessors_of(session: Session) -> dict[str, Predecessor]:
    """Return what the disks go on from whose changes are read, by their positions."""
    resolved = session.status.resolved
    predecessors = () if resolved is None else resolved.predecessors
    return {each.disk: each for each in predecessors}


def backup_job(session: BackupSession) -> JobId:
    """Return the id of the session's backup job: that of its run, snapshot set and attempt."""
    snapshots = [member.unique_id for member in session.status.snapshot_set]
    return job_id(run_of(session), "backup", snapshots, session.status.attempt)


def verify_job(session: BackupSession, job: VerifyingJob) -> JobId:
    """Return the id of the verification's *job* in the session's attempt."""
    subjects = [str(job.number), job.fingerprint]
    return job_id(run_of(session), "verify", subjects, session.status.attempt)


def archive_job(session: BackupSession) -> JobId:
    """Return the id of the archive's job: that of its run, its point and attempt."""
    return job_id(run_of(session), "archive", [source_of(session).run_id], session.status.attempt)


def restore_job(session: RestoreSession) -> JobId:
    """Return the id of the restore's job: that of its run, target disks and attempt."""
    disks = [folded(each.disk_id) for each in restored_of(session).disks]
    return job_id(run_of(session), "restore", disks, session.status.attempt)


def current_job(session: Session) -> JobId | None:
    """Return the id of the job that the session's worker is given; None between two jobs."""
    match session:
        case RestoreSession():
            return None if session.status.restored is None else restore_job(session)
        case BackupSession() if session.spec.type == "Verify":
            job = session.status.verifying
            return None if job is None else verify_job(session, job)
        case BackupSession() if session.spec.type == "Archive":
            resolved = session.status.resolved
            return None if resolved is None else archive_job(session)
        case BackupSession():
            return backup_job(session)
        case _:
            return None


def snapshot_ids(settings: Settings, session: Session) -> dict[ArmId, ResolvedDisk]:
    """Return the ids that the session's snapshots have, or will have, each with its disk.

    Empty where the session was never accepted: then there are none.
    """
    resolved = session.status.resolved
    if resolved is None or session.status.run_id is None:
        return {}
    return {
        snapshot_id(
            *settings.snapshot_group(subscription_of(ArmId(disk.id))),
            session.status.run_id,
            disk.lun,
        ): disk
        for disk in resolved.disks
    }


def exported_ids(settings: Settings, session: Session) -> list[ArmId]:
    """Return the ids of the snapshots that the session exports, whether they are there or not."""
    return [*snapshot_ids(settings, session), *map(ArmId, earlier_snapshots(session))]


def earlier_snapshots(session: Session) -> tuple[str, ...]:
    """Return the ids of the snapshots of earlier runs that the session reads."""
    resolved = session.status.resolved
    if resolved is None:
        return ()
    retained = (each.snapshot_id for each in resolved.retained)
    return (*retained, *(each.snapshot_id for each in resolved.predecessors))


def region_of(session: Session) -> str | None:
    """Return the region whose workers the session uses, once that is known."""
    resolved = session.status.resolved
    environment = None if resolved is None else resolved.environment
    return None if environment is None else environment.region


def waits_with(session: Session, reason: str, condition: str) -> bool:
    """Tell whether the session waits in the step of *condition*, and gives *reason* for it."""
    said = find_condition(session.status.conditions, condition)
    return said is not None and said.status != "True" and said.reason == reason
