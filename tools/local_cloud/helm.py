"""helm, used by somebody of a local control plane."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tools.local_cloud.kubernetes_user import KubernetesUser

HELM_DEADLINE_S = 240.0


class HelmRefused(RuntimeError):
    """helm ended with an error; the message is what it printed."""


@dataclass(frozen=True, slots=True)
class Helm:
    """The program, and whose rights it has; what it keeps lies beside the user's kubeconfig."""

    program: Path
    user: KubernetesUser

    def __call__(self, *words: str, values: Mapping[str, Any] | None = None) -> str:
        """Return what helm prints; *values* go over those of the files that *words* name."""
        own = self.user.kubeconfig.parent
        if values is not None:
            words = (*words, "--values=-")
        done = subprocess.run(
            [str(self.program), *words],
            env={
                "KUBECONFIG": str(self.user.kubeconfig),
                "HOME": str(own),
                "TMPDIR": str(own),
                "PATH": "/usr/bin:/bin",
            },
            input=None if values is None else yaml.safe_dump(dict(values)),
            check=False,
            capture_output=True,
            text=True,
            timeout=HELM_DEADLINE_S,
        )
        if done.returncode:
            raise HelmRefused(f"helm {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout
