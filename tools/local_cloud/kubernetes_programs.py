"""etcd, kube-apiserver and kube-controller-manager: built once from the modules that we pin.

The first build takes about five minutes on two cores, downloads included. What it makes lies in the
user's cache under a name made of the pins, so that another checkout with the same pins finds it.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tempfile
from pathlib import Path

from tools.local_cloud.toolchains import ROOT, cache_folder, go, made_once

PINS = ROOT / "tools" / "kubernetes"

#: What each program is called, and the package it is built from.
PACKAGES = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
}

#: How often a build that goes on shows it.
DOT_S = 10


def kubernetes_program(name: str) -> Path:
    """Return the program called *name*: from KUBEBUILDER_ASSETS where that has it, else built."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets and (Path(assets) / name).is_file():
        return Path(assets) / name
    return _built() / name


def _built() -> Path:
    pinned = (PINS / "go.mod").read_bytes() + (PINS / "go.sum").read_bytes()
    digest = hashlib.sha256(pinned).hexdigest()[:16]
    return made_once(cache_folder() / f"kubernetes-{digest}", _build)


def _build(folder: Path) -> None:
    compiler = str(go(PINS))
    print("\n    downloading the modules that tools/kubernetes pins", end="", flush=True)
    _run([compiler, "mod", "download"])
    for name, package in PACKAGES.items():
        print(f"\n    building {name} from source", end="", flush=True)
        command = [compiler, "build", "-trimpath", "-mod=readonly", "-ldflags", link_flags()]
        _run([*command, "-o", str(folder / name), package])
    print("\n   ", end="", flush=True)


def _run(command: list[str]) -> None:
    """Run a command of Go's, a dot every ten seconds; raise with its last words where it fails."""
    environment = {**os.environ, "GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOFLAGS": ""}
    with (
        tempfile.TemporaryFile() as output,
        subprocess.Popen(
            command, cwd=PINS, env=environment, stdout=output, stderr=subprocess.STDOUT
        ) as process,
    ):
        while not _has_ended(process):
            print(".", end="", flush=True)
        if process.returncode:
            output.seek(0)
            said = output.read().decode(errors="replace").strip()[-4000:]
            raise RuntimeError(f"{' '.join(command)} failed:\n{said}")


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Return whether *process* ended within the next seconds."""
    try:
        process.wait(DOT_S)
    except subprocess.TimeoutExpired:
        return False
    return True


def link_flags() -> str:
    """Return flags that leave symbols out and put in the version, as Kubernetes' own build does."""
    pinned = re.search(r"k8s\.io/kubernetes (v(\d+)\.(\d+)\S*)", (PINS / "go.mod").read_text())
    if pinned is None:
        raise LookupError(f"{PINS / 'go.mod'} pins no k8s.io/kubernetes")
    version, major, minor = pinned.groups()
    said = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    stamps = " ".join(f"-X k8s.io/component-base/version.{key}={said[key]}" for key in said)
    return f"-s -w {stamps}"
