"""Somebody who uses ``kubectl vmbackup`` at a real API server, with the rights of some roles."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tools.local_cloud.control_plane import ControlPlane
from tools.local_cloud.kubernetes_user import KubernetesUser
from tools.local_cloud.toolchains import kubectl

PLUGINS = Path(sys.executable).parent


class Plugin:
    """The plugin as *user*, whose kubeconfig says the namespace."""

    def __init__(self, user: KubernetesUser, namespace: str, folder: Path) -> None:
        self._folder = folder
        document = json.loads(user.kubeconfig.read_text())
        document["contexts"][0]["context"]["namespace"] = namespace
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(json.dumps(document))

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Have kubectl find the plugin and run it."""
        return self.shell(f'"{kubectl()}" "$@"', "vmbackup", *words, **environment)

    def shell(self, line: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run *line* by a shell that finds kubectl and its plugins."""
        path = f"{PLUGINS}:{kubectl().parent}:/usr/bin:/bin"
        kept = {"KUBECONFIG": str(self.kubeconfig), "HOME": str(self._folder), "PATH": path}
        return subprocess.run(  # noqa: S603 - our own programs
            ["/bin/bash", "-c", line, "-", *words],
            env={**os.environ, **kept, **environment}, cwd=self._folder,
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip

    def said(self, *words: str) -> str:
        """Return what it prints where nothing is wrong."""
        ended = self.run(*words)
        assert (ended.returncode, ended.stderr) == (0, ""), ended.stderr
        return ended.stdout

    def refused(self, *words: str) -> str:
        """Return the one line that it complains in."""
        ended = self.run(*words)
        assert (ended.returncode, ended.stdout) == (2, "")
        (line,) = ended.stderr.splitlines()
        return line


def user(plane: ControlPlane, namespace: str, *roles: str) -> KubernetesUser:
    """Return somebody who has *roles* in the namespace and nothing else."""
    name = "-".join(("user", *roles))
    admin = plane.administrator
    admin.kubectl("create", "serviceaccount", name, "-n", namespace)
    for role in roles:
        admin.kubectl(
            "create", "rolebinding", f"{name}-{role}", "-n", namespace,
            f"--clusterrole={role}", f"--serviceaccount={namespace}:{name}",
        )  # fmt: skip
    return plane.service_account(namespace, name)
