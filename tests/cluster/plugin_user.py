"""Somebody who uses ``kubectl vmbackup`` at a real API server, with the rights of some roles."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.local_cloud.control_plane import ControlPlane
from tools.local_cloud.kubernetes_user import KubernetesUser
from tools.local_cloud.loading import Loaded
from tools.local_cloud.toolchains import kubectl

PLUGINS = Path(sys.executable).parent
_PACKAGE = "vmbackup_operator.kubectl_plugin"
#: What the commands load when they run.
_MODULES = [f"{_PACKAGE}.{name}" for name in ("running", "reading", "requests", "restoring")]


@contextmanager
def loaded_plugin(folder: Path) -> Iterator[Loaded]:
    """Have the plugin's program ready to run."""
    loaded = Loaded(f"{_PACKAGE}:main", folder / "loading.log", os.environ, _MODULES)
    try:
        yield loaded
    finally:
        loaded.unload()


class Plugin:
    """The plugin as *user*, whose kubeconfig says the namespace.

    Most that is asked of it is asked of what is *loaded*: what a command says is the same.
    """

    def __init__(self, loaded: Loaded, folder: Path, user: KubernetesUser, namespace: str) -> None:
        self._loaded, self._folder = loaded, folder
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
        return subprocess.run(  # noqa: S603 - our own programs
            ["/bin/bash", "-c", line, "-", *words],
            env={**self._environment(), **environment}, cwd=self._folder,
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip

    def _environment(self) -> dict[str, str]:
        path = f"{PLUGINS}:{kubectl().parent}:/usr/bin:/bin"
        kept = {"KUBECONFIG": str(self.kubeconfig), "HOME": str(self._folder), "PATH": path}
        return {**os.environ, **kept}

    def asked(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run it as kubectl does, without kubectl."""
        with (
            Path(os.devnull).open("rb") as nothing,
            tempfile.TemporaryFile("w+") as printed,
            tempfile.TemporaryFile("w+") as complained,
        ):
            streams = (nothing.fileno(), printed.fileno(), complained.fileno())
            run = self._loaded.begin(words, streams, self._environment(), self._folder)
            code = run.wait(120)
            printed.seek(0)
            complained.seek(0)
            return subprocess.CompletedProcess(words, code, printed.read(), complained.read())

    def said(self, *words: str) -> str:
        """Return what it prints where nothing is wrong."""
        ended = self.asked(*words)
        assert (ended.returncode, ended.stderr) == (0, ""), ended.stderr
        return ended.stdout

    def refused(self, *words: str) -> str:
        """Return the one line that it complains in."""
        ended = self.asked(*words)
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
