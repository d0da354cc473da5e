"""Runs a command as its unit's sandbox says; a program of its own, started for each service.

A VM here has one user id of the host's, so the service's own user is made of namespaces: it sees
itself as that user, has no capability, and what only root could read is covered.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import resource
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from azure_simulator.machines.guest import mounts
from azure_simulator.machines.guest.root import DISKS
from azure_simulator.machines.guest.sandbox import Sandbox

#: systemd's own exit codes.
NO_NAMESPACES, NO_USER, NO_CREDENTIALS = 226, 217, 243

_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_SET_MDWE = 24, 38, 65
_MDWE_REFUSE_EXEC_GAIN = 1
_LAST_CAPABILITY = 63

#: What a VM has of its own, where what only root reads may lie.
_OWN = ("etc", "home", "mnt", "opt", "root", "run", "srv", "var")
#: The kernel's own file systems and devices stay as they are.
_KERNELS = ("/proc", "/dev", "/sys")
_SIZE = "64m"
_COVERS = Path("/run/.covers")


def main() -> None:
    """Confine this process as the first argument says and become the rest; never returns."""
    sandbox, command = Sandbox.from_json(sys.argv[1]), sys.argv[2:]
    user = _user(sandbox.user)
    if sandbox.no_core:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        mounts.own_mounts()
        _hand_over_credentials(sandbox)
        _change_folders(sandbox, other_user=user.pw_uid != 0)
    except OSError as error:
        _end(NO_NAMESPACES, str(error))
    _drop(sandbox, user)
    os.umask(sandbox.umask)
    os.execve(command[0], command, dict(os.environ))  # noqa: S606 - that is what it is for


def _user(name: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        _end(NO_USER, f"there is no user {name}")


def _end(code: int, why: str) -> NoReturn:
    print(why, file=sys.stderr)  # noqa: T201 - into the journal
    raise SystemExit(code)


def _hand_over_credentials(sandbox: Sandbox) -> None:
    """Copy the credentials into memory that this service alone has."""
    if not sandbox.credentials:
        return
    folder = Path(sandbox.credentials_folder)
    copies: dict[str, bytes] = {}
    for name, path in sandbox.credentials:
        try:
            copies[name] = Path(path).read_bytes()
        except OSError as error:
            _end(NO_CREDENTIALS, f"credential {name}: {error.strerror}")
    folder.mkdir(parents=True, exist_ok=True)
    mounts.mount_tmpfs(folder, size=_SIZE)
    for name, data in copies.items():
        (folder / name).write_bytes(data)
        (folder / name).chmod(0o400)
    mounts.make_read_only(folder)


def _change_folders(sandbox: Sandbox, *, other_user: bool) -> None:
    writable = [Path(folder) for folder in sandbox.writable]
    for folder in writable:
        mounts.bind(folder, folder)
    if sandbox.private_tmp:
        writable += _own_tmp()
    _hide(sandbox)
    if other_user:
        _cover(tuple(_of_root_alone(writable, Path(sandbox.credentials_folder))))
    if sandbox.system == "strict":
        _make_all_read_only(writable)
    if sandbox.system == "full":
        mounts.bind_read_only(Path("/etc"), Path("/etc"))


def _empty(home: Path) -> None:
    """Let nothing be seen in *home*; an image's Python that is installed there still runs."""
    inside = [path for path in mounts.mounted_below(home) if path != home]
    _COVERS.mkdir(exist_ok=True)
    for number, path in enumerate(inside):
        (_COVERS / str(number)).mkdir(exist_ok=True)
        mounts.bind(path, _COVERS / str(number))
    mounts.mount_tmpfs(home, size=_SIZE)
    for number, path in enumerate(inside):
        path.mkdir(parents=True)
        mounts.bind(_COVERS / str(number), path)
    for folder in [
        home,
        *(each for path in inside for each in path.parents if home in each.parents),
    ]:
        folder.chmod(0o111)


def _hide(sandbox: Sandbox) -> None:
    """Let nothing be seen of the disks, and of the homes, that the service may not have."""
    if not _has_data_disks(sandbox):
        mounts.mount_tmpfs(Path("/") / DISKS, size=_SIZE)
    if sandbox.protect_home:
        for home in (Path("/home"), Path("/root")):
            _empty(home)


def _has_data_disks(sandbox: Sandbox) -> bool:
    """Tell whether the service may open data disks: they are root's, and whose udev's rules say."""
    if sandbox.private_devices or sandbox.user == "root":
        return not sandbox.private_devices
    rules = Path("/etc/udev/rules.d")
    lines = (line for each in rules.glob("*.rules") for line in each.read_text().splitlines())
    wanted = ('SYMLINK=="disk/azure/scsi1/lun', f'GROUP="{sandbox.user}"', 'MODE="0660"')
    return any(all(part in line for part in wanted) for line in lines)


def _own_tmp() -> list[Path]:
    folders = [Path("/tmp"), Path("/var/tmp")]  # noqa: S108 - the service's own
    for folder in folders:
        folder.mkdir(exist_ok=True)
        mounts.mount_tmpfs(folder, size=_SIZE)
        folder.chmod(0o1777)
    return folders


def _make_all_read_only(writable: list[Path]) -> None:
    for mounted in mounts.mounted_below(Path("/")):
        kernels = any(str(mounted).startswith(name) for name in _KERNELS)
        if not kernels and mounted not in writable:
            mounts.make_read_only(mounted)


def _of_root_alone(writable: list[Path], credentials: Path) -> Iterator[Path]:
    """Return what nobody but root may read or enter, and is not the service's."""
    spared = {*writable, credentials, _COVERS}
    for name in _OWN:
        for folder, folders, files in os.walk(Path("/", name)):
            here = Path(folder)
            for each in [*folders, *files]:
                path = here / each
                if path in spared or path.is_symlink():
                    continue
                mode = path.stat().st_mode
                needed = stat.S_IXOTH if path.is_dir() else stat.S_IROTH
                if not mode & needed:
                    yield path
            folders[:] = [
                each
                for each in folders
                if here / each not in spared and (here / each).stat().st_mode & stat.S_IXOTH
            ]


def _cover(paths: tuple[Path, ...]) -> None:
    """Put something that can't be read over each of *paths*, as those are for another user."""
    if not paths:
        return
    _COVERS.mkdir(exist_ok=True)
    (_COVERS / "folder").mkdir(mode=0, exist_ok=True)
    (_COVERS / "file").touch(mode=0)
    for path in paths:
        mounts.bind(_COVERS / ("folder" if path.is_dir() else "file"), path)


def _drop(sandbox: Sandbox, user: pwd.struct_passwd) -> None:
    """Give up rights: last, since all before needs them."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if user.pw_uid != 0:
        mounts.become(user.pw_uid, user.pw_gid)
    if sandbox.no_capabilities:
        for capability in range(_LAST_CAPABILITY + 1):
            prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # fails beyond the kernel's last one
    if sandbox.no_new_privileges:
        prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if sandbox.no_writable_code:
        prctl(_PR_SET_MDWE, _MDWE_REFUSE_EXEC_GAIN, 0, 0, 0)  # kernels before 6.3 do not know it


if __name__ == "__main__":
    main()
