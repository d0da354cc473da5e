"""Sparse files: which ranges hold data, copies that keep holes, and what differs between two."""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

#: Offset and length in bytes.
Extent = tuple[int, int]

#: What Azure's page ranges and ext4's holes have in common.
GRANULE = 4096

_FICLONE = 0x40049409  # of linux/fs.h
_PIECE = 1024 * 1024
_NO_CLONE = {errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ENOSYS}


def make_empty(path: Path, size_bytes: int) -> None:
    """Make *path* a file of one hole."""
    with path.open("xb") as file:
        file.truncate(size_bytes)


def data_extents(path: Path) -> list[Extent]:
    """Return the ranges of *path* that the file system keeps data for, in order, disjoint."""
    file = os.open(path, os.O_RDONLY)
    try:
        return list(_data(file))
    finally:
        os.close(file)


def _data(file: int) -> Iterator[Extent]:
    size = os.fstat(file).st_size
    at = 0
    while at < size:
        try:
            start = os.lseek(file, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole until the end
                return
            raise
        at = os.lseek(file, start, os.SEEK_HOLE)
        yield start, at - start


def copy(source: Path, target: Path, size_bytes: int) -> None:
    """Make *target* a copy of *source* with its holes, *size_bytes* long.

    The copy shares extents where the file system can; *size_bytes* is at least the source's.
    """
    reading = os.open(source, os.O_RDONLY)
    try:
        writing = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            if not _cloned(reading, writing):
                os.ftruncate(writing, os.fstat(reading).st_size)
                for offset, length in _data(reading):
                    _copy_extent(reading, writing, offset, length)
            os.ftruncate(writing, size_bytes)
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def _cloned(reading: int, writing: int) -> bool:
    try:
        fcntl.ioctl(writing, _FICLONE, reading)
    except OSError as error:
        if error.errno in _NO_CLONE:
            return False
        raise
    return True


def _copy_extent(reading: int, writing: int, offset: int, length: int) -> None:
    end = offset + length
    while offset < end:
        try:
            copied = os.copy_file_range(reading, writing, end - offset, offset, offset)
        except OSError as error:
            if error.errno not in _NO_CLONE:
                raise
            copied = os.pwrite(
                writing, os.pread(reading, min(_PIECE, end - offset), offset), offset
            )
        if copied == 0:
            raise OSError(errno.EIO, f"the source ended at {offset}, its data at {end}")
        offset += copied


def write_into(source: Path, target: Path, offset: int) -> None:
    """Write all of *source*, its holes as zeros, into *target* at *offset*."""
    with source.open("rb") as reading, target.open("r+b") as writing:
        writing.seek(offset)
        while piece := reading.read(_PIECE):
            writing.write(piece)


def differences(previous: Path, current: Path) -> tuple[list[Extent], list[Extent]]:
    """Return what of *current* was written since *previous*, and what was cleared, in granules.

    A granule that has data in both counts as written where its bytes differ.
    """
    before = os.open(previous, os.O_RDONLY)
    try:
        now = os.open(current, os.O_RDONLY)
        try:
            written: list[Extent] = []
            cleared: list[Extent] = []
            end = os.fstat(now).st_size
            for offset, length, had, has in _overlay(list(_data(before)), list(_data(now)), end):
                if has and had:
                    written.extend(_unequal(before, now, offset, length))
                elif has:
                    written.append((offset, length))
                elif had:
                    cleared.append((offset, length))
            return joined(written), joined(cleared)
        finally:
            os.close(now)
    finally:
        os.close(before)


def _overlay(
    before: Sequence[Extent], now: Sequence[Extent], end: int
) -> Iterator[tuple[int, int, bool, bool]]:
    """Yield ranges up to *end* with whether *before* and *now* hold data throughout them."""
    changes: dict[int, list[int]] = {}
    for side, extents in enumerate((before, now)):
        for offset, length in extents:
            changes.setdefault(min(offset, end), [0, 0])[side] += 1
            changes.setdefault(min(offset + length, end), [0, 0])[side] -= 1
    held = [0, 0]
    edges = sorted(changes)
    for edge, following in itertools.pairwise(edges):
        held = [count + change for count, change in zip(held, changes[edge], strict=True)]
        if any(held):
            yield edge, following - edge, held[0] > 0, held[1] > 0


def _unequal(before: int, now: int, offset: int, length: int) -> Iterator[Extent]:
    for at in range(offset, offset + length, _PIECE):
        size = min(_PIECE, offset + length - at)
        old, new = os.pread(before, size, at), os.pread(now, size, at)
        if old == new:
            continue
        for granule in range(0, size, GRANULE):
            if old[granule : granule + GRANULE] != new[granule : granule + GRANULE]:
                yield at + granule, min(GRANULE, size - granule)


def joined(extents: Sequence[Extent]) -> list[Extent]:
    """Return *extents*, which are in order, with those that touch made one."""
    result: list[Extent] = []
    for offset, length in extents:
        if result and sum(result[-1]) == offset:
            result[-1] = (result[-1][0], result[-1][1] + length)
        else:
            result.append((offset, length))
    return result
