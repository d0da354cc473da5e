"""Disks' files copied with their holes, and told apart page by page."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tools.local_cloud import disk_images
from tools.local_cloud.disk_images import GIB, MIB, PAGE_BYTES


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A sparse disk with bytes at its start, in its middle and at its end."""
    path = tmp_path / "disk"
    with path.open("wb") as image:
        image.truncate(GIB)
        for offset, content in ((0, b"a" * 8192), (5 * MIB, b"b" * MIB), (GIB - 4096, b"c" * 4096)):
            os.pwrite(image.fileno(), content, offset)
    return path


def write(path: Path, offset: int, content: bytes) -> None:
    with path.open("r+b") as image:
        os.pwrite(image.fileno(), content, offset)


def test_a_copy_holds_the_same_bytes_and_takes_no_more_room(disk: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    disk_images.copy_disk(disk, copy)

    assert copy.stat().st_size == GIB
    assert disk_images.differing_extents(disk, copy) == []
    assert disk_images.first_difference(disk, copy) is None
    assert copy.stat().st_blocks <= disk.stat().st_blocks + 64


def test_pages_that_differ_are_told_and_those_side_by_side_as_one(
    disk: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    disk_images.copy_disk(disk, copy)
    write(copy, 4096 + 17, b"x")
    write(copy, 5 * MIB - 1, b"xx")
    write(copy, 100 * MIB, b"x" * 4096)
    write(copy, GIB - 1, b"x")

    assert disk_images.differing_extents(disk, copy) == [
        (4096, PAGE_BYTES),
        (5 * MIB - PAGE_BYTES, 2 * PAGE_BYTES),
        (100 * MIB, PAGE_BYTES),
        (GIB - PAGE_BYTES, PAGE_BYTES),
    ]


def test_zeros_are_a_difference_where_there_was_something_and_none_where_not(
    disk: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    disk_images.copy_disk(disk, copy)
    write(copy, 0, bytes(4096))
    write(copy, 300 * MIB, bytes(4096))

    assert disk_images.differing_extents(disk, copy) == [(0, PAGE_BYTES)]
    assert disk_images.differing_extents(copy, disk) == [(0, PAGE_BYTES)]


def test_files_of_two_sizes_are_not_told_apart_page_by_page(disk: Path, tmp_path: Path) -> None:
    shorter = tmp_path / "shorter"
    shorter.write_bytes(b"")

    with pytest.raises(ValueError, match="not of one size"):
        disk_images.differing_extents(disk, shorter)
