"""What the Run Command runs on a worker, and the protected parameters it gets."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from vmbackup_core.ids import LaunchNonce, WorkerId
from vmbackup_core.protocol.sealing import LaunchKey

#: Exit codes of the launch script.
DOWNLOAD_FAILED = 3
BUNDLE_REFUSED = 4
OTHER_PYTHON = 5


@dataclass(frozen=True, slots=True)
class Launch:
    """All that a worker is told; *bundle_url* is the bundle's folder, with the container's SAS."""

    worker_id: WorkerId
    nonce: LaunchNonce
    key: LaunchKey
    bundle_url: str = field(repr=False)
    bundle_sha256: str
    jobs_url: str = field(repr=False)
    events_url: str = field(repr=False)


def launch_script() -> str:
    """Return the script; it holds nothing secret and is the same for every worker."""
    return Path(__file__).with_name("launch.sh").read_text("utf-8")


def launch_parameters(launch: Launch) -> dict[str, str]:
    """Return the protected parameters: they reach the script as environment variables."""
    return {
        "VMBACKUP_BUNDLE_URL": launch.bundle_url,
        "VMBACKUP_BUNDLE_SHA256": launch.bundle_sha256,
        "VMBACKUP_WORKER_ID": launch.worker_id,
        "VMBACKUP_LAUNCH": launch.nonce,
        "VMBACKUP_LAUNCH_KEY": launch.key.to_text(),
        "VMBACKUP_JOBS_URL": launch.jobs_url,
        "VMBACKUP_EVENTS_URL": launch.events_url,
    }
