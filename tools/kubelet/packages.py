"""Debian's packages of a node: what runs containers, and what connects pods."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from tools.image.apt import apt, program, sha256
from tools.image.build import own_architecture
from tools.image.debian import ARCHITECTURES, packages
from tools.local_cloud.client_programs import ClientProgram

LOCK = Path(__file__).with_name("debian.lock")

#: What they depend on beside these is on any machine with Debian's C library.
WANTED = ("busybox-static", "containerd", "containernetworking-plugins", "libseccomp2", "runc")

_BEGINNING = """\
# Debian's packages of the tests' real node: architecture, name, version, SHA-256 of the .deb.
# Written by `python -m tools.kubelet --lock`.
"""


def _unpack(folder: Path) -> None:
    dpkg_deb = program("dpkg-deb")
    for file in packages(own_architecture(), LOCK).values():
        subprocess.run([dpkg_deb, "--extract", str(file), str(folder)], check=True)


#: containerd, and in the folders around it all the others.
CONTAINERD = ClientProgram(
    "containerd", (LOCK,), "usr/bin/containerd", _unpack, command="make kubelet"
)


def locked_anew() -> str:
    """Return the text of a lock of what the release has, each file as apt has verified it."""
    lines = []
    for architecture in ARCHITECTURES:
        with apt(architecture) as archive, tempfile.TemporaryDirectory() as name:
            needed = archive.needed_for(WANTED)
            kept = {name: needed[name] for name in WANTED}
            for package, path in archive.download(kept, Path(name)).items():
                lines.append(f"{architecture} {package} {kept[package]} {sha256(path)}\n")
    return _BEGINNING + "".join(sorted(lines))
