"""What tests of life after damage share: kinds of damage, and what is well again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.unit.cli.program import FULL, INCREMENTAL, CommandLine, Made

POINTS = (FULL, INCREMENTAL)


def oldest_pack(folder: Path) -> Path:
    return next(each for each in sorted(folder.glob("data/c/*/p/00000/001/*/*")) if each.is_file())


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[100] ^= 4
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])


def replace_by_another(path: Path) -> None:
    other = next(
        each for each in sorted(path.parents[2].rglob("*")) if each.is_file() and each != path
    )
    path.write_bytes(other.read_bytes())


def junk(path: Path) -> None:
    path.write_bytes(b"\xff" * path.stat().st_size)


DAMAGES: list[Callable[[Path], None]] = [flip, cut, Path.unlink, replace_by_another, junk]


def everything(folder: Path) -> dict[str, bytes]:
    found = (
        each for each in folder.rglob("*") if each.is_file() and ".unfinished" not in str(each)
    )
    return {str(each.relative_to(folder)): each.read_bytes() for each in found}


def well(line: CommandLine, *words: str) -> str:
    code, out, err = line.run(*words)
    assert (code, err) == (0, ""), out + err
    return out


def restores(line: CommandLine, point: Made, to: Path) -> None:
    path = to / point.run_id
    well(line, "restore", "--point", point.run_id, "--disk", "os", "--to", str(path))
    assert path.read_bytes() == point.content
