"""What somebody needs to use the demo that is left running: an environment, and what to try."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.local_cloud import seed
from tools.local_cloud.administrator import SUBSCRIPTION
from tools.local_cloud.installation import OPERATOR_NAMESPACE, USER_NAMESPACE
from tools.local_cloud.operator_process import azure_environment
from tools.local_cloud.toolchains import kubectl


def variables(ready: Mapping[str, Any], kubeconfig: Path) -> dict[str, str]:
    """Return what points kubectl and any Azure client at what the demo runs."""
    return {"KUBECONFIG": str(kubeconfig), **azure_environment(ready)}


def programs() -> list[Path]:
    """Return the folders of vmbackup and, where PATH has none, of kubectl."""
    folders = [Path(sys.executable).parent]
    return folders if shutil.which("kubectl") else [*folders, kubectl().parent]


def write_environment(path: Path, values: Mapping[str, str], folders: Sequence[Path]) -> str:
    """Write to *path*, for a shell to source, *values* and *folders* before its PATH; return it."""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in values.items()]
    lines += [f'export PATH={shlex.quote(str(folder))}:"$PATH"' for folder in folders]
    path.touch(mode=0o600)
    path.write_text("\n".join(lines) + "\n")
    return path.read_text()


def to_restart() -> str:
    """Return how to stop the operators and how to start them again, ready to paste."""
    scale = f"kubectl scale deployment/vmbackup-operator -n {OPERATOR_NAMESPACE}"
    return f"""\
{scale} --replicas=0
{scale} --replicas=2
"""


def to_try(repository: str, key_file: Path, folder: Path) -> str:
    """Return a few commands, ready to paste, and where the logs are."""
    in_repository = f"--repository {repository} --key-file {key_file}"
    return f"""\
kubectl get pods -n {OPERATOR_NAMESPACE} -o wide
kubectl get vmbackup -A
kubectl describe backupsessions -n {USER_NAMESPACE}
kubectl annotate --overwrite bpol/nightly -n {USER_NAMESPACE} vmbackup.dev/trigger="$(date +%s)"
kubectl get backupsessions -n {USER_NAMESPACE} --watch
vmbackup repository list {in_repository}
Azure:  subscription {SUBSCRIPTION}, VM {seed.VM_ID}
Logs:   {folder}/nodes/*/operator.log, {folder}/azure/simulator.log
"""
