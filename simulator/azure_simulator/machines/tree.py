"""A VM's own folders on the host: what an image's disk holds, and what a boot clears."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from azure_simulator.machines.guest.root import DISKS, OWN_FOLDERS
from azure_simulator.machines.trust import subject_hash

_CLEARED_AT_BOOT = ("run", "tmp")
_FOLDERS = (
    "etc/systemd/system",
    "etc/ssl/certs",
    "etc/ssl/private",
    "home/azureuser",
    "var/cache",
    "var/lib",
    "var/log",
    "var/tmp",
)
_LINKS = {"var/run": "/run", "var/lock": "/run/lock"}

#: What programs of the host's /usr need to find their way: libraries, alternatives, settings.
_COPIED = ("alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "mke2fs.conf", "protocols")
_COPIED_SSL = "ssl/openssl.cnf"

_JAMMY = """\
PRETTY_NAME="Ubuntu 22.04 LTS"
NAME="Ubuntu"
VERSION_ID="22.04"
VERSION="22.04 LTS (Jammy Jellyfish)"
VERSION_CODENAME=jammy
ID=ubuntu
ID_LIKE=debian
UBUNTU_CODENAME=jammy
"""


def make_tree(tree: Path, hostname: str, image: Mapping[str, str], authority: bytes) -> None:
    """Lay out the folders that *image*'s disk would have; *authority* is the only trusted one."""
    for folder in (*OWN_FOLDERS, *_FOLDERS, DISKS):
        (tree / folder).mkdir(parents=True, exist_ok=True)
    for link, target in _LINKS.items():
        (tree / link).unlink(missing_ok=True)
        (tree / link).symlink_to(target)
    etc = tree / "etc"
    for name in (*_COPIED, _COPIED_SSL):
        _copy(Path("/etc") / name, etc / name)
    for name, text in _settings(hostname, image).items():
        (etc / name).write_text(text, encoding="utf-8")
    certificates = etc / "ssl/certs"
    (certificates / "ca-certificates.crt").write_bytes(authority)
    (certificates / "azure-simulator.pem").write_bytes(authority)
    by_hash = certificates / f"{subject_hash(authority)}.0"
    by_hash.unlink(missing_ok=True)
    by_hash.symlink_to("azure-simulator.pem")


def clear_for_boot(tree: Path) -> None:
    """Empty what does not outlive a boot."""
    for name in _CLEARED_AT_BOOT:
        shutil.rmtree(tree / name, ignore_errors=True)
        (tree / name).mkdir(exist_ok=True)
    (tree / "tmp").chmod(0o1777)
    (tree / "root").chmod(0o700)
    (tree / "run/lock").mkdir(exist_ok=True)


def write_hosts(tree: Path, hostname: str, names: Mapping[str, str]) -> None:
    """Make *names* all that the VM can resolve beside itself."""
    lines = ["127.0.0.1 localhost", f"127.0.1.1 {hostname}"]
    lines += [f"{address} {name}" for name, address in sorted(names.items())]
    text = "\n".join(lines) + "\n"
    path = tree / "etc/hosts"
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    fresh = path.with_name("hosts.fresh")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def _settings(hostname: str, image: Mapping[str, str]) -> dict[str, str]:
    return {
        "passwd": "root:x:0:0:root:/root:/bin/bash\n",
        "group": "root:x:0:\n",
        "hostname": f"{hostname}\n",
        "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
        # Ubuntu's stub resolver; names come from the hosts file, which is kept as the VNet's DNS.
        "resolv.conf": "nameserver 127.0.0.53\n",
        "os-release": _os_release(image),
        "fstab": "",
    }


def _os_release(image: Mapping[str, str]) -> str:
    sku, offer = image.get("sku", ""), image.get("offer", "")
    if "22_04" in sku or "jammy" in offer:
        return _JAMMY
    return f'PRETTY_NAME="{offer} {sku}"\nNAME="{offer}"\nVERSION_ID="{sku}"\nID=linux\n'


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
    elif source.is_file():
        shutil.copyfile(source, target)
        target.chmod(0o644)
