"""What a root has in ``/dev``: devices of the host that are anybody's, and memory to share."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from azure_simulator.machines.guest import mounts

#: Those that a program without a terminal opens.
DEVICES = ("full", "null", "random", "urandom", "zero")

_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
}


def make_devices(folder: Path, names: Iterable[str], *, shared_memory: str) -> None:
    """Show those of *names* that the host has, and give programs so much memory to share."""
    mounts.made(folder)
    for name in names:
        if Path("/dev", name).is_char_device():
            (folder / name).touch()
            mounts.bind(Path("/dev", name), folder / name)
    for name, target in _LINKS.items():
        (folder / name).symlink_to(target)
    mounts.mount_tmpfs(mounts.made(folder / "shm"), size=shared_memory)
