"""A backup job and an agent's settings, as tests give them."""

from __future__ import annotations

from tests.worlds.hand_made_grants import HandMadeChain
from vmbackup_core.ids import JobId, LaunchNonce, RunId, WorkerId
from vmbackup_core.protocol import BackupJob, RepositoryAccess, launch_key
from vmbackup_worker.settings import Rhythm, Settings

WORKER = WorkerId("w-1")
LAUNCH = LaunchNonce("0123456789abcdef" * 2)
KEY = launch_key(bytes(32), WORKER, LAUNCH)


def settings() -> Settings:
    """Return those of an agent in a hurry."""
    rhythm = Rhythm(
        heartbeat_s=0.1,
        progress_s=0.02,
        poll_s=0.01,
        lease_s=5,
        lease_extension_s=0.02,
        renewal_s=0.1,
    )
    nowhere = "http://127.0.0.1:1/nowhere?sig=x"
    return Settings(WORKER, LAUNCH, KEY.to_text(), nowhere, nowhere, "0" * 16, rhythm)


def job(job_id: str = "r-backup", sas: str = "first") -> BackupJob:
    """Return a job of one disk."""
    run, chain = RunId("a" * 32), HandMadeChain("disk-1", 2**20)
    disk = chain.disk(chain.grant(run), f"https://md-1.blob.storage.azure.net/x/y?sig={sas}")
    container = f"https://repository.blob.core.windows.net/backups?sig={sas}"
    return BackupJob(JobId(job_id), run, [disk], RepositoryAccess(container))
