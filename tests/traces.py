"""What a module of tests may leave behind: nothing. Processes, files and environment, compared.

tests/conftest.py looks before and after each module. What a fixture for the whole run has started
(a control plane, Azurite) goes on until the run ends, and is told apart by its command line or its
address: a test may end such a program and start it again.
"""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

LISTENING_TCP = "0A"
LISTENING_UNIX = "00010000"


@dataclass(frozen=True, slots=True)
class Traces:
    """How things are at one moment."""

    environment: dict[str, str]
    folder: str
    umask: str
    programs: Counter[str]
    listeners: Counter[str]
    files: frozenset[str]


@dataclass(slots=True)
class Kept:
    """What fixtures for the whole run have started: it may be there after a module."""

    programs: Counter[str] = field(default_factory=Counter)
    listeners: Counter[str] = field(default_factory=Counter)


def traces(checkout: Path, temporary: Path, kept: Kept) -> Traces:
    """Return how things are; what is kept, and what runs below it, is left out.

    *temporary* is the folder that tests work in.
    """
    return Traces(
        environment=dict(os.environ),
        folder=str(Path.cwd()),
        umask=_umask(),
        programs=Counter(_programs(temporary, kept.programs.copy())),
        listeners=Counter(_listeners()) - kept.listeners,
        files=_files(checkout),
    )


def left_behind(before: Traces, after: Traces) -> list[str]:
    """Return what differs, in words; values of the environment are not shown."""
    return [
        *_changed_environment(before.environment, after.environment),
        *_changed("the working directory", before.folder, after.folder),
        *_changed("the umask", before.umask, after.umask),
        *(f"a process: {each}" for each in after.programs - before.programs),
        *(f"a listener: {each}" for each in after.listeners - before.listeners),
        *(f"a file in the checkout: {each}" for each in sorted(after.files - before.files)),
    ]


def _changed_environment(before: dict[str, str], after: dict[str, str]) -> Iterator[str]:
    for name in sorted(before.keys() | after.keys()):
        if name != "PYTEST_CURRENT_TEST" and before.get(name) != after.get(name):
            verb = "set" if name not in before else "changed" if name in after else "removed"
            yield f"the environment: {name} is {verb}"


def _changed(what: str, before: str, after: str) -> Iterator[str]:
    if before != after:
        yield f"{what}: {after}, before {before}"


def _umask() -> str:
    return next(
        line.split()[1]
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("Umask:")
    )


def _programs(temporary: Path, kept: Counter[str]) -> Iterator[str]:
    """Yield the command lines of this process's programs but for those that are *kept*.

    They are the processes below this one, and those whose parent is gone and that work in the
    folder *temporary*.
    """
    processes = _processes()
    below: dict[int, list[int]] = {}
    for pid, parent in processes.items():
        below.setdefault(parent, []).append(pid)
    yield from _below(os.getpid(), below, kept)
    for pid in below.get(1, []):
        if _works_in(pid, temporary):
            yield from _with_all_below(pid, below, kept)


def _below(parent: int, below: dict[int, list[int]], kept: Counter[str]) -> Iterator[str]:
    for child in below.get(parent, []):
        yield from _with_all_below(child, below, kept)


def _with_all_below(pid: int, below: dict[int, list[int]], kept: Counter[str]) -> Iterator[str]:
    command = _command(pid)
    if kept[command]:
        kept[command] -= 1
        return
    if command:  # else it has ended
        yield command
    yield from _below(pid, below, kept)


def _processes() -> dict[int, int]:
    """Return each process's parent."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        found[int(stat.parent.name)] = int(after_name[1])
    return found


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    return " ".join(word.decode(errors="replace") for word in words).strip()


def _works_in(pid: int, folder: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").readlink().is_relative_to(folder)
    except OSError:
        return False


def _listeners() -> Iterator[str]:
    """Yield the addresses that this very process listens on."""
    own = _own_sockets()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/self/net/{table}").read_text().splitlines()[1:]:
            _, address, _, state, *_, inode = line.split()[:10]
            if state == LISTENING_TCP and inode in own:
                yield f"{table} port {int(address.rpartition(':')[2], 16)}"
    for line in Path("/proc/self/net/unix").read_text().splitlines()[1:]:
        _, _, _, flags, _, _, inode, *path = line.split(maxsplit=7)
        if flags == LISTENING_UNIX and inode in own:
            yield f"unix {' '.join(path)}"


def _own_sockets() -> set[str]:
    """Return the inodes of this process's sockets."""
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        try:
            target = str(link.readlink())
        except OSError:
            continue
        if target.startswith("socket:["):
            found.add(target[len("socket:[") : -1])
    return found


def _files(checkout: Path) -> frozenset[str]:
    """Return the files in the checkout that are neither tracked nor ignored."""
    said = subprocess.run(
        ["git", "--no-optional-locks", "ls-files", "--others", "--exclude-standard", "-z"],  # noqa: S607 - the git of PATH
        cwd=checkout,
        check=True,
        capture_output=True,
        text=True,
    )
    return frozenset(said.stdout.split("\0")) - {""}
