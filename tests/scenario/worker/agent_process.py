"""The agent as a process: the bundle's files, the interpreter isolated, its own state folder."""

from __future__ import annotations

import json
import signal
import subprocess
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.scenario.worker.cloud import Cloud
from tools.local_cloud.worker_python import worker_python
from vmbackup_core.protocol import read_bundle

#: In a hurry, but with a lease long enough for a busy machine.
RHYTHM = {
    "heartbeatS": 0.5,
    "progressS": 0.05,
    "pollS": 0.1,
    "leaseS": 4,
    "leaseExtensionS": 0.5,
    "renewalS": 20.0,
}


def unpacked(bundle: Path, folder: Path) -> Path:
    """Return *folder* with what install.sh makes of the bundle."""
    folder.mkdir()
    for path in bundle.iterdir():
        if path.suffix in {".whl", ".zip"}:
            with zipfile.ZipFile(path) as archive:
                archive.extractall(folder / "site")
    (folder / "start.py").write_bytes((bundle / "start.py").read_bytes())
    return folder


@dataclass
class AgentProcess:
    """One worker's agent, which may be killed and started again."""

    cloud: Cloud
    installed: Path
    bundle: Path
    folder: Path
    rhythm: Mapping[str, float] = field(default_factory=lambda: RHYTHM)
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return (self.folder / "agent.log").read_text()

    def start(self) -> None:
        settings = {
            "workerId": self.cloud.worker_id,
            "launch": self.cloud.launch,
            "launchKey": self.cloud.key.to_text(),
            "jobsUrl": self.cloud.jobs_url,
            "eventsUrl": self.cloud.events_url,
            "bundleId": read_bundle(self.bundle).id,
            "rhythm": dict(self.rhythm),
        }
        state = self.folder / "state"
        state.mkdir(exist_ok=True)
        (self.folder / "agent.json").write_text(json.dumps(settings))
        command = [str(worker_python().executable), "-I", "-S", str(self.installed / "start.py")]
        with (self.folder / "agent.log").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - the interpreter that was found
                [*command, str(self.folder / "agent.json"), str(state)],
                env={"PATH": "/usr/bin:/bin"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """End it as a power cut does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def end(self) -> int:
        """End it as systemd does; return its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)

    def clean_up(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()
