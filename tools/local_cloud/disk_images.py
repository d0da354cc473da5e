"""Disks with real content, as sparse files: an ext4 file system, a large sparse disk, an empty one.

What is in them is the same at every call: text and pseudo-random bytes come from seeds, the file
system's files from Python's own library. No root and no mount is needed.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

GIB = 1 << 30
MIB = 1 << 20

#: Pages as an ext4 file system has them: the smallest hole that a sparse file keeps.
PAGE_BYTES = 4096

#: How much of a difference is looked at in one go.
COMPARE_BYTES = 4 * MIB

#: Of e2fsprogs: what makes a file system, what changes its files without a mount, what checks it.
PROGRAMS = ("mke2fs", "debugfs", "e2fsck")


def file_system_programs() -> dict[str, str]:
    """Return where each of `PROGRAMS` is; raise FileNotFoundError that names one that is missing.

    Debian keeps them off an ordinary user's PATH.
    """
    return {name: _tool(name) for name in PROGRAMS}


def make_file_system(path: Path, size_bytes: int, scratch: Path) -> None:
    """Make *path* an ext4 file system of *size_bytes* that holds the Python library's files.

    *scratch* is a folder for the tree on its way in; it is removed.
    """
    tree = scratch / "tree"
    library = Path(sysconfig.get_path("stdlib"))
    ignored = shutil.ignore_patterns("site-packages", "__pycache__", "test", "config-*")
    shutil.copytree(library, tree / "usr" / "lib" / library.name, ignore=ignored)
    (tree / "etc").mkdir()
    (tree / "etc" / "hostname").write_text("web-01\n")
    (tree / "var" / "log").mkdir(parents=True)
    lines = "".join(f"line {number} of the journal\n" for number in range(200_000))
    (tree / "var" / "log" / "messages").write_text(lines)
    with path.open("wb") as image:
        image.truncate(size_bytes)
    subprocess.run(
        [_tool("mke2fs"), "-q", "-F", "-t", "ext4", "-L", "web-01", "-d", str(tree), str(path)],
        check=True,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1767225600"},
    )
    shutil.rmtree(scratch)


def make_data_disk(path: Path, size_bytes: int, content_bytes: int) -> None:
    """Make *path* a sparse file of *size_bytes* with *content_bytes* of random bytes and text.

    The content lies in pieces of 4 KiB to 4 MiB over the whole length, the last page included.
    """
    generator = random.Random(20261122)  # noqa: S311 - content, no secret
    text = "".join(f"{number:09d} the quick brown fox\n" for number in range(150_000)).encode()
    with path.open("wb") as image:
        image.truncate(size_bytes)
        written = 0
        while written < content_bytes:
            length = PAGE_BYTES << generator.randrange(11)
            offset = generator.randrange((size_bytes - length) // PAGE_BYTES) * PAGE_BYTES
            start = generator.randrange(len(text) - 1)
            piece = generator.randbytes(length)
            if generator.random() < 1 / 2:
                piece = (text[start:] + text * (length // len(text) + 1))[:length]
            os.pwrite(image.fileno(), piece, offset)
            written += length
        os.pwrite(image.fileno(), generator.randbytes(PAGE_BYTES), size_bytes - PAGE_BYTES)


def make_empty_disk(path: Path, size_bytes: int) -> None:
    """Make *path* a file of *size_bytes* zeros that takes no room."""
    with path.open("wb") as image:
        image.truncate(size_bytes)


def edit_file_system(path: Path, commands: Sequence[str], script: Path) -> None:
    """Have debugfs carry out *commands* on the file system in *path*; raise where it refuses one.

    They are written to *script*. debugfs ends well whatever most of them come to, and says on its
    standard error what it could not do, behind a line that names its version.
    """
    script.write_text("".join(f"{command}\n" for command in commands))
    done = subprocess.run(
        [_tool("debugfs"), "-w", "-f", str(script), str(path)],
        check=False,
        capture_output=True,
        text=True,
    )
    complaints = done.stderr.strip().splitlines()[1:]
    if complaints or done.returncode:
        raise ValueError(f"debugfs on {path}: {'; '.join(complaints) or done.returncode}")


def copy_disk(source: Path, target: Path) -> None:
    """Make *target* a sparse file that holds what *source* holds."""
    with source.open("rb") as read, target.open("wb") as written:
        written.truncate(source.stat().st_size)
        for offset, length in _pieces(allocated_extents(source)):
            os.pwrite(written.fileno(), os.pread(read.fileno(), length, offset), offset)


def allocated_extents(path: Path) -> list[tuple[int, int]]:
    """Return the (offset, length) runs of *path* that its file system keeps data for."""
    extents: list[tuple[int, int]] = []
    with path.open("rb") as file:
        end = 0
        with suppress(OSError):  # ENXIO: only a hole is left
            while True:
                start = os.lseek(file.fileno(), end, os.SEEK_DATA)
                end = os.lseek(file.fileno(), start, os.SEEK_HOLE)
                extents.append((start, end - start))
    return extents


def first_difference(left: Path, right: Path) -> int | None:
    """Return the offset near which two files differ, or None where every byte is the same.

    Every byte counts: what one file keeps no data for is zeros and is compared as such.
    """
    if left.stat().st_size != right.stat().st_size:
        return min(left.stat().st_size, right.stat().st_size)
    with left.open("rb") as one, right.open("rb") as other:
        for offset, length in _pieces([*allocated_extents(left), *allocated_extents(right)]):
            if os.pread(one.fileno(), length, offset) != os.pread(other.fileno(), length, offset):
                return offset
    return None


def differing_extents(left: Path, right: Path) -> list[tuple[int, int]]:
    """Return the (offset, length) runs of pages in which two files of one size differ."""
    if left.stat().st_size != right.stat().st_size:
        raise ValueError(f"{left} and {right} are not of one size")
    pages: set[int] = set()
    with left.open("rb") as one, right.open("rb") as other:
        for offset, length in _pieces([*allocated_extents(left), *allocated_extents(right)]):
            ours, theirs = (os.pread(each.fileno(), length, offset) for each in (one, other))
            if ours != theirs:
                pages.update(
                    offset + at
                    for at in range(0, length, PAGE_BYTES)
                    if ours[at : at + PAGE_BYTES] != theirs[at : at + PAGE_BYTES]
                )
    runs: list[tuple[int, int]] = []
    for page in sorted(pages):
        if runs and sum(runs[-1]) == page:
            runs[-1] = (runs[-1][0], runs[-1][1] + PAGE_BYTES)
        else:
            runs.append((page, PAGE_BYTES))
    return runs


def check_file_system(path: Path) -> str:
    """Return the last line of ``e2fsck -fn`` on *path*; raise where it finds a fault."""
    done = subprocess.run(
        [_tool("e2fsck"), "-fn", str(path)], check=True, capture_output=True, text=True
    )
    return done.stdout.strip().splitlines()[-1]


def _pieces(extents: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    for start, length in extents:
        for offset in range(start, start + length, COMPARE_BYTES):
            yield offset, min(COMPARE_BYTES, start + length - offset)


def _tool(name: str) -> str:
    """Return the path of an e2fsprogs program."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        raise FileNotFoundError(f"{name} is not installed: it comes with e2fsprogs")
    return found
