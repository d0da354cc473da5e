"""Mounting through the kernel's own calls: binds, read-only binds, and the change of root."""

from __future__ import annotations

import ctypes
import os
import platform
import re
from pathlib import Path

_MS_RDONLY = 1
_MS_NOSUID = 2
_MS_NODEV = 4
_MS_NOEXEC = 8
_MS_REMOUNT = 32
_MS_BIND = 4096
_MS_REC = 16384
_MS_PRIVATE = 1 << 18
_MNT_DETACH = 2
_CLONE_NEWNS = 0x00020000
_CLONE_NEWUSER = 0x10000000

#: A user namespace may not drop these from a mount that it got from the host.
_LOCKED = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC

_NO_SOURCE = Path("none")
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}

_libc = ctypes.CDLL(None, use_errno=True)


def make_private() -> None:
    """Let nothing that is mounted from here on be seen outside."""
    _mount(_NO_SOURCE, Path("/"), None, _MS_REC | _MS_PRIVATE)


def mount_tmpfs(target: Path, *, size: str) -> None:
    """Mount an empty file system in memory."""
    _mount(_NO_SOURCE, target, "tmpfs", _MS_NOSUID | _MS_NODEV, f"mode=755,size={size}")


def mount_proc(target: Path) -> None:
    """Mount the process file system of this process namespace."""
    _mount(_NO_SOURCE, target, "proc", _LOCKED)


def bind(source: Path, target: Path) -> None:
    """Show *source*, with what is mounted below it, at *target*."""
    _mount(source, target, None, _MS_BIND | _MS_REC)


def bind_read_only(source: Path, target: Path) -> None:
    """Show *source* at *target*, and let nobody write there: each mount below needs it, too."""
    bind(source, target)
    for mounted in mounted_below(target):
        make_read_only(mounted)


def make_read_only(target: Path) -> None:
    """Make the mount at *target* read-only."""
    kept = os.statvfs(target).f_flag & _LOCKED  # the ST_ flags have the MS_ flags' values
    _mount(_NO_SOURCE, target, None, _MS_REMOUNT | _MS_BIND | _MS_RDONLY | kept)


def change_root(new_root: Path) -> None:
    """Make *new_root* the root, and the old one gone."""
    number = _PIVOT_ROOT.get(platform.machine())
    if number is None:
        raise OSError(f"pivot_root's number is not known for {platform.machine()}")
    os.chdir(new_root)
    # Old onto new and away at once: no folder is needed to put the old root on.
    _check(_libc.syscall(number, b".", b"."), "pivot_root", new_root)
    _check(_libc.umount2(b".", _MNT_DETACH), "umount", Path("/"))
    os.chdir("/")


def own_mounts() -> None:
    """Let this process's mounts be seen by nobody else."""
    _check(_libc.unshare(_CLONE_NEWNS), "unshare", Path("/"))
    make_private()


def become(user: int, group: int) -> None:
    """Be *user* and *group* from here on, without any right of root's.

    The host has one id for all of a VM's users: what belongs to root here seems to be theirs.
    """
    was_user, was_group = os.getuid(), os.getgid()
    _check(_libc.unshare(_CLONE_NEWUSER), "unshare", Path("/"))
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{user} {was_user} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{group} {was_group} 1", encoding="ascii")


def lock() -> None:
    """Move into namespaces from which nothing that was mounted so far can be undone.

    Without this, root in the VM could make the host's folders writable again.
    """
    user, group = os.getuid(), os.getgid()
    _check(_libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNS), "unshare", Path("/"))
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1", encoding="ascii")


def mounted_below(target: Path) -> list[Path]:
    """Return where something is mounted at *target* or below it."""
    path = target.resolve()
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    points = [_unescaped(line.split(" ")[4]) for line in lines]
    return [point for point in points if point == path or path in point.parents]


def _unescaped(field: str) -> Path:
    return Path(re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field))


def _mount(source: Path, target: Path, kind: str | None, flags: int, data: str = "") -> None:
    result = _libc.mount(
        bytes(source),
        bytes(target),
        kind.encode() if kind else None,
        ctypes.c_ulong(flags),
        data.encode(),
    )
    _check(result, f"mount {source}", target)


def _check(result: int, what: str, where: Path) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}", str(where))


def made(folder: Path) -> Path:
    """Return *folder*, made where missing: something is mounted on it, or into it."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder
