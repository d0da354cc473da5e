"""Somebody who uses a local control plane: a kubeconfig with a token, and kubectl with it."""

from __future__ import annotations

import base64
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.local_cloud.toolchains import kubectl

KUBECTL_DEADLINE_S = 120.0


class KubectlRefused(RuntimeError):
    """kubectl ended with an error; the message is what it printed."""


@dataclass(frozen=True, slots=True)
class KubernetesUser:
    """Whoever the token in *kubeconfig* speaks for."""

    kubeconfig: Path

    @classmethod
    def made(cls, kubeconfig: Path, url: str, ca: Path, token: str) -> KubernetesUser:
        """Write *kubeconfig*, readable by its owner alone, and return its user."""
        authority = base64.b64encode(ca.read_bytes()).decode()
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "local",
            "clusters": [
                {
                    "name": "local",
                    "cluster": {"server": url, "certificate-authority-data": authority},
                }
            ],
            "users": [{"name": "local", "user": {"token": token}}],
            "contexts": [{"name": "local", "context": {"cluster": "local", "user": "local"}}],
        }
        kubeconfig.touch(mode=0o600)
        kubeconfig.write_text(json.dumps(document))
        return cls(kubeconfig)

    def kubectl(self, *words: str, given: str | None = None, editor: str = "false") -> str:
        """Return what kubectl prints; *given* is its input, *editor* what it edits with."""
        environment = {
            "KUBECONFIG": str(self.kubeconfig),
            "KUBECACHEDIR": str(self.kubeconfig.parent / "kubectl-cache"),
            "HOME": str(self.kubeconfig.parent),
            "TMPDIR": str(self.kubeconfig.parent),  # kubectl edit leaves what was refused there
            "PATH": "/usr/bin:/bin",
            "KUBE_EDITOR": editor,
        }
        done = subprocess.run(
            [str(kubectl()), *words],
            env=environment,
            input=given,
            check=False,
            capture_output=True,
            text=True,
            timeout=KUBECTL_DEADLINE_S,
        )
        if done.returncode:
            raise KubectlRefused(f"kubectl {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def apply(self, *paths: Path) -> str:
        """Apply the manifests in *paths*, files or folders, as the server merges them."""
        named = [word for path in paths for word in ("-f", str(path))]
        return self.kubectl("apply", "--server-side", *named)

    def create(self, manifest: dict[str, Any]) -> None:
        """Create one object."""
        self.kubectl("create", "-f", "-", given=json.dumps(manifest))

    def get(self, *words: str) -> Any:
        """Return the object or list that ``kubectl get`` finds, parsed."""
        return json.loads(self.kubectl("get", *words, "--output=json"))
