"""The lock of Debian's packages in the image: reads it, fetches what it names, writes it anew.

`python -m tools.image.debian` writes tools/image/debian.lock from what the release has today.
Debian's pool keeps the newest versions only, so a lock that is older than an update cannot be
fetched any more and has to be written anew; what it names is then a change like any other.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from tools.image.apt import Package, apt, sha256
from tools.local_cloud.toolchains import cache_folder, made_once

LOCK = Path(__file__).with_name("debian.lock")
ARCHITECTURES = ("amd64", "arm64")

#: What the operator runs on; apt adds what they depend on.
WANTED = ("python3-minimal", "libpython3.11-stdlib", "ca-certificates", "base-files", "netbase")
#: What packages depend on to be installed or set up, which happens to none in an image.
LEFT_OUT = {
    *("debconf", "dpkg", "mawk", "openssl", "tar"),
    *("libacl1", "libmd0", "libpcre2-8-0", "libselinux1", "libzstd1"),  # dpkg's and tar's own
}

_BEGINNING = """\
# Debian's packages in the image: architecture, name, version, SHA-256 of the .deb.
# Written by `python -m tools.image.debian`.
"""


def locked(text: str) -> list[Package]:
    """Return the packages that *text*, a lock's, names."""
    lines = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    return [Package(*line) for line in lines]


def packages(architecture: str, lock: Path = LOCK) -> dict[Package, Path]:
    """Return the files of *lock*'s packages for *architecture*, fetched where missing."""
    pins = [pin for pin in locked(lock.read_text()) if pin.architecture == architecture]
    named = "".join(f"{pin.name} {pin.sha256}\n" for pin in pins)
    digest = hashlib.sha256(f"{architecture}\n{named}".encode()).hexdigest()[:16]

    def download(folder: Path) -> None:
        with apt(architecture) as archive:
            found = archive.download({pin.name: pin.version for pin in pins}, folder)
        for pin in pins:
            check(pin, found[pin.name])
            found[pin.name].rename(folder / f"{pin.name}.deb")

    folder = made_once(cache_folder() / f"debian-{architecture}-{digest}", download)
    return {pin: folder / f"{pin.name}.deb" for pin in pins}


def check(pin: Package, file: Path) -> None:
    """Refuse *file* where it is not what *pin* locks."""
    found = sha256(file)
    if found != pin.sha256:
        raise ValueError(f"{file.name}: SHA-256 {found}, but {pin.sha256} is locked")


def _locked_anew() -> str:
    """Return the text of a lock of what the release has, each file as apt has verified it."""
    lines = []
    for architecture in ARCHITECTURES:
        with apt(architecture) as archive, tempfile.TemporaryDirectory() as name:
            needed = archive.needed_for(WANTED)
            kept = {name: version for name, version in needed.items() if name not in LEFT_OUT}
            for package, path in archive.download(kept, Path(name)).items():
                lines.append(f"{architecture} {package} {kept[package]} {sha256(path)}\n")
    return _BEGINNING + "".join(sorted(lines))


if __name__ == "__main__":
    LOCK.write_text(_locked_anew())
    print(f"{LOCK}: {len(locked(LOCK.read_text()))} packages")
