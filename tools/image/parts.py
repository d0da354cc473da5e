"""What lies in the image above Debian: the Python packages, the product, the workers' bundles."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from tools.bundle.build import build as build_bundle
from tools.image import wheels
from tools.image.bytecode import compile_bytecode
from tools.local_cloud.toolchains import ROOT

LIBRARY = "/opt/vmbackup/lib"
PRODUCT = "/opt/vmbackup/product"
PROGRAMS = "/opt/vmbackup/bin"

#: Our packages that the operator and the command line are.
OWN_PACKAGES = (ROOT / "core" / "vmbackup_core", ROOT / "operator" / "vmbackup_operator")

#: Which workers the operator brings programs for, as Python and processor.
BUNDLES = (("3.10", "x86_64"), ("3.10", "aarch64"), ("3.12", "x86_64"), ("3.12", "aarch64"))
BUNDLES_FOLDER = "/usr/share/vmbackup/bundles"
#: Where the settings of the chart look: the one for the worker image that settings begin with.
BUNDLE, _BUNDLE_LEADS_TO = "/usr/share/vmbackup/bundle", "bundles/3.10-x86_64"

_PROGRAM = """\
#!/usr/bin/python3 -P
import sys
from {module} import {function}
sys.exit({function}())
"""


def add_library(root: Path, files: Iterable[Path], python: Path) -> None:
    """Fill *root* with what the wheels in *files* install, compiled by the Python in *python*."""
    folder = _made(root, LIBRARY)
    wheels.unpack(files, folder)
    compile_bytecode(root, python, [LIBRARY])


def add_product(root: Path, python: Path) -> None:
    """Fill *root* with our own packages, their bytecode, and the commands that call them."""
    folder = _made(root, PRODUCT)
    for package in OWN_PACKAGES:
        shutil.copytree(
            package, folder / package.name, ignore=shutil.ignore_patterns("__pycache__")
        )
    version = wheels.project_version()
    installed = folder / f"vmbackup-{version}.dist-info"
    installed.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: vmbackup\nVersion: {version}\n"
    (installed / "METADATA").write_text(metadata)
    compile_bytecode(root, python, [PRODUCT])
    programs = _made(root, PROGRAMS)
    for name, called in wheels.project_scripts().items():
        module, function = called.split(":")
        (programs / name).write_text(_PROGRAM.format(module=module, function=function))
        (programs / name).chmod(0o755)


def add_bundles(root: Path) -> list[Path]:
    """Fill *root* with the bundles of all workers, and return their folders."""
    folder = _made(root, BUNDLES_FOLDER)
    made = []
    for python, machine in BUNDLES:
        made.append(folder / f"{python}-{machine}")
        build_bundle(python, made[-1], machine)
    (root / BUNDLE.lstrip("/")).symlink_to(_BUNDLE_LEADS_TO)
    return made


def _made(root: Path, absolute: str) -> Path:
    folder = root / absolute.lstrip("/")
    folder.mkdir(parents=True)
    return folder
