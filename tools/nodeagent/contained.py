"""A container: ``python -m tools.nodeagent.contained PLAN``, as root of its pod's namespaces.

It begins the first process of mounts and process ids of their own, and ends as that does, so that
who started it learns by which signal: util-linux's unshare tells of SIGKILL in no version alike.
The first process builds the root that the plan describes, which nobody can write to but where the
plan says so, changes into it, becomes the pod's user and is then the container's program.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

from azure_simulator.machines.guest import mounts
from azure_simulator.machines.guest.devices import DEVICES, make_devices

#: What is in memory is mount points and links, and what programs share.
_SKELETON_SIZE, _SHARED_MEMORY_SIZE = "16m", "64m"
_CLONE_NEWNS, _CLONE_NEWPID = 0x00020000, 0x20000000
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38

#: What a container ends with whose program cannot be started; beside the number of the signal, what
#: one ends with that was ended by it.
NOT_STARTED = BY_SIGNAL = 128

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Bind:
    """What of this machine is seen at *path*."""

    path: str
    source: str
    writable: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What a container is made of; *root* is an empty folder of this machine."""

    root: str
    binds: tuple[Bind, ...]
    words: tuple[str, ...]
    environment: dict[str, str]
    user: int
    group: int

    def to_json(self) -> str:
        """Return what `from_json` reads."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Plan:
        """Read what `to_json` wrote."""
        said = json.loads(text)
        binds = tuple(Bind(**each) for each in said.pop("binds"))
        return Plan(**{**said, "binds": binds, "words": tuple(said["words"])})


def main() -> None:
    """Run the plan in the file that is named; returns in no case."""
    path = Path(sys.argv[1])
    plan = Plan.from_json(path.read_text(encoding="utf-8"))
    path.unlink()  # its environment has what is nobody's to read
    if _libc.unshare(_CLONE_NEWNS | _CLONE_NEWPID):
        raise OSError(ctypes.get_errno(), "no namespaces for a container")
    first = os.fork()
    if not first:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        _become(plan)
    _, how = os.waitpid(first, 0)
    code = os.waitstatus_to_exitcode(how)
    os._exit(code if code >= 0 else BY_SIGNAL - code)


def _become(plan: Plan) -> NoReturn:
    """Be the program, as its user, in its root."""
    _enter(plan)
    mounts.become(plan.user, plan.group)
    os.umask(0o022)
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    try:
        os.execvpe(plan.words[0], plan.words, plan.environment)  # noqa: S606 - the pod's own words
    except OSError as error:
        sys.stderr.write(f"{plan.words[0]}: {error.strerror}\n")
        sys.stderr.flush()
        os._exit(NOT_STARTED)


def _enter(plan: Plan) -> None:
    root = Path(plan.root)
    mounts.make_private()
    mounts.mount_tmpfs(root, size=_SKELETON_SIZE)
    # Outer folders first, since those in them are mounted over what they show.
    for bind in sorted(plan.binds, key=lambda each: each.path.count("/")):
        _show(root, bind, [each.path for each in plan.binds])
    make_devices(root / "dev", DEVICES, shared_memory=_SHARED_MEMORY_SIZE)
    mounts.mount_proc(mounts.made(root / "proc"))
    mounts.make_read_only(root)
    mounts.change_root(root)


def _show(root: Path, bind: Bind, paths: Sequence[str]) -> None:
    """Show a folder or file; one that lacks a place for another path is made anew of its parts."""
    source, at = Path(bind.source), root / bind.path.lstrip("/")
    if bind.path == bind.source and source.is_symlink():
        if not at.is_symlink():  # it may be in a folder that is seen already
            mounts.made(at.parent)
            at.symlink_to(source.readlink())
        return
    inside = [path for path in paths if path.startswith(f"{bind.path}/")]
    if all((source / Path(path).relative_to(bind.path)).exists() for path in inside):
        _mount(bind, source, at)
        return
    mounts.made(at)
    for entry in source.iterdir():
        part = Bind(f"{bind.path}/{entry.name}", str(entry), bind.writable)
        if part.path not in paths:
            _show(root, part, paths)


def _mount(bind: Bind, source: Path, at: Path) -> None:
    if source.is_dir():
        mounts.made(at)
    elif not at.exists():
        mounts.made(at.parent)
        at.touch()
    (mounts.bind if bind.writable else mounts.bind_read_only)(source, at)


if __name__ == "__main__":
    main()
