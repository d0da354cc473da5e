"""What a session asks of each of its disks in the repository: the same in each of its steps."""

from __future__ import annotations

from datetime import datetime

from vmbackup_core.repository.control.backup.disk_asked import DiskAsked
from vmbackup_core.repository.data.grants import ManifestAt
from vmbackup_core.repository.data.said import SaidDisk, SaidVm
from vmbackup_core.repository.primitives.json_payloads import Time
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.session_findings import Predecessor, ResolvedDisk, SnapshotMember
from vmbackup_operator.sessions.findings import (
    machine_of,
    members_of,
    predecessors_of,
    run_of,
)


def disks_asked(session: BackupSession) -> dict[str, DiskAsked]:
    """Return what is asked of each disk of the session's snapshot set, by its position."""
    before = predecessors_of(session)
    return {
        member.disk: _asked(session, member, disk, before.get(member.disk))
        for member, disk in members_of(session)
    }


def taken_at(session: BackupSession, now: datetime) -> datetime:
    """Return when the set was complete: when the latest of its snapshots was taken."""
    return session.status.taken_at or session.status.start_time or now


def _asked(
    session: BackupSession, member: SnapshotMember, disk: ResolvedDisk, before: Predecessor | None
) -> DiskAsked:
    machine = machine_of(session)
    return DiskAsked(
        run=run_of(session),
        snapshot_unique_id=member.unique_id,
        taken_at=None if member.taken_at is None else Time.of(member.taken_at),
        disk_bytes=member.size_bytes,
        disk=SaidDisk(disk.id, disk.unique_id, disk.name, disk.lun),
        vm=SaidVm(machine.id, machine.name, machine.region),
        base=None
        if before is None
        else ManifestAt(before.manifest, before.manifest_sha256, before.slot),
    )
