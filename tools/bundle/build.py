"""Builds the bundle: the locked wheels as they were published, our two packages, the installer.

Wheels go in unchanged, so each is provably the file that requirements.txt locks by its hash, and
nothing has to be made reproducible but the two archives of our own.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from tools.local_cloud.toolchains import ROOT, cache_folder, made_once
from vmbackup_core.protocol import BUNDLE_LIST, BundleList, bundle_file, bundle_list

REQUIREMENTS = ROOT / "worker_agent" / "requirements.txt"
INSTALLER = Path(__file__).with_name("install")
OWN_PACKAGES = (
    ROOT / "core" / "vmbackup_core",
    ROOT / "worker_agent" / "vmbackup_worker",
)

#: The newest glibc that wheels may need: Ubuntu 22.04 has 2.35.
NEWEST_GLIBC = 35
OLDEST_GLIBC = 5
#: The processors of Azure's VMs, as wheels call them.
MACHINES = ("x86_64", "aarch64")

#: The earliest moment that a zip can hold: every file has it.
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


def build(python: str, out: Path, machine: str = "x86_64") -> BundleList:
    """Return the list of the bundle for *python* (as "3.10"), made anew in the folder *out*.

    *machine* is the worker's processor, one of MACHINES.
    """
    if machine not in MACHINES:
        raise ValueError(f"{machine!r} is none of {', '.join(MACHINES)}")
    if not re.fullmatch(r"3\.\d{1,2}", python):
        raise ValueError(f"{python!r} is no Python version like 3.10")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".bundle-", dir=out.parent) as unfinished:
        folder = Path(unfinished) / "bundle"
        folder.mkdir(mode=0o755)
        built = _fill(folder, python, machine)
        if out.exists():
            _check_replaceable(out)
            shutil.rmtree(out)
        folder.rename(out)
    return built


def _fill(folder: Path, python: str, machine: str) -> BundleList:
    for wheel in sorted(locked_wheels(python, machine).glob("*.whl")):
        shutil.copyfile(wheel, folder / wheel.name)
    for package in OWN_PACKAGES:
        _archive(package, folder / f"{package.name}.zip")
    for file in INSTALLER.iterdir():
        shutil.copyfile(file, folder / file.name)
    files = [bundle_file(path) for path in folder.iterdir()]
    built = bundle_list(python, f"linux_{machine}", files)
    (folder / BUNDLE_LIST).write_bytes(built.encoded())
    return built


def _check_replaceable(out: Path) -> None:
    """Refuse to remove a folder that was never a bundle."""
    if not (out / BUNDLE_LIST).is_file() and any(out.iterdir()):
        raise FileExistsError(f"{out} is not empty and holds no bundle")


def locked_wheels(python: str, machine: str = "x86_64") -> Path:
    """Return the folder with the wheels that requirements.txt locks, for *python*."""
    locked = REQUIREMENTS.read_bytes()
    wanted = f"{python} linux_{machine} {NEWEST_GLIBC}\n"
    digest = hashlib.sha256(wanted.encode() + locked).hexdigest()

    def download(folder: Path) -> None:
        platforms = [
            option
            for minor in range(NEWEST_GLIBC, OLDEST_GLIBC - 1, -1)
            for option in ("--platform", f"manylinux_2_{minor}_{machine}")
        ]
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
        ]
        command += [
            "--require-hashes",
            "--no-deps",
            "--only-binary=:all:",
            "--python-version",
            python,
        ]
        command += [*platforms, "--platform", f"manylinux2014_{machine}", "--dest", str(folder)]
        subprocess.run([*command, "--requirement", str(REQUIREMENTS)], check=True)
        for wheel in folder.glob("*.whl"):
            _check_plain(wheel)

    return made_once(cache_folder() / f"worker-wheels-{digest[:16]}", download)


def _check_plain(wheel: Path) -> None:
    """Refuse a wheel that unpacking alone does not install."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if ".data/" in name.split("/", 1)[0] + "/":
                raise ValueError(f"{wheel.name}: {name} would need an installer")


def _archive(package: Path, out: Path) -> None:
    """Write *package* to a zip whose bytes depend on its files' names and content only."""
    with zipfile.ZipFile(out, "x", zipfile.ZIP_STORED) as archive:
        for path in sorted(package.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                name = path.relative_to(package.parent).as_posix()
                entry = zipfile.ZipInfo(name, ZIP_EPOCH)
                entry.external_attr = 0o100644 << 16
                entry.create_system = 3  # Unix, wherever it is built
                archive.writestr(entry, path.read_bytes())
