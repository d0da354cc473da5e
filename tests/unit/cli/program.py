"""The command line in tests: called in this process, or started as a person starts it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from tests.unit.repository.bench import BLOCK, Bench, StandingClock, noise
from vmbackup_core.ids import DiskUniqueId, RunId
from vmbackup_core.repository import RecoveryPoint, RepositoryKey, initialise
from vmbackup_core.stores.directory import DirectoryStore
from vmbackup_operator.cli import main

VMBACKUP = str(Path(sys.executable).with_name("vmbackup"))
CONTENT = noise(1, 9 * BLOCK) + bytes(30 * BLOCK) + noise(2, 5 * BLOCK)
VMS = "/subscriptions/s/resourceGroups/{}/providers/Microsoft.Compute/virtualMachines/{}"


@dataclass
class CommandLine:
    """``vmbackup repository`` on one repository, in this process."""

    repository: Path
    key_file: Path
    capsys: pytest.CaptureFixture[str]
    address: str = field(default="")

    def arguments(self, verb: str, *more: str) -> list[str]:
        address = self.address or str(self.repository)
        return [
            "repository", verb, "--repository", address, "--key-file", str(self.key_file), *more
        ]  # fmt: skip

    def run(self, verb: str, *more: str) -> tuple[int, str, str]:
        """Return the exit code and what was printed."""
        code = main(self.arguments(verb, *more))
        said = self.capsys.readouterr()
        return code, said.out, said.err


#: Becomes the program with the signals that end one as they are by themselves.
AS_A_TERMINAL = """
import os, signal, sys
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
    signal.signal(number, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""


def start(
    arguments: list[str],
    *,
    stdout: int = subprocess.PIPE,
    environment: dict[str, str] | None = None,
) -> subprocess.Popen[str]:
    """Start the program as a terminal does; its standard error is a pipe.

    Whoever runs tests in the background has signals ignored, and what is started inherits that.
    """
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", AS_A_TERMINAL, VMBACKUP, *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
    )


def shell(line: str, *values: str) -> subprocess.CompletedProcess[str]:
    """Run *line* by a shell in which ``$0`` is the program and ``"$@"`` are *values*."""
    return subprocess.run(  # noqa: S603 - our own program
        ["/bin/sh", "-c", line, VMBACKUP, *values], capture_output=True, text=True, check=False
    )


@dataclass
class Filled:
    """A repository in a folder, whose points are made one by one."""

    folder: Path
    bench: Bench

    def add(self, number: int, vm: str, created: str, *, group: str = "g") -> RecoveryPoint:
        """Record a point of *vm*; its run id begins with the first digit of *number* and zeros."""
        run = RunId(f"{str(number)[0]}{'0' * 27}{number:04d}")
        committed = self.bench.back_up(number, CONTENT)
        point = msgspec.structs.replace(
            self.bench.point(number, committed, len(CONTENT)),
            run_id=run,
            vm_name=vm,
            vm_id=VMS.format(group, vm),
            created_at=datetime.fromisoformat(created).replace(tzinfo=UTC),
        )
        self.bench.repository.record_point(point)
        return point

    def add_disks(self, number: int, disks: list[tuple[str, int | None]]) -> RecoveryPoint:
        """Record a point with disks of these names and LUNs, each with a content of its own."""
        repository = self.bench.repository
        made = []
        for place, (name, lun) in enumerate(disks):
            unique = DiskUniqueId(f"disk-{number}-{place}")
            chain = self.bench.chain(disk=unique)
            committed = self.bench.back_up(number, disk_content(place), chain=chain)
            (disk,) = self.bench.point(number, committed, len(disk_content(place))).disks
            made.append(
                msgspec.structs.replace(
                    disk, name=name, lun=lun, unique_id=unique, chain_id=repository.chain_id(unique)
                )
            )
        point = self.bench.point(number, committed, 1)
        point = msgspec.structs.replace(point, disks=tuple(made))
        repository.record_point(point)
        return point


def disk_content(place: int) -> bytes:
    """Return what the disk at *place* holds in `Filled.add_disks`."""
    return noise(place + 10, (place + 1) * BLOCK)


def fill(folder: Path) -> Filled:
    """Return a repository in *folder* that nothing is in yet."""
    store, key = DirectoryStore(folder), RepositoryKey(bytes(range(32)))
    folder.mkdir()
    repository = initialise(store, key, appliance_id="home", clock=StandingClock())
    return Filled(folder, Bench(store, key, repository))


def damage(filled: Filled, part: str) -> Path:
    """Delete the first object whose name has *part* in it; return where it was."""
    path = next(each for each in sorted(filled.folder.rglob("*")) if part in str(each))
    path.unlink()
    return path


def names_in(folder: Path) -> list[str]:
    """Return the names of all that is in *folder*."""
    return sorted(each.name for each in folder.iterdir())


def restore_all(line: CommandLine, to: Path, *more: str) -> tuple[int, str, str]:
    """Restore every disk of the latest recovery point into the folder *to*."""
    return line.run("restore", "--point", "latest", "--all", "--to", str(to), *more)
