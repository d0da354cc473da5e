"""The image's lowest files: Debian's packages unpacked, and what their scripts would have made.

No maintainer script runs, so it makes no difference for which architecture the files are. What the
scripts would have made and is needed, is made here: the CA file, users, the record of what is
installed (`/var/lib/dpkg/status.d`, which scanners read).
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tools.image.apt import Package, program

#: Who the operator is in the image; not root, and nobody that a host has.
USER_ID = 65532

_MERGED = ("bin", "sbin", "lib", "lib64")
#: What nobody reads in an image. Copyright files stay: licences ask for them.
_LEFT_OUT = ("usr/share/man", "usr/share/locale", "usr/share/lintian", "usr/share/info")
CA_FILE = "/etc/ssl/certs/ca-certificates.crt"
_WRITTEN = {
    "etc/passwd": (
        "root:x:0:0:root:/root:/usr/sbin/nologin\n"
        "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
        f"vmbackup:x:{USER_ID}:{USER_ID}:vmbackup:/nonexistent:/usr/sbin/nologin\n"
    ),
    "etc/group": f"root:x:0:\nnogroup:x:65534:\nvmbackup:x:{USER_ID}:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\n",
}


def unpack(packages: Mapping[Package, Path], root: Path) -> None:
    """Fill the new folder *root* with the files of *packages*, as an installed Debian has them."""
    records = root / "var/lib/dpkg/status.d"
    records.mkdir(parents=True)
    dpkg_deb = program("dpkg-deb")
    for package, file in packages.items():
        subprocess.run([dpkg_deb, "--extract", str(file), str(root)], check=True)
        said = subprocess.run([dpkg_deb, "--field", str(file)], check=True, capture_output=True)
        (records / package.name).write_bytes(said.stdout)
    _merge_usr(root)
    for left_out in _LEFT_OUT:
        shutil.rmtree(root / left_out, ignore_errors=True)
    _leave_only_licences(root / "usr/share/doc")
    for name, text in _WRITTEN.items():
        (root / name).write_text(text)
    write_authorities(root)


def _merge_usr(root: Path) -> None:
    """Have /lib and its like lie in /usr, as in every Debian: packages still name them without."""
    for name in _MERGED:
        if (root / name).is_dir():
            merged = root / "usr" / name
            shutil.copytree(root / name, merged, symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(root / name)
        (root / name).symlink_to(f"usr/{name}")


def write_authorities(root: Path) -> None:
    """Write the one file of all authorities that ca-certificates brings, as its script would."""
    found = sorted((root / "usr/share/ca-certificates").rglob("*.crt"))
    if not found:
        raise LookupError(f"{root}: ca-certificates brought no certificate")
    written = root / CA_FILE.lstrip("/")
    written.parent.mkdir(parents=True, exist_ok=True)
    written.write_text("".join(f"{path.read_text().strip()}\n" for path in found))


def _leave_only_licences(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.name != "copyright":
            path.unlink()
