"""Programs that others wrote and that use Azure: Azure CLI, azcopy, one of Azure's SDK for Go.

Each is made once, from what tools/ pins, in the user's cache under a name made of the pins. Only
tests and whoever tries the demo out use them; nothing of them is shipped.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tools.local_cloud.toolchains import (
    ROOT,
    build_go,
    cache_folder,
    made_once,
    node,
    npm,
    run_quietly,
)

_PINS = ROOT / "tools" / "clients"

#: What azcopy's keyring is; Debian's and Ubuntu's package of it.
_KEYRING, _KEYRING_PACKAGE = "libsecret-1.so.0", "libsecret-1-0"


@dataclass(frozen=True, slots=True)
class ClientProgram:
    """A program that is made once, by *make*, in a folder that is named after its *pins*."""

    name: str
    pins: tuple[Path, ...]
    program: str
    make: Callable[[Path], None]
    #: What somebody types to have it made.
    command: str = "make clients"

    @property
    def folder(self) -> Path:
        """Where it lies, or will lie."""
        pinned = b"".join(path.read_bytes() for path in self.pins)
        return cache_folder() / f"{self.name}-{hashlib.sha256(pinned).hexdigest()[:16]}"

    @property
    def is_built(self) -> bool:
        """Whether it is there."""
        return self.folder.is_dir()

    def path(self) -> Path:
        """Return the program, made where it is missing."""
        return made_once(self.folder, self.make) / self.program


def _install_azure_cli(folder: Path) -> None:
    run_quietly([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")])
    uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--require-hashes", "--no-build"]
    python = folder / "venv" / "bin" / "python"
    uv += ["--link-mode", "copy", "--python", str(python)]
    run_quietly([*uv, "-r", str(_AZURE_CLI_LOCK)])
    _write_program(folder / "az", 'exec "$here/venv/bin/python" -Im azure.cli "$@"')


def _install_azcopy(folder: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(_PINS / "azcopy" / name, folder / name)
    with_node = node()
    options = ["--no-audit", "--no-fund", "--ignore-scripts"]
    run_quietly([*npm(with_node), "ci", *options], cwd=folder, path=with_node.parent)
    package = "node_modules/@azure-tools/azcopy-linux/dist/bin"
    (binary,) = (folder / package).iterdir()
    binary.chmod(0o755)
    (folder / "lib").mkdir()
    if not _can_load(_KEYRING):
        _unpack_keyring(folder)
    found = 'LD_LIBRARY_PATH="$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"'
    _write_program(folder / "azcopy", f'{found} exec "$here/{package}/{binary.name}" "$@"')


def _can_load(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _unpack_keyring(folder: Path) -> None:
    """Put the library of the distribution's own package beside azcopy; nothing is installed."""
    missing = LookupError(f"azcopy needs {_KEYRING}: apt-get install {_KEYRING_PACKAGE}")
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise missing
    download = ["apt-get", "download", "--quiet", _KEYRING_PACKAGE]
    try:
        run_quietly(download, cwd=folder)
    except RuntimeError as error:
        if os.geteuid() != 0:
            raise missing from error
        run_quietly(["apt-get", "update", "--quiet"])  # the lists may be older than the archive
        run_quietly(download, cwd=folder)
    (package,) = folder.glob(f"{_KEYRING_PACKAGE}_*.deb")
    run_quietly(["dpkg", "-x", str(package), str(folder / "unpacked")])
    for library in (folder / "unpacked").glob(f"**/{_KEYRING}*"):
        shutil.copy(library, folder / "lib" / library.name)


def _build_go_client(folder: Path) -> None:
    build_go(_PINS / "go_sdk", ".", folder / "look")


def _write_program(path: Path, line: str) -> None:
    path.write_text(f'#!/bin/sh\nhere=$(dirname "$(readlink -f "$0")")\n{line}\n')
    path.chmod(0o755)


_AZURE_CLI_LOCK = ROOT / "tools" / "python" / "requirements-azure-cli.txt"

AZURE_CLI = ClientProgram("azure-cli", (_AZURE_CLI_LOCK,), "az", _install_azure_cli)
AZCOPY = ClientProgram(
    "azcopy", (_PINS / "azcopy" / "package-lock.json",), "azcopy", _install_azcopy
)
GO_CLIENT = ClientProgram(
    "go-client",
    tuple(_PINS / "go_sdk" / name for name in ("go.mod", "go.sum", "main.go")),
    "look",
    _build_go_client,
)


def azcopy() -> Path:
    """Return azcopy, installed where missing."""
    return AZCOPY.path()


def main() -> None:
    """Make what is missing, and say what takes how long."""
    for program in (AZURE_CLI, AZCOPY, GO_CLIENT):
        began = time.monotonic()
        path = program.path()
        print(f"  {program.name:<10} {time.monotonic() - began:6.1f} s  {path}", flush=True)


if __name__ == "__main__":
    main()
