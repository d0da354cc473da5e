"""What the commits of a session's disks make of its status; pure."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from vmbackup_core.repository.control.backup.committing import CommittedDisk
from vmbackup_core.repository.primitives.parsed_names import name_in_chain
from vmbackup_operator.model.backup_session import BackupSessionStatus
from vmbackup_operator.model.session_findings import DiskResult


def with_commits(
    status: BackupSessionStatus, commits: Mapping[str, CommittedDisk]
) -> BackupSessionStatus:
    """Return *status* with these commits, by the positions of their disks."""
    results = {result.disk: result for result in status.disks}
    results |= {disk: _result(disk, commit, results.get(disk)) for disk, commit in commits.items()}
    disks = tuple(results.values())
    progress = status.progress
    if progress is not None and all(result.is_committed for result in disks):
        stored = sum(result.stored_bytes for result in disks)
        progress = replace(progress, bytes_stored=stored)
    return replace(status, disks=disks, progress=progress)


def without_words(status: BackupSessionStatus) -> BackupSessionStatus:
    """Return *status* without what workers said of disks that are not committed."""
    committed = tuple(result for result in status.disks if result.is_committed)
    return replace(status, disks=committed, progress=None)


def _result(disk: str, commit: CommittedDisk, said: DiskResult | None) -> DiskResult:
    read_bytes = commit.statistics.read_bytes
    return DiskResult(
        disk=disk,
        manifest=name_in_chain(commit.chain, commit.manifest),
        manifest_sha256=commit.manifest_sha256,
        # The worker knows what of the blocks was allocated at all; the commit counts whole ones.
        read_bytes=read_bytes if said is None else min(said.read_bytes, read_bytes),
        changed_bytes=None if said is None else said.changed_bytes,
        new_blocks=commit.statistics.new_blocks,
        kind=commit.kind,
        stored_bytes=commit.stored_bytes,
        chain_id=commit.chain,
        slot=commit.slot,
        commit_digest=commit.sha256,
    )
