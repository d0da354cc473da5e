"""kubectl as the demo's user runs it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tools.demo.narration import FactBroken
from tools.local_cloud.operator_process import clean_environment

#: How often a waiting user looks.
LOOK_S = 0.5


class Kubectl:
    """Runs *program* against the cluster of *kubeconfig*, in *namespace* unless told otherwise."""

    def __init__(self, program: Path, kubeconfig: Path, namespace: str) -> None:
        self._command = [str(program), "--kubeconfig", str(kubeconfig), "--namespace", namespace]

    def run(self, *arguments: str, stdin: str | None = None) -> str:
        """Return what ``kubectl ARGUMENTS`` prints; raise with its error where it fails."""
        done = subprocess.run(
            [*self._command, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            env=clean_environment(),
        )
        if done.returncode:
            raise FactBroken(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def get(self, *arguments: str) -> Any:
        """Return ``kubectl get ARGUMENTS -o json``."""
        return json.loads(self.run("get", *arguments, "-o", "json"))

    def watch_session(self, name: str, show: Callable[[str], None], limit_s: float) -> Any:
        """Show the session's line whenever its phase changes, and return it once it has ended."""
        phase = None
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            session = self.get("backupsession", name)
            status = session.get("status", {})
            if status.get("phase") != phase:
                phase = status.get("phase")
                show(self.run("get", "backupsessions", name, "--no-headers").rstrip())
            if "outcome" in status and self._released(status):
                return session
            time.sleep(LOOK_S)
        raise FactBroken(f"{name} has not ended:\n{self.run('describe', 'backupsession', name)}")

    def _released(self, status: dict[str, Any]) -> bool:
        """Tell whether the tidying up behind the outcome has ended too."""
        said = {entry["type"]: entry["status"] for entry in status.get("conditions", [])}
        return said.get("WorkerReleased") == "True" and said.get("SnapshotsPruned") == "True"
