"""Sparse copies keep their holes, and differences name every altered granule."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azure_simulator.disks import sparse

MIB = 1024 * 1024
SIZE = 64 * MIB


def write(path: Path, *pieces: tuple[int, bytes]) -> Path:
    if not path.exists():
        sparse.make_empty(path, SIZE)
    with path.open("r+b") as file:
        for offset, data in pieces:
            file.seek(offset)
            file.write(data)
    return path


def test_an_empty_file_has_no_extents(tmp_path: Path) -> None:
    sparse.make_empty(tmp_path / "a", SIZE)

    assert sparse.data_extents(tmp_path / "a") == []


def test_extents_are_what_was_written_in_granules(tmp_path: Path) -> None:
    path = write(tmp_path / "a", (0, b"x" * 4096), (8192, b"y"), (SIZE - 4096, b"z" * 4096))

    assert sparse.data_extents(path) == [(0, 4096), (8192, 4096), (SIZE - 4096, 4096)]


def test_a_copy_has_the_bytes_and_the_holes(tmp_path: Path) -> None:
    source = write(tmp_path / "a", (MIB, b"x" * 3 * MIB), (SIZE - 8192, b"y" * 4096))

    sparse.copy(source, tmp_path / "b", SIZE)

    assert (tmp_path / "b").read_bytes() == source.read_bytes()
    assert sparse.data_extents(tmp_path / "b") == sparse.data_extents(source)


def test_a_copy_may_be_longer_than_its_source(tmp_path: Path) -> None:
    source = write(tmp_path / "a", (MIB, b"x" * 4096))

    sparse.copy(source, tmp_path / "b", 2 * SIZE)

    assert (tmp_path / "b").stat().st_size == 2 * SIZE
    assert sparse.data_extents(tmp_path / "b") == [(MIB, 4096)]


def test_a_copy_never_overwrites(tmp_path: Path) -> None:
    source = write(tmp_path / "a", (0, b"x"))
    write(tmp_path / "b", (0, b"y"))

    with pytest.raises(FileExistsError):
        sparse.copy(source, tmp_path / "b", SIZE)


def test_zeros_written_over_data_differ_and_stay_data(tmp_path: Path) -> None:
    before = write(tmp_path / "a", (0, b"x" * 8192))
    now = write(tmp_path / "b", (0, bytes(4096) + b"x" * 4096))

    assert sparse.differences(before, now) == ([(0, 4096)], [])


def test_data_that_became_a_hole_is_cleared(tmp_path: Path) -> None:
    before = write(tmp_path / "a", (0, b"x" * 8192), (MIB, b"y" * 4096))
    now = write(tmp_path / "b", (4096, b"x" * 4096), (2 * MIB, b"z" * 4096))

    assert sparse.differences(before, now) == ([(2 * MIB, 4096)], [(0, 4096), (MIB, 4096)])


def test_what_lies_behind_the_end_of_a_smaller_file_is_no_difference(tmp_path: Path) -> None:
    before = write(tmp_path / "a", (0, b"x" * 4096), (SIZE - 4096, b"y" * 4096))
    now = tmp_path / "b"
    now.write_bytes(b"x" * 4096)

    assert sparse.differences(before, now) == ([], [])


@given(
    st.lists(st.tuples(st.integers(0, 63), st.integers(0, 2)), max_size=30),
    st.lists(st.tuples(st.integers(0, 63), st.integers(0, 2)), max_size=30),
)
def test_applying_the_differences_to_the_old_file_gives_the_new_one(
    tmp_path_factory: pytest.TempPathFactory, old: list[tuple[int, int]], new: list[tuple[int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("files")
    before, now = folder / "before", folder / "now"
    for path, granules in ((before, old), (now, new)):
        sparse.make_empty(path, 64 * 4096)
        write(path, *((at * 4096, bytes([value]) * 4096) for at, value in granules))
    wanted = now.read_bytes()

    written, cleared = sparse.differences(before, now)

    result = bytearray(before.read_bytes())
    for offset, length in written:
        result[offset : offset + length] = wanted[offset : offset + length]
    for offset, length in cleared:
        result[offset : offset + length] = bytes(length)
    assert bytes(result) == wanted
    assert sum(length for _, length in written) <= len({at for at, _ in new}) * 4096
