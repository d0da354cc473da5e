"""The Python packages that the product needs: in the versions and files that its tests run with.

There is no lock of the image's own. Which distributions ship follows from pyproject.toml and from
what each of them says that it needs; versions and hashes are tools/python/requirements.txt's.
"""

from __future__ import annotations

import hashlib
import re
import sys
import tomllib
import zipfile
from collections.abc import Iterable
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.local_cloud.toolchains import ROOT, cache_folder, made_once, run_quietly

REQUIREMENTS = ROOT / "tools" / "python" / "requirements.txt"
PROJECT = ROOT / "pyproject.toml"

#: The Python of Debian's release, and the newest glibc that its wheels may need.
PYTHON = "3.11"
_GLIBC = 36
_OLDEST_GLIBC = 17
_PINNED = re.compile(r"^(?P<name>[a-z0-9-]+)==.*?(?=^\S|\Z)", re.MULTILINE | re.DOTALL)


def needed(machine: str) -> set[str]:
    """Return the names of all distributions that the product needs on *machine* (as "x86_64")."""
    environment = {
        "python_version": PYTHON,
        "python_full_version": f"{PYTHON}.0",
        "platform_machine": machine,
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    wanted = [Requirement(line) for line in _project()["dependencies"]]
    found: dict[str, set[str]] = {}
    while wanted:
        asked = wanted.pop()
        name = canonicalize_name(asked.name)
        extras = found.setdefault(name, set())
        new = (asked.extras | {""}) - extras
        extras |= new
        for line in requires(name) or ():
            inner = Requirement(line)
            marker = inner.marker
            if marker is None:
                wanted += [inner] if "" in new else []
            elif any(marker.evaluate({**environment, "extra": extra}) for extra in new):
                wanted.append(inner)
    return set(found)


def lock(names: Iterable[str]) -> str:
    """Return the lines of the tests' lock that pin *names*."""
    pinned = {found["name"]: found.group() for found in _PINNED.finditer(REQUIREMENTS.read_text())}
    missing = sorted(set(names) - pinned.keys())
    if missing:
        raise LookupError(f"{REQUIREMENTS.relative_to(ROOT)} pins no {', '.join(missing)}")
    return "".join(pinned[name] for name in sorted(names))


def wheels(machine: str) -> list[Path]:
    """Return the wheels of all that the product needs on *machine*, fetched where missing."""
    pins = lock(needed(machine))
    digest = hashlib.sha256(f"{PYTHON} {machine} {_GLIBC}\n{pins}".encode()).hexdigest()[:16]

    def download(folder: Path) -> None:
        only_these = folder / "requirements.txt"
        only_these.write_text(pins)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--require-hashes", "--only-binary=:all:"]
        command += ["--python-version", PYTHON, "--dest", str(folder)]
        for minor in range(_GLIBC, _OLDEST_GLIBC - 1, -1):
            command += ["--platform", f"manylinux_2_{minor}_{machine}"]
        command += ["--platform", f"manylinux2014_{machine}"]
        run_quietly([*command, "--requirement", str(only_these)])

    folder = made_once(cache_folder() / f"image-wheels-{machine}-{digest}", download)
    return sorted(folder.glob("*.whl"))


def unpack(files: Iterable[Path], out: Path) -> None:
    """Unpack wheels into the folder *out*, without their commands.

    That alone installs them; a wheel that needs more is refused.
    """
    for file in files:
        with zipfile.ZipFile(file) as archive:
            for name in archive.namelist():
                apart = re.match(r"[^/]+\.data/(\w+)/", name)
                if apart is None:
                    archive.extract(name, out)
                elif apart[1] != "scripts":
                    raise ValueError(f"{file.name}: {name} would need an installer")


def project_version() -> str:
    """Return the product's own version."""
    return str(_project()["version"])


def project_scripts() -> dict[str, str]:
    """Return the product's commands, each with the function that it calls, as ``module:name``."""
    return dict(_project()["scripts"])


def _project() -> dict[str, dict[str, str]]:
    project: dict[str, dict[str, str]] = tomllib.loads(PROJECT.read_text())["project"]
    return project
