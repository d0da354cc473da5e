"""The VM's root: folders of its own, and of the host only ``/usr``, which can't be written to."""

from __future__ import annotations

import re
from pathlib import Path

from azure_simulator.machines.guest import mounts
from azure_simulator.machines.guest.devices import DEVICES, make_devices
from azure_simulator.machines.guest.plan import Plan

#: Where the VM's own things are; all else of the root can't be written to.
OWN_FOLDERS = ("etc", "home", "mnt", "opt", "root", "run", "srv", "tmp", "var")

#: Links to the data disks that are attached, which come and go while the VM runs.
DISKS = "dev/disk"

#: The simulator's part of the root, outside of what a script would look into.
_MACHINE = ".machine"
SOURCES = f"/{_MACHINE}/python"

_SYSTEM_FOLDERS = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")

#: The host's programs that would not be the VM's: its Pythons and its service manager.
_NOT_OURS = re.compile(r"(python|pip|idle|pydoc|2to3|systemctl|journalctl)[-0-9.]*(-config)?")

#: Links to the host's programs take no more.
_LINKS_SIZE = "16m"
_SHARED_MEMORY_SIZE = "1g"


def enter(plan: Plan) -> None:
    """Build the root that *plan* describes and change into it."""
    root = Path(plan.root)
    mounts.make_private()
    mounts.mount_tmpfs(root, size=_LINKS_SIZE)
    _system(root, Path(plan.sources))
    for name in OWN_FOLDERS:
        mounts.bind(Path(plan.tree) / name, mounts.made(root / name))
    if plan.python_prefix not in ("/", "/usr"):
        prefix = Path(plan.python_prefix)
        mounts.bind_read_only(prefix, mounts.made(root / prefix.relative_to("/")))
    _programs(root, Path(plan.python))
    make_devices(root / "dev", (*DEVICES, "tty"), shared_memory=_SHARED_MEMORY_SIZE)
    mounts.bind(Path(plan.tree) / DISKS, mounts.made(root / DISKS))
    proc = mounts.made(root / "proc")
    mounts.mount_proc(proc)
    for kernels_own in (proc / "sys", proc / "sysrq-trigger"):
        if kernels_own.exists():
            mounts.bind_read_only(kernels_own, kernels_own)
    mounts.made(root / "sys")
    for read_only in (root / "usr/bin", root / "usr/local", root):
        mounts.make_read_only(read_only)
    mounts.change_root(root)


def _system(root: Path, sources: Path) -> None:
    mounts.bind_read_only(Path("/usr"), mounts.made(root / "usr"))
    for name in _SYSTEM_FOLDERS:
        path = Path("/", name)
        if path.is_symlink():
            (root / name).symlink_to(path.readlink())
        elif path.is_dir():
            mounts.bind_read_only(path, mounts.made(root / name))
    # What an administrator of the host installed by hand is no part of Ubuntu.
    mounts.mount_tmpfs(root / "usr/local", size=_LINKS_SIZE)
    mounts.made(root / "usr/local/bin")
    guest = root / SOURCES[1:] / "azure_simulator/machines/guest"
    mounts.bind_read_only(sources, mounts.made(guest))


def _programs(root: Path, python: Path) -> None:
    """Fill ``/usr/bin``: links to the host's programs, the image's Python, our ``systemctl``."""
    host_programs = mounts.made(root / _MACHINE / "bin")
    mounts.bind_read_only(Path("/usr/bin"), host_programs)
    names = [each.name for each in host_programs.iterdir() if not _NOT_OURS.fullmatch(each.name)]
    folder = root / "usr/bin"
    mounts.mount_tmpfs(folder, size=_LINKS_SIZE)
    for name in names:
        (folder / name).symlink_to(f"/{_MACHINE}/bin/{name}")
    if python.parent == Path("/usr/bin"):
        # A link would have it look for its library beside the link's target.
        (folder / python.name).touch()
        mounts.bind_read_only(host_programs / python.name, folder / python.name)
    else:
        (folder / python.name).symlink_to(python)
    if python.name != "python3":
        (folder / "python3").symlink_to(python.name)
    _write_systemctl(folder / "systemctl")


def _write_systemctl(path: Path) -> None:
    path.write_text(
        "#!/usr/bin/python3 -ISB\n"
        "import sys\n"
        f"sys.path.insert(0, {SOURCES!r})\n"
        "from azure_simulator.machines.guest.systemctl import main\n"
        "sys.exit(main(sys.argv[1:]))\n",
        encoding="utf-8",
    )
    path.chmod(0o755)
