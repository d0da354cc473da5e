"""Bytecode for the image, by the image's own Python: with it the operator starts in half the time.

An image's root is read-only, so what is not compiled beforehand is compiled at each start.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path


def compile_bytecode(root: Path, python: Path, folders: Iterable[str]) -> None:
    """Write the bytecode of *folders* (absolute in the image) below *root*.

    *python* is the tree of an image of this machine's architecture, whose Python compiles: bytecode
    differs between versions, and is the same on all processors. It is valid whatever the time of
    its source, which an image does not keep.
    """
    command = [*python_of(python), "-s", "-P", "-m", "compileall", "-q"]
    command += ["--invalidation-mode", "unchecked-hash"]
    command += ["-s", str(root), "-p", "/", *(f"{root}{folder}" for folder in folders)]
    environment = {
        "PYTHONHOME": str(python / "usr"),
        "PYTHONHASHSEED": "0",  # the order of what a constant set holds
        "PYTHONDONTWRITEBYTECODE": "1",  # of what compileall itself loads, by time
    }
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"compiling {root} failed:\n{(done.stdout + done.stderr)[-4000:]}")


def python_of(root: Path) -> list[str]:
    """Return how the Python in the tree *root* is started from outside: by its own loader."""
    libraries = [path for path in (root / "usr/lib").glob("*-linux-gnu") if path.is_dir()]
    loaders = [path for path in libraries[0].glob("ld-linux-*.so.*") if path.is_file()]
    loader = [str(loaders[0]), "--library-path", str(libraries[0])]
    return [*loader, str((root / "usr/bin/python3").resolve())]
