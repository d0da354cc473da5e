"""A job with all that a job can have, and its end."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec.structs import replace

from vmbackup_core.ids import (
    ChainId,
    CommitSlot,
    DiskUniqueId,
    JobId,
    LaunchNonce,
    RunId,
    SnapshotUniqueId,
    WorkerId,
)
from vmbackup_core.protocol import (
    ArchiveJob,
    ArchiveResult,
    BackupJob,
    BackupResult,
    ConversationAccess,
    DiskArchived,
    DiskDone,
    DiskRestored,
    DiskToArchive,
    DiskToBackUp,
    DiskToRestore,
    Done,
    Fallback,
    Header,
    HealedPack,
    LostPack,
    PackRange,
    RepositoryAccess,
    RestoreJob,
    RestoreResult,
    SampleToRead,
    SectionsToOpen,
    StoredSource,
    VerifyJob,
    VerifyResult,
    launch_key,
)
from vmbackup_core.repository.data.footer import ARCHIVE
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
        parameters=Parameters(block_bytes=256 * 1024),
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
    """Return the end of a job whose disks were all read whole in place of their changed extents."""
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
                    fallback=Fallback.of("PredecessorUnreadable", "x" * 999),
                    changed_bytes=2**40,
                )
                for n in range(disks)
            ]
        ),
    )


def incremental(number: int) -> DiskDone:
    """Return the end of a disk of which the changed extents were read."""
    return DiskDone(
        disk_id=disk(number).disk_id,
        manifest=MANIFEST,
        manifest_sha256="d" * 64,
        statistics=Statistics(2**30, 2, 2**22, 1, 2**22),
        changed_outside=0,
        allocated_bytes=None,
        seconds=1.5,
        read="Incremental",
        changed_bytes=2**29,
    )


def verify_job(ranges: int = 2) -> VerifyJob:
    """Return a verify job with all that one can have."""
    session = WritingSession("5" * 32)
    return VerifyJob(
        job_id=JOB,
        run_id=RUN,
        chain_id=CHAIN,
        keys="k" * 400,
        repository=RepositoryAccess("https://repository.blob.core.windows.net/b?sv=2026&sig=uuu"),
        packs=[
            PackRange(CommitSlot(2**31 - 1), session, number, 2**32 - 1) for number in range(ranges)
        ],
        read_bytes=2**36,
        manifest=MANIFEST,
        manifest_sha256="d" * 64,
        sections=SectionsToOpen(3),
        sample=SampleToRead(
            "https://md-abc.z1.blob.storage.azure.net/x/abcd?sig=" + "s" * 200, 2**40, [5], [2**20]
        ),
        threads=8,
        conversation=ConversationAccess("https://h/j?sig=a", "https://h/e?sig=b"),
    )


def verified(lost: int, offsets: int) -> Done:
    """Return the end of a verify job that has found so many packs, with so many offsets each."""
    return Done(
        JOB,
        3,
        VerifyResult(
            packs=2**20,
            records=2**32,
            read_bytes=2**46,
            lost=[LostPack("0" * 48, "damaged", [2**32 - 1] * offsets) for _ in range(lost)],
            objects=[],
            blocks=[],
            sampled=250,
            differing=[2**34 - 1] * 200,
            stopped=True,
            seconds=12345.678,
        ),
    )


def target(number: int, healed: int = 1) -> DiskToRestore:
    """Return a disk of a restore job with all that one can have."""
    session = WritingSession("6" * 32)
    return DiskToRestore(
        disk_id=f"{SCOPE}/providers/Microsoft.Compute/disks/restored-{number}",
        chain_id=CHAIN,
        keys="k" * 400,
        manifest=MANIFEST,
        manifest_sha256="d" * 64,
        slot=CommitSlot(4),
        unique_id=DiskUniqueId("66666666-7777-8888-9999-000000000000"),
        snapshot_unique_id=SnapshotUniqueId(f"{number:08x}-7777-8888-9999-000000000000"),
        disk_bytes=2**40 - 1,
        healed=[HealedPack(session, each, 2**25, "e" * 64) for each in range(healed)],
        target_url=f"https://md-{number}.z1.blob.storage.azure.net/x/abcd?sig=" + "s" * 200,
        target_bytes=2**40,
    )


def restore_job(disks: int = 2, healed: int = 1) -> RestoreJob:
    """Return a restore job with all that one can have."""
    return RestoreJob(
        job_id=JOB,
        run_id=RUN,
        disks=[target(number, healed) for number in range(disks)],
        repository=RepositoryAccess("https://repository.blob.core.windows.net/b?sv=2026&sig=uuu"),
        threads=8,
        conversation=ConversationAccess("https://h/j?sig=a", "https://h/e?sig=b"),
    )


def restored(disks: int) -> Done:
    """Return the end of a restore job."""
    every = [DiskRestored(target(number).disk_id, 2**40, 12345.678) for number in range(disks)]
    return Done(JOB, 3, RestoreResult(every))


def attached(number: int, healed: int = 1) -> DiskToRestore:
    """Return the same disk of a restore job with its target at a LUN."""
    return replace(target(number, healed), target_url=None, target_lun=number)


def rewind_job(disks: int = 2, healed: int = 1) -> RestoreJob:
    """Return a restore job whose targets are attached to the worker."""
    return replace(restore_job(), disks=[attached(number, healed) for number in range(disks)])


def rewound(disks: int) -> Done:
    """Return the end of a restore job whose targets are attached."""
    every = [
        DiskRestored(attached(number).disk_id, 2**30, 12345.678, 2**40, 2**30)
        for number in range(disks)
    ]
    return Done(JOB, 3, RestoreResult(every))


def to_archive(number: int, healed: int = 1, left: int = 1) -> DiskToArchive:
    """Return a disk of an archive job with all that one can have."""
    session = WritingSession("6" * 32)
    own = replace(
        grant(number, left), slot=CommitSlot(1), newest=None, base=None, deltas=False, bad=()
    )
    return DiskToArchive(
        source=StoredSource(
            chain_id=CHAIN,
            keys="k" * 400,
            manifest=MANIFEST,
            manifest_sha256="d" * 64,
            slot=4,
            healed=[HealedPack(session, each, 2**25, "e" * 64) for each in range(healed)],
        ),
        chain_id=ChainId("a" * 32),
        keys="l" * 400,
        grant=replace(own, purpose=ARCHIVE),
    )


def archive_job(disks: int = 2, healed: int = 1, left: int = 1) -> ArchiveJob:
    """Return an archive job with all that one can have."""
    return ArchiveJob(
        job_id=JOB,
        run_id=RUN,
        disks=[to_archive(number, healed, left) for number in range(disks)],
        source=RepositoryAccess("https://repository.blob.core.windows.net/b?sv=2026&sig=uuu"),
        target=RepositoryAccess("https://archives.blob.core.windows.net/a?sv=2026&sig=vvv", "Cold"),
        threads=8,
        conversation=ConversationAccess("https://h/j?sig=a", "https://h/e?sig=b"),
    )


def archived(disks: int) -> Done:
    """Return the end of an archive job."""
    statistics = Statistics(2**40, 2**22, 2**22, 0, 2**22)
    every = [
        DiskArchived(to_archive(number).disk_id, MANIFEST, "d" * 64, statistics, 2**40, 12345.678)
        for number in range(disks)
    ]
    return Done(JOB, 3, ArchiveResult(every))
