"""A job with all that a job can have, and its end."""

from __future__ import annotations

from datetime import UTC, datetime

from vmbackup_core.ids import (
    ChainId,
    CommitSlot,
    JobId,
    LaunchNonce,
    RunId,
    SnapshotUniqueId,
    WorkerId,
)
from vmbackup_core.protocol import (
    BackupJob,
    BackupResult,
    DiskDone,
    DiskToBackUp,
    Done,
    Header,
    RepositoryAccess,
    launch_key,
)
from vmbackup_core.repository.data.grants import (
    BadObject,
    DiskGrant,
    LeftSession,
    ManifestAt,
    Parameters,
)
from vmbackup_core.repository.data.said import SaidDisk, SaidVm, Statistics
from vmbackup_core.repository.primitives.identities import WritingSession
from vmbackup_core.repository.primitives.json_payloads import Time

JOB = JobId("0123abcd-backup")
WORKER = WorkerId("w-0123abcd-1")
STARTED = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)
LAUNCH = LaunchNonce("0123456789abcdef" * 2)
KEY = launch_key(bytes(32), WORKER, LAUNCH)
HEADER = Header("job", WORKER, JOB, 3)


CHAIN = ChainId("c" * 32)
RUN = RunId("0123abcd" * 4)
SCOPE = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/workloads"
MANIFEST = f"c/{CHAIN}/m/00000/004/{'e' * 32}"


def grant(number: int, left: int = 1) -> DiskGrant:
    """Return a grant with all that a grant can have."""
    before = ManifestAt(MANIFEST, "f" * 64, 4)
    return DiskGrant(
        generation=0,
        chain_epoch=1,
        parameters=Parameters(),
        run_id=RUN,
        slot=CommitSlot(5),
        newest=before,
        base=before,
        bad=(BadObject("pack", "0" * 48, (64, 4096)), BadObject("index", "1" * 48, None)),
        left=tuple(LeftSession(WritingSession(f"{one:032x}"), 1, 99) for one in range(left)),
        snapshot_unique_id=SnapshotUniqueId(f"{number:08x}-7777-8888-9999-000000000000"),
        taken_at=Time.of(datetime(2026, 11, 22, 21, 0, 0, 17, tzinfo=UTC)),
        disk_bytes=64 * 2**30,
        disk=SaidDisk(
            f"{SCOPE}/providers/Microsoft.Compute/disks/data-{number}",
            "66666666-7777-8888-9999-000000000000",
            f"data-{number}",
            number,
        ),
        vm=SaidVm(f"{SCOPE}/providers/Microsoft.Compute/virtualMachines/db", "db", "westeurope"),
        deltas=True,
    )


def disk(number: int, left: int = 1) -> DiskToBackUp:
    return DiskToBackUp(
        chain_id=CHAIN,
        keys="k" * 400,
        grant=grant(number, left),
        snapshot_url="https://md-abc.z1.blob.storage.azure.net/x/abcd?sv=2018&sig=" + "s" * 200,
        predecessor_url="https://md-abd.z1.blob.storage.azure.net/x/ab?sig=" + "t" * 200,
    )


def job(disks: int, left: int = 1) -> BackupJob:
    container = "https://repository.blob.core.windows.net/backups?sv=2026&sig=uuu"
    every = [disk(number, left) for number in range(disks)]
    return BackupJob(JOB, RUN, every, RepositoryAccess(container))


def done(disks: int) -> Done:
    return Done(
        JOB,
        3,
        BackupResult(
            [
                DiskDone(
                    disk_id=disk(n).disk_id,
                    manifest=MANIFEST,
                    manifest_sha256="d" * 64,
                    statistics=Statistics(2**40, 2**22, 2**22, 2**22, 2**22),
                    changed_outside=2**22,
                    allocated_bytes=2**40,
                    seconds=12345.678,
                )
                for n in range(disks)
            ]
        ),
    )
