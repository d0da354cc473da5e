"""What stands for a container's image: which files of this machine it is, and how it starts.

Building the operator's image takes packages that a fresh machine has not; a checkout that is set up
has the same programs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.image.parts import BUNDLE
from tools.local_cloud.toolchains import ROOT

#: What programs of this machine need of it.
_SYSTEM = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32")
_FILES = ("etc/ld.so.cache", "etc/localtime", "etc/nsswitch.conf", "etc/ssl", "etc/alternatives")


@dataclass(frozen=True, slots=True)
class Image:
    """An image: *files* are its parts, this machine's paths by the container's."""

    entry_point: tuple[str, ...]
    environment: Mapping[str, str]
    files: Mapping[str, Path]


def operator_image(bundle: Path) -> Image:
    """Return the operator of this checkout, with the workers' *bundle* where the image has it."""
    paths = [Path("/", name) for name in (*_SYSTEM, *_FILES)]
    paths += [Path(sys.prefix), Path(sys.base_prefix), ROOT / "core", ROOT / "operator"]
    paths += _links(Path(sys.executable))
    files = {str(path): path for path in paths if path.exists()}
    return Image(
        entry_point=(sys.executable, "-m", "vmbackup_operator"),
        environment={
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "PYTHONUNBUFFERED": "1",
        },
        files={**files, BUNDLE: bundle},
    )


def _links(path: Path) -> Iterator[Path]:
    """Yield what *path* leads to, link by link."""
    while path.is_symlink():
        path = path.parent / path.readlink()
        yield path
