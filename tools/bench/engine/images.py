"""The disk that is backed up, and its later states: made on the spot, the same for one seed.

An ext4 file system with files of a tree that is there anyhow. Later states have other content in
the same extents: 30 % of the bytes scattered in 64 KiB, the rest in runs of 1 to 8 MiB.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO

from azure_simulator.disks import sparse
from azure_simulator.disks.sparse import Extent
from tools.local_cloud.disk_images import allocated_extents
from tools.local_cloud.toolchains import ROOT, made_once

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
PAGE = 4096
#: When everything in the file system was made.
MOMENT = 1767225600
#: Of what changes, so much is scattered; a run is so long on average.
_SCATTERED_SHARE, _RUN_BYTES = 0.3, 4.8 * MIB
#: The name under which a disk's states are served, and lie in a folder.
FIRST, SECOND = "v1", "v2"

_EXTENTS = "extents.json"
_FOLDER = ROOT / "build" / "bench" / "images"


@dataclass(frozen=True, slots=True)
class Kind:
    """What an image is made of; by default 4 GiB with 1.8 GiB in it, of which 81.9 MiB change."""

    seed: int = 42
    tree: str = "/usr"
    size_bytes: int = 4 * GIB
    content_bytes: int = 1800 * MIB
    runs: int = 12
    runs_bytes: int = 14758 * PAGE  # 57.65 MiB
    scattered: int = 388
    scattered_bytes: int = 64 * KIB

    @property
    def name(self) -> str:
        """What tells it from any other."""
        told = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()[:16]


def changing(kind: Kind, share: float) -> Kind:
    """Return *kind* with *share* of the disk changing, in pieces and runs as ever."""
    changed = round(kind.size_bytes * share)
    scattered = round(changed * _SCATTERED_SHARE / kind.scattered_bytes)
    runs_bytes = (changed - scattered * kind.scattered_bytes) // PAGE * PAGE
    runs = max(1, round(runs_bytes / _RUN_BYTES))
    return replace(kind, runs=runs, runs_bytes=runs_bytes, scattered=scattered)


@dataclass(frozen=True, slots=True)
class Images:
    """The first state of a disk and the second, and where later ones differ from each other."""

    folder: Path
    kind: Kind

    @property
    def first(self) -> Path:
        """The disk as it is first."""
        return self.folder / f"{FIRST}.img"

    @property
    def second(self) -> Path:
        """The disk with the first change."""
        return self.folder / f"{SECOND}.img"

    @property
    def content_bytes(self) -> int:
        """How much of the disk is allocated."""
        return sum(length for _, length in allocated_extents(self.first))

    def extents(self) -> list[Extent]:
        """Return what changes.

        It is kept beside the files: what a file system says is allocated is another thing once it
        has written a file, and of a copy.
        """
        kept = self.folder / _EXTENTS
        if not kept.exists():
            kept.write_text(json.dumps(list(differing(self.first, self.second))))
        return [(offset, length) for offset, length in json.loads(kept.read_text())]

    def change(self, target: Path, number: int, extents: Sequence[Extent] | None = None) -> None:
        """Make *target*, any state of the disk, the one after change *number*.

        Other *extents* than those that change otherwise may be given.
        """
        where = self.extents() if extents is None else extents
        with self.first.open("rb") as source, target.open("r+b") as into:
            for offset, content in changes(source.fileno(), where, self.kind, number):
                os.pwrite(into.fileno(), content, offset)


def differing(before: Path, after: Path) -> Iterator[Extent]:
    """Yield where two states of a disk differ, in whole pages, in order and joined."""
    start = end = 0
    with before.open("rb") as one, after.open("rb") as other:
        for at in _differing_pages(one, other):
            if at > end:
                if end > start:
                    yield start, end - start
                start = at
            end = at + PAGE
    if end > start:
        yield start, end - start


def _differing_pages(one: BinaryIO, other: BinaryIO) -> Iterator[int]:
    at = 0
    while piece := one.read(MIB):
        theirs = other.read(MIB)
        if piece != theirs:
            pages = range(0, len(piece), PAGE)
            yield from (at + each for each in pages if _page(piece, each) != _page(theirs, each))
        at += len(piece)


def _page(piece: bytes, at: int) -> bytes:
    return piece[at : at + PAGE]


def images(kind: Kind | None = None, folder: Path = _FOLDER) -> Images:
    """Return the images of *kind* below *folder*, made where they are missing."""
    kind = kind or Kind()
    folder.mkdir(parents=True, exist_ok=True)
    made = made_once(folder / kind.name, lambda unfinished: _make(unfinished, kind))
    return Images(made, kind)


def changed_extents(allocated: Sequence[Extent], kind: Kind) -> list[Extent]:
    """Return the extents of *kind* within what is allocated, in order, disjoint."""
    drawn = random.Random(f"{kind.seed} extents")  # noqa: S311 - content, no secret
    lengths = [*_run_lengths(drawn, kind), *[kind.scattered_bytes] * kind.scattered]
    found: list[Extent] = []
    for length in lengths:
        while True:
            extent = _within(drawn, allocated, length), length
            if not any(extent[0] < end and start < sum(extent) for start, end in _ends(found)):
                found.append(extent)
                break
    return sorted(found)


def changes(
    source: int, extents: Sequence[Extent], kind: Kind, number: int
) -> Iterator[tuple[int, bytes]]:
    """Yield the content of *extents* after change *number*.

    It is what lies elsewhere in the disk, each byte taken for another: it compresses as the disk
    does, and nothing that is stored already is like it.
    """
    drawn = random.Random(f"{kind.seed} change {number}")  # noqa: S311 - content, no secret
    table = bytes(drawn.sample(range(256), 256))
    allocated = [*_of_file(source)]
    for offset, length in extents:
        content = os.pread(source, length, _within(drawn, allocated, length))
        yield offset, content.translate(table)


def _of_file(file: int) -> Iterator[Extent]:
    yield from allocated_extents(Path(f"/proc/self/fd/{file}"))


def _ends(extents: Sequence[Extent]) -> Iterator[tuple[int, int]]:
    return ((offset, offset + length) for offset, length in extents)


def _run_lengths(drawn: random.Random, kind: Kind) -> Iterator[int]:
    """Yield lengths of runs in pages that add up: weights from 1 to 8."""
    weights = [drawn.uniform(1, 8) for _ in range(kind.runs)]
    pages, whole = kind.runs_bytes // PAGE, sum(weights)
    marks = [round(pages * each / whole) for each in accumulate(weights)]
    before = 0
    for mark in marks:
        yield (mark - before) * PAGE
        before = mark


def _within(drawn: random.Random, allocated: Sequence[Extent], length: int) -> int:
    """Return a page's offset from which *length* bytes are allocated."""
    fitting = [(offset, (has - length) // PAGE + 1) for offset, has in allocated if has >= length]
    at = drawn.randrange(sum(places for _, places in fitting))
    for offset, places in fitting:
        if at < places:
            return offset + at * PAGE
        at -= places
    raise AssertionError("a place beyond all")


def _make(folder: Path, kind: Kind) -> None:
    made = Images(folder, kind)
    staged = folder / "tree"
    inodes = _stage(Path(kind.tree), staged, kind)
    _make_file_system(made.first, staged, kind)
    shutil.rmtree(staged)
    _same_times(made.first, inodes)
    sparse.copy(made.first, made.second, kind.size_bytes)
    extents = changed_extents(allocated_extents(made.first), kind)
    (folder / _EXTENTS).write_text(json.dumps(extents))
    made.change(made.second, 1)


def _stage(tree: Path, staged: Path, kind: Kind) -> int:
    """Copy files of *tree* until there is content enough; return how many inodes that takes."""
    left, count = kind.content_bytes, 0
    for path in sorted(_files(tree), key=lambda path: _rank(path, kind)):
        size = path.stat().st_size
        if size > left:
            continue
        target = staged / f"{count // 256:03x}" / f"{count % 256:02x}-{path.name}"[:200]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        target.chmod(0o644)
        left -= size
        count += 1
        if left < kind.content_bytes // 1000:
            break
    for path in (staged, *staged.rglob("*")):
        os.utime(path, (MOMENT, MOMENT))
    return count + -(-count // 256)


def _files(tree: Path) -> Iterator[Path]:
    for where, _, names in os.walk(tree):
        for name in names:
            path = Path(where, name)
            if not path.is_symlink() and path.is_file() and os.access(path, os.R_OK):
                yield path


def _rank(path: Path, kind: Kind) -> bytes:
    return hashlib.sha256(f"{kind.seed} {path}".encode()).digest()


def _make_file_system(image: Path, tree: Path, kind: Kind) -> None:
    with image.open("wb") as file:
        file.truncate(kind.size_bytes)
    its_id = str(uuid.UUID(bytes=hashlib.sha256(str(kind.seed).encode()).digest()[:16], version=4))
    command = [_tool("mke2fs"), "-q", "-F", "-t", "ext4", "-b", str(PAGE), "-U", its_id]
    command += ["-E", f"hash_seed={its_id},root_owner=0:0", "-d", str(tree), str(image)]
    subprocess.run(command, check=True, env=_at_the_moment())


def _same_times(image: Path, inodes: int) -> None:
    """Take away when the copies were made, which the file system has noted of each."""
    first_free = 12  # after those of the file system's own and of lost+found
    changed = [2, *range(first_free, first_free + inodes)]
    lines = "".join(f"set_inode_field <{each}> ctime @{MOMENT}\n" for each in changed)
    subprocess.run(
        [_tool("debugfs"), "-w", "-f", "-", str(image)],
        input=lines,
        text=True,
        check=True,
        capture_output=True,
        env=_at_the_moment(),
    )


def _at_the_moment() -> dict[str, str]:
    return {**os.environ, "SOURCE_DATE_EPOCH": str(MOMENT), "E2FSPROGS_FAKE_TIME": str(MOMENT)}


def _tool(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        raise FileNotFoundError(f"{name} is not installed: it comes with e2fsprogs")
    return found
