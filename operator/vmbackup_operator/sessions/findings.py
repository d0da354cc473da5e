"""What a session has recorded, for the steps behind the one that recorded it."""

from __future__ import annotations

from vmbackup_core.ids import JobId, RunId
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.session import Session
from vmbackup_operator.model.session_findings import (
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
from vmbackup_operator.settings import Appliance


def run_of(session: Session) -> RunId:
    """Return the session's run id, which it has before its first step."""
    if session.status.run_id is None:
        raise AssertionError(f"{session.metadata.key} has no run id")
    return session.status.run_id


def resolved_of(session: Session) -> Resolved:
    """Return what the session found when it was accepted."""
    if session.status.resolved is None:
        raise AssertionError(f"{session.metadata.key} was not accepted")
    return session.status.resolved


def machine_of(session: Session) -> ResolvedVirtualMachine:
    """Return the VM as it was when the session was accepted."""
    machine = resolved_of(session).virtual_machine
    if machine is None:
        raise AssertionError(f"{session.metadata.key} has resolved no virtual machine")
    return machine


def worker_region(session: Session) -> str:
    """Return the region that the session's worker runs in: the VM's, unless another was chosen."""
    return resolved_of(session).worker_region or machine_of(session).region


def repository_of(session: Session) -> ResolvedRepository:
    """Return the repository as it was when the session was accepted."""
    repository = resolved_of(session).repository
    if repository is None:
        raise AssertionError(f"{session.metadata.key} has resolved no repository")
    return repository


def worker_of(session: Session) -> SessionWorker:
    """Return the worker that serves the session."""
    if session.status.worker is None:
        raise AssertionError(f"{session.metadata.key} has no worker")
    return session.status.worker


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


def current_job(session: BackupSession) -> JobId | None:
    """Return the id of the job that the session's worker is given; None between two jobs."""
    if session.spec.type != "Verify":
        return backup_job(session)
    job = session.status.verifying
    return None if job is None else verify_job(session, job)


def snapshot_ids(appliance: Appliance, session: Session) -> dict[ArmId, ResolvedDisk]:
    """Return the ids that the session's snapshots have, or will have, each with its disk.

    Empty where the session was never accepted: then there are none.
    """
    resolved = session.status.resolved
    if resolved is None or session.status.run_id is None:
        return {}
    return {
        snapshot_id(
            subscription_of(ArmId(disk.id)),
            appliance.resource_group,
            session.status.run_id,
            disk.lun,
        ): disk
        for disk in resolved.disks
    }


def exported_ids(appliance: Appliance, session: Session) -> list[ArmId]:
    """Return the ids of the snapshots that the session exports, whether they are there or not."""
    return [*snapshot_ids(appliance, session), *map(ArmId, earlier_snapshots(session))]


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
