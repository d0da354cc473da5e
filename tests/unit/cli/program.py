"""The command line in tests: called in this process, or started as a person starts it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
from msgspec.structs import replace as altered
from typing_extensions import override

from tests.unit.repository.data.bench import noise
from tests.unit.repository.data.samples import BLOCK
from tests.unit.repository.opened.whole_bench import WholeBench, in_folder
from vmbackup_core.ids import RunId
from vmbackup_core.repository.control.points.points import PointDisk, RecoveryPoint
from vmbackup_core.repository.opened import begin_repository
from vmbackup_core.repository.primitives.json_payloads import Time
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
        words = (verb, *more)
        verbs = words[:2] if verb == "key" else words[:1]
        given = ["--repository", address, "--key-file", str(self.key_file)]
        return ["repository", *verbs, *given, *words[len(verbs) :]]

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
    program: Sequence[str] = (VMBACKUP,),
    stdout: int = subprocess.PIPE,
    environment: dict[str, str] | None = None,
) -> subprocess.Popen[str]:
    """Start the program as a terminal does; its standard error is a pipe.

    Whoever runs tests in the background has signals ignored, and what is started inherits that.
    """
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", AS_A_TERMINAL, *program, *arguments],
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
class FilledBench(WholeBench):
    """A repository whose runs can be told by their first digit."""

    @override
    def run(self, number: int) -> RunId:
        return RunId(f"{str(number)[0]}{'0' * 27}{number:04d}")


@dataclass
class Filled:
    """A repository in a folder, whose points are made one by one."""

    folder: Path
    bench: FilledBench

    def add(
        self, number: int, vm: str, created: str, *, group: str = "g", content: bytes = CONTENT
    ) -> RecoveryPoint:
        """Record a point of *vm*; its run id begins with the first digit of *number* and zeros."""
        vm_id = VMS.format(group, vm)
        at = Time.of(datetime.fromisoformat(created).replace(tzinfo=UTC))
        return self.bench.back_up(number, {"os": content}, vm_id=vm_id, created_at=at)

    def add_disks(self, number: int, disks: list[tuple[str, int | None]]) -> RecoveryPoint:
        """Record a point with disks of these names and LUNs, each with a content of its own."""
        repository = self.bench.opened()
        made = [
            altered(
                self.bench.line_of(
                    repository, number, f"disk-{number}-{place}", disk_content(place)
                ),
                name=name,
                lun=lun,
            )
            for place, (name, lun) in enumerate(disks)
        ]
        point = self.bench.point(repository, number, made)
        repository.record(point)
        return point


def disk_content(place: int) -> bytes:
    """Return what the disk at *place* holds in `Filled.add_disks`."""
    return noise(place + 10, (place + 1) * BLOCK)


def fill(folder: Path) -> Filled:
    """Return a repository in *folder* that nothing is in yet."""
    folder.mkdir()
    bench = FilledBench(in_folder(folder))
    begin_repository(bench.places, bench.key, bench.using(), "link")
    return Filled(folder, bench)


@dataclass(frozen=True, slots=True)
class Made:
    """One of the two points of the repository that most tests read."""

    run_id: str
    content: bytes

    @property
    def size_bytes(self) -> int:
        """How long its one disk is."""
        return len(self.content)

    @property
    def sha256(self) -> str:
        """What the disk holds."""
        return hashlib.sha256(self.content).hexdigest()


_FIRST = noise(3, 9 * BLOCK) + bytes(300 * BLOCK) + noise(4, 5 * BLOCK)
FULL = Made(f"1{'0' * 27}0001", _FIRST)
INCREMENTAL = Made(f"2{'0' * 27}0002", noise(5, 2 * BLOCK) + _FIRST[2 * BLOCK :])


@cache
def two_points(root: Path) -> Path:
    """Return a repository below *root* with both points; it is to be copied."""
    filled = fill(root / "two-points")
    filled.add(1, "web", "2026-11-22T12:00", content=FULL.content)
    filled.add(2, "web", "2026-11-23T12:00", content=INCREMENTAL.content)
    return filled.folder


def a_disk() -> PointDisk:
    """Return one disk of a recovery point."""
    bench = WholeBench()
    bench.begun()
    return bench.back_up(1, {"os": noise(1, BLOCK)}).disks[0]


def damage(filled: Filled, part: str) -> Path:
    """Delete the first object whose name has *part* in it; return where it was."""
    path = next(
        each for each in sorted(filled.folder.rglob("*")) if part in str(each) and each.is_file()
    )
    path.unlink()
    return path


def damage_pack(folder: Path) -> str:
    """Alter the first record of the oldest pack in *folder*; return its place and name."""
    path = next(each for each in sorted(folder.glob("data/c/*/p/00000/001/*/*")) if each.is_file())
    content = bytearray(path.read_bytes())
    content[100] ^= 4
    path.write_bytes(content)
    return path.relative_to(folder).as_posix()


def spoil(path: Path) -> None:
    """Alter the last byte of an object."""
    path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1]))


def point_path(folder: Path, run: str) -> Path:
    """Return where the recovery point of *run* lies."""
    (path,) = folder.glob(f"control/v/*/{run}")
    return path


def names_in(folder: Path) -> list[str]:
    """Return the names of all that is in *folder*."""
    return sorted(each.name for each in folder.iterdir())


def restore_all(line: CommandLine, to: Path, *more: str) -> tuple[int, str, str]:
    """Restore every disk of the latest recovery point into the folder *to*."""
    return line.run("restore", "--point", "latest", "--all", "--to", str(to), *more)
